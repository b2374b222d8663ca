"""The gate between monitor and robot: whatever comes in, what goes out stays inside the welding procedure.

Every message is refused unless everything about it is right; every doubt leads back to the programmed setpoints, at the
procedure's own rates. The gate holds no thread and no clock: it is told both clocks at every call, so that all it does
can be tested.
"""

from __future__ import annotations

import math
from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from msstan_core.advisory.advice import VALIDITY_S, Advice
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.gate_output import GateOutput, GateState
from msstan_core.advisory.monitor_watch import REMEMBERED_SESSIONS, BeatRefusal, Heartbeat, MonitorWatch
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Values, values
from msstan_core.advisory.process_time import Moment, ProcessTime
from msstan_core.advisory.refusals import FLOAT32_ROUNDING, Refusal, content_refusal
from msstan_core.advisory.wps import Wps
from msstan_core.observation import NANOSECONDS_PER_SECOND


class GateSettings(BaseModel):
    """When the gate trusts, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    heartbeat_timeout_s: float = Field(
        0.5,
        ge=0.3,
        le=5,
        description="silence of weld/state that means no monitor, s; several heartbeats "
        "(state_rate_hz, at least 10 Hz) must fit in",
    )
    max_age_s: float = Field(0.5, ge=0.01, le=5, description="oldest samples an advice may rest on, s")
    future_tolerance_s: float = Field(0.1, ge=0, le=1, description="a stamp may lie this far ahead of the clock, s")
    max_validity_s: float = Field(2.0, ge=VALIDITY_S, le=10, description="longest valid_until after the stamp, s")
    least_confidence: float = Field(0.5, ge=0, le=1, description="advice with less confidence is refused")
    accept_degraded: bool = Field(False, description="follow a monitor that says DEGRADED (a sensor missing or late)")
    violations_to_latch: int = Field(
        5, ge=1, le=1000, description="violations after which nothing passes until ~/reset"
    )
    forgive_violation_s: float = Field(10.0, ge=0.1, le=3600, description="one violation is forgotten after this, s")
    longest_step_s: float = Field(
        0.2, ge=0.005, le=1, description="a longer pause moves the deltas no further than this, s"
    )
    output_validity_s: float = Field(0.25, ge=0.02, le=2, description="valid_until of the output after its stamp, s")


class AdvisoryGate:
    """See the module. Not thread-safe.

    Args:
        settings: when it trusts.
        simulated_time: the stamps' clock is a simulated one.
    """

    def __init__(self, settings: GateSettings | None = None, *, simulated_time: bool = False) -> None:
        self.settings = settings or GateSettings()
        self._time = ProcessTime(simulated_time)
        self._envelope: Envelope | None = None
        self._wanted: Wps | None = None
        self._no_procedure = "no WPS is set"
        self._deltas = ZERO
        self._advice: Advice | None = None
        self._advice_age_s = 0.0
        self._why_none = "nothing is suspected"
        self._last_sequence = -1
        self._last_stamp_ns: int | None = None
        self._last_sequences: dict[str, int] = {}  #: of advice, by sessions that ended
        self._monitor = MonitorWatch(self.settings.heartbeat_timeout_s, self.settings.future_tolerance_s)
        self._violations = 0.0
        self.objection = ""  #: what spoke against any advice at the last step; "": nothing did
        self.latched = ""  #: why, in words; "": it is not
        self.refused: Counter[Refusal] = Counter()
        self.last_refusal = ""
        self.accepted = 0
        self.clamped = 0  #: accepted, but asked for more than the procedure allows
        self.foreign_session = ""  #: of a second monitor that spoke within the last second of the last step

    # -- what it is told ------------------------------------------------------------------------------------------

    def set_procedure(self, wps: Wps | None, reason: str = "") -> None:
        """The procedure that is in force from now on; it is taken up once the deltas of the one before are back at 0.

        Args:
            wps: None: none is, and nothing passes. reason: why none is.
        """
        if wps != self._wanted:
            self._forget("the welding procedure changed")
        self._wanted, self._no_procedure = wps, reason or "no WPS is set"

    def heartbeat(self, beat: Heartbeat, moment: Moment) -> None:
        """The monitor lives, unless the message is old: one that was held up somewhere is no sign of life.

        A second monitor is not listened to while the first one lives; neither is a past one that does not go on.
        """
        before = self._monitor.session_id
        if void := self._monitor.hear(beat, moment):
            self._forget(void)
        if self.session_id != before:
            self._last_sequences[before] = self._last_sequence
            while len(self._last_sequences) > REMEMBERED_SESSIONS:
                self._last_sequences.pop(next(iter(self._last_sequences)))
            self._last_sequence, self._last_stamp_ns = self._last_sequences.pop(self.session_id, -1), None

    def receive(self, advice: Advice, moment: Moment) -> Refusal | None:
        """Take an advice, or refuse it.

        Returns:
            Why it is refused; None: it is in force until something speaks against it.
        """
        refusal = self._refusal(advice, moment)
        if refusal is not None:
            self.refused[refusal] += 1
            self.last_refusal = refusal.text
            if refusal.violation:
                self._violated(refusal.text)
            return refusal
        assert self._envelope is not None
        self._advice, self._advice_age_s = advice, 0.0
        self._last_sequence, self._last_stamp_ns = advice.sequence_id, advice.stamp_ns
        self.accepted += 1
        if not self._envelope.contains(values(0.0 if math.isnan(d) else d for d in advice.deltas), FLOAT32_ROUNDING):
            self.clamped += 1
            self._violated("asked for more than the procedure allows")
        return None

    def reset(self) -> None:
        """Open a latched gate again. What was advised before does not come back."""
        self.latched, self._violations = "", 0.0
        self._forget("the gate was reset")

    # -- what it says ---------------------------------------------------------------------------------------------

    def step(self, moment: Moment) -> GateOutput:
        """Move the deltas on and say where they are. To be called regularly; never moves faster than the procedure's
        rates times the time passed, nor on a long pause further than ``longest_step_s``.
        """
        passage = self._time.advance(moment)
        self._advice_age_s += passage.elapsed_s
        self._violations = max(0.0, self._violations - passage.steady_s / self.settings.forgive_violation_s)
        if passage.broken:
            self._forget(passage.broken)
            self._last_stamp_ns = None
        self.foreign_session = self._monitor.foreign_session(moment)
        self.objection = self._standing_objection(moment)
        if self.objection:
            self._advice = None
        self._expire(moment)
        self._take_up_procedure()
        elapsed = min(passage.elapsed_s, self.settings.longest_step_s)
        if self._envelope is not None:
            target, rate = ZERO, None
            if self._advice is not None:
                target, rate = self._aim(self._advice, self._envelope)
            self._deltas = self._envelope.advance(self._deltas, target, elapsed, rate)
        return self._output(moment)

    @property
    def session_id(self) -> str:
        """The monitor that is listened to; "" before the first heartbeat."""
        return self._monitor.session_id

    @property
    def refused_heartbeats(self) -> Counter[BeatRefusal]:
        """How many did not count, by reason."""
        return self._monitor.refused

    def _output(self, moment: Moment) -> GateOutput:
        advice = self._advice
        if self.latched:
            state = GateState.LATCHED
        elif advice is not None:
            state = GateState.ADVISING
        else:
            state = GateState.PROGRAMMED if self._deltas == ZERO else GateState.RETURNING
        reason = self.objection or (advice.reason if advice is not None else self._why_none)
        return GateOutput(
            stamp_ns=moment.now_ns,
            valid_until_ns=moment.now_ns + _nanoseconds(self.settings.output_validity_s),
            deltas=self._deltas,
            envelope=self._envelope,
            state=state,
            reason=reason,
            cause_event_id=advice.cause_event_id if advice else 0,
            cause_iso_code=advice.cause_iso_code if advice else 0,
            confidence=advice.confidence if advice else 0.0,
            model_revision=self._monitor.beat.model_revision if self._monitor.beat else 0,
            check_gas=advice.check_gas if advice else False,
        )

    # -- judgement ------------------------------------------------------------------------------------------------

    def _refusal(self, advice: Advice, moment: Moment) -> Refusal | None:
        s = self.settings
        if self.latched:
            return Refusal.LATCHED
        if self._envelope is None or self._envelope.wps != self._wanted:
            return Refusal.NO_PROCEDURE
        beat = self._monitor.beat
        if beat is None or not self._monitor.lives(moment):
            return Refusal.NO_MONITOR
        if advice.session_id != self.session_id:
            return Refusal.FOREIGN_SESSION
        if advice.model_revision != beat.model_revision:
            return Refusal.FOREIGN_REVISION
        if not beat.usable:
            return Refusal.UNHEALTHY
        if advice.sequence_id <= self._last_sequence:
            return Refusal.NOT_NEWER
        if not 0 < advice.valid_until_ns - advice.stamp_ns <= _nanoseconds(s.max_validity_s):
            return Refusal.VALID_TOO_LONG
        if refusal := content_refusal(advice, self._envelope, s.least_confidence):
            return refusal
        if advice.stamp_ns > moment.now_ns + _nanoseconds(s.future_tolerance_s):
            return Refusal.FROM_THE_FUTURE
        if self._last_stamp_ns is not None and advice.stamp_ns < self._last_stamp_ns:
            return Refusal.OLDER_STAMP
        if advice.valid_until_ns <= moment.now_ns:
            return Refusal.EXPIRED
        if advice.stamp_ns < moment.now_ns - _nanoseconds(s.max_age_s):
            return Refusal.STALE
        return None

    def _standing_objection(self, moment: Moment) -> str:
        """What speaks against any advice at present, in words."""
        if self.latched:
            return f"latched: {self.latched}"
        if self._wanted is None:
            return self._no_procedure
        if not self._monitor.lives(moment):
            return self._monitor.problem or ("the monitor is silent" if self.session_id else Refusal.NO_MONITOR.text)
        if (beat := self._monitor.beat) is not None and not beat.usable:
            return f"monitor: {beat.complaint or Refusal.UNHEALTHY.text}"
        return ""

    def _expire(self, moment: Moment) -> None:
        """By the stamps' clock and by the time passed since the advice came: one of them may be wrong."""
        if self._advice is None:
            return
        validity_s = (self._advice.valid_until_ns - self._advice.stamp_ns) / NANOSECONDS_PER_SECOND
        if moment.now_ns >= self._advice.valid_until_ns or self._advice_age_s >= validity_s:
            self._forget("the last advice has expired")

    def _take_up_procedure(self) -> None:
        in_use = self._envelope.wps if self._envelope is not None else None
        if in_use != self._wanted and self._deltas == ZERO:
            self._envelope = Envelope(self._wanted) if self._wanted is not None else None

    def _aim(self, advice: Advice, envelope: Envelope) -> tuple[Values, Values]:
        """Where an accepted advice leads, and how fast: within its own limits and the procedure's."""
        target, rate = list(ZERO), list(envelope.rate)
        for p in PARAMETERS:
            delta = advice.deltas[p]
            if math.isnan(delta) or delta == 0.0:
                continue
            low, high = advice.minimum[p] - envelope.nominal[p], advice.maximum[p] - envelope.nominal[p]
            target[p] = min(max(delta, min(low, 0.0)), max(high, 0.0))
            rate[p] = advice.max_rate[p]
        return envelope.clamp(values(target)), values(rate)

    def _violated(self, text: str) -> None:
        self._violations += 1
        # The count leaks away slowly, so n violations in a row make a little less than n.
        if self._violations > self.settings.violations_to_latch - 1 and not self.latched:
            self.latched = f"repeated violations, the last: {text}"
            self._forget("the gate was latched")

    def _forget(self, why: str) -> None:
        self._advice, self._why_none = None, why


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANOSECONDS_PER_SECOND)
