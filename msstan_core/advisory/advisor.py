"""From anomaly events to advice: which remedy, how much of it, how long.

A remedy begins with half of its change, grows while the imperfection is still seen, is held for a while after it has
gone (its cause may last, and would bring it back at once) and is then taken back gradually. What it makes up for shows
less the better it works: it is kept while its cause lasts beside what is advised. One that moves a parameter the other
way begins with what is measured to be missing, else at zero. Advice is given only while metal is deposited: start,
crater fill and end of the arc belong to the programme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from msstan_core.advisory.advice import VALIDITY_S, Advice
from msstan_core.advisory.correction import Correction, in_words, needed_share, opposes
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.measured import MeasuredValues, collect
from msstan_core.advisory.parameters import ZERO, Parameter, values
from msstan_core.advisory.remedies import Remedy, Rule, resolved
from msstan_core.advisory.rules import rule_for
from msstan_core.advisory.wps import Wps
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.observation import NANOSECONDS_PER_SECOND, TelemetryWindow
from msstan_core.vocabulary import Action

#: Actions during which parameters may be advised.
ADVISED_DURING = frozenset({Action.MATERIAL_DEPOSITION, Action.HEAT_INPUT_ADJUSTMENT})
#: An open event that is not heard of for this long is gone, s.
EVENT_MEMORY_S = 1.0
#: Longest time that one step of growth or release may stand for, s.
_LONGEST_STEP_S = 0.5


class AdvisorConfig(BaseModel):
    """How strongly and how long is advised; the fields are also parameters ``advisory.NAME`` of the monitor node."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    first_share: float = Field(0.5, ge=0.05, le=1, description="share of the remedy at the onset")
    growth_per_s: float = Field(1.0, ge=0, le=10, description="growth of the share while the imperfection lasts, 1/s")
    hold_s: float = Field(1.5, ge=0, le=30, description="held after the imperfection has cleared, s")
    hold_while_measured_s: float = Field(
        10.0, ge=0, le=120, description="held this long at most while the telemetry still shows the cause, s"
    )
    release_per_s: float = Field(0.4, ge=0.05, le=10, description="share taken back per second afterwards, 1/s")
    release_without_cause_per_s: float = Field(
        2.0, ge=0.05, le=10, description="the same, at once, where the telemetry shows that the cause has gone, 1/s"
    )
    validity_s: float = Field(VALIDITY_S, ge=0.4, le=2, description="valid_until after the stamp, s")
    period_s: float = Field(0.1, ge=0.02, le=0.2, description="time between two messages about one remedy, s")
    evidence_s: float = Field(0.5, ge=0.05, le=5, description="telemetry whose median tells the cause, s")


@dataclass(slots=True)
class _Open:
    event: AnomalyEvent
    heard_ns: int
    confidence: float  #: highest score so far: hysteresis keeps an event open at lower ones


class Advisor:
    """Gives advice about one stream of decisions. Not thread-safe.

    Args:
        config: how strongly and how long.
    """

    def __init__(self, config: AdvisorConfig | None = None) -> None:
        self.config = config or AdvisorConfig()
        self._envelope: Envelope | None = None
        self.reset()

    def reset(self) -> None:
        """Forget events and remedies."""
        self._open: dict[int, _Open] = {}
        self._correction: Correction | None = None
        self._deltas = ZERO
        self._last_ns: int | None = None
        self._said_ns: int | None = None  #: stamp of the last message that asked for something
        self._said: tuple[int, bool] = (0, False)

    def update(
        self,
        stamp_ns: int,
        action: Action,
        events: Iterable[AnomalyEvent],
        telemetry: TelemetryWindow | None,
        wps: Wps | None,
    ) -> Advice | None:
        """One decision.

        Args:
            stamp_ns: of the decision; going back means that time was reset.
            action: what the cell is doing.
            events: of this decision; open ones may be repeated or not.
            telemetry: newest welder figures; None: not measured or stale.
            wps: procedure in force; None: none is, and no advice is possible.

        Returns:
            Advice to publish now (without session and numbers), or None. After the last of a series one more says zero.
        """
        if self._last_ns is not None and stamp_ns < self._last_ns:
            self.reset()
        elapsed_s = 0.0 if self._last_ns is None else (stamp_ns - self._last_ns) / NANOSECONDS_PER_SECOND
        elapsed_s = min(elapsed_s, _LONGEST_STEP_S)
        self._last_ns = stamp_ns
        self._follow_events(stamp_ns, events)
        if wps is None:
            closing = self._withdrawn(stamp_ns)
            self._envelope = None
            return closing
        if self._envelope is None or self._envelope.wps != wps:
            self._envelope, self._correction = Envelope(wps), None
        envelope = self._envelope
        suspected = self._suspected() if action in ADVISED_DURING else []
        if action not in ADVISED_DURING:
            self._correction = None
        else:
            self._correct(suspected, self._evidence(telemetry, envelope), envelope, stamp_ns, elapsed_s)
        self._deltas = ZERO if self._correction is None else self._correction.deltas(envelope)
        gas = next((seen for rule, seen in suspected if rule.check_gas), None)
        return self._message(stamp_ns, envelope, gas)

    # -- events ---------------------------------------------------------------------------------------------------

    def _follow_events(self, stamp_ns: int, events: Iterable[AnomalyEvent]) -> None:
        for event in events:
            if event.phase is EventPhase.CLEARED:
                self._open.pop(event.event_id, None)
            else:
                known = self._open.get(event.event_id)
                # fmax: a tick without a statement (NaN) takes nothing back
                confidence = float(np.fmax(event.score, known.confidence if known else math.nan))
                self._open[event.event_id] = _Open(event, stamp_ns, confidence)
        horizon = stamp_ns - round(EVENT_MEMORY_S * NANOSECONDS_PER_SECOND)
        self._open = {key: entry for key, entry in self._open.items() if entry.heard_ns >= horizon}

    def _suspected(self) -> list[tuple[Rule, _Open]]:
        """Open events that a rule knows, the most urgent first."""
        found = [(rule, e) for e in self._open.values() if (rule := rule_for(e.event.iso_code)) is not None]
        return sorted(found, key=lambda pair: -pair[0].urgency)

    # -- remedies -------------------------------------------------------------------------------------------------

    def _correct(
        self,
        suspected: list[tuple[Rule, _Open]],
        evidence: MeasuredValues,
        envelope: Envelope,
        stamp_ns: int,
        elapsed_s: float,
    ) -> None:
        for rule, seen in suspected:
            remedy = self._remedy(rule, evidence)
            if remedy is not None and any(resolved(c, envelope) is not None for c in remedy.changes):
                if self._would_undo(rule, remedy, evidence, envelope):
                    break
                self._begin_or_grow(rule, seen, remedy, evidence, envelope, elapsed_s)
                return
            if rule.check_gas:  # in air everything else is a consequence
                break
        if self._correction is not None:
            self._hold_or_release(self._correction, evidence, stamp_ns, elapsed_s)

    def _remedy(self, rule: Rule, evidence: MeasuredValues) -> Remedy | None:
        """The one in force while its cause is still measured, else what the rule finds now."""
        running = self._correction
        if running is not None and running.rule is rule:
            cause = running.remedy.when
            if cause is not None and cause.shows(evidence):
                return running.remedy
        return rule.remedy(evidence)

    def _would_undo(self, rule: Rule, remedy: Remedy, evidence: MeasuredValues, envelope: Envelope) -> bool:
        """Whether a remedy is the opposite of the one in force, which hides its cause because it works: it is held."""
        running = self._correction
        if running is None or running.rule is not rule or running.remedy.when is None:
            return False
        lasts = running.remedy.when.lasts(evidence) is not False
        return lasts and opposes(remedy, running.remedy, envelope)

    def _begin_or_grow(
        self, rule: Rule, seen: _Open, remedy: Remedy, evidence: MeasuredValues, envelope: Envelope, elapsed_s: float
    ) -> None:
        running, needed = self._correction, needed_share(remedy, evidence, envelope)
        opposed = running is not None and not rule.at_once and opposes(remedy, running.remedy, envelope)
        if running is not None and running.rule is rule and not opposed:
            grown = running.share + self.config.growth_per_s * elapsed_s
            running.share = min(max(grown, needed), 1.0)
            running.remedy, running.held_since_ns = remedy, None
            running.event_id, running.confidence = seen.event.event_id, seen.confidence
            return
        share = 1.0 if rule.at_once else max(0.0 if opposed else self.config.first_share, needed)
        self._correction = Correction(rule, remedy, seen.event.event_id, seen.confidence, share)

    def _hold_or_release(self, running: Correction, evidence: MeasuredValues, stamp_ns: int, elapsed_s: float) -> None:
        if running.held_since_ns is None:
            running.held_since_ns = stamp_ns
        held_s = (stamp_ns - running.held_since_ns) / NANOSECONDS_PER_SECOND
        cause_lasts = running.remedy.when.lasts(evidence) if running.remedy.when is not None else None
        if cause_lasts is False and evidence.arc_holds:  # now the remedy itself is what is wrong
            running.share -= self.config.release_without_cause_per_s * elapsed_s
        elif held_s <= (self.config.hold_while_measured_s if cause_lasts else self.config.hold_s):
            return
        else:
            running.share -= self.config.release_per_s * elapsed_s
        if running.share <= 0:
            self._correction = None

    def _evidence(self, telemetry: TelemetryWindow | None, envelope: Envelope) -> MeasuredValues:
        advised = [n + d for n, d in zip(envelope.nominal, self._deltas, strict=True)]
        wire = envelope.nominal[Parameter.WIRE_FEED_SPEED]
        if envelope.wire_sets_current and wire > 0:  # the current follows, and that is no fault
            advised[Parameter.CURRENT] *= advised[Parameter.WIRE_FEED_SPEED] / wire
        return collect(telemetry, self.config.evidence_s, envelope.nominal, values(advised))

    def _withdrawn(self, stamp_ns: int) -> Advice | None:
        """The last message under a procedure that is not in force any more: zero, if something was asked for."""
        self._correction, self._deltas = None, ZERO
        return None if self._envelope is None else self._message(stamp_ns, self._envelope, None)

    # -- messages -------------------------------------------------------------------------------------------------

    def _message(self, stamp_ns: int, envelope: Envelope, gas: _Open | None) -> Advice | None:
        running = self._correction
        asks = running is not None or gas is not None
        cause = (running.event_id if running else gas.event.event_id if gas else 0, gas is not None)
        if not asks and self._said_ns is None:
            return None
        due_ns = round(self.config.period_s * NANOSECONDS_PER_SECOND)
        if asks and cause == self._said and self._said_ns is not None and stamp_ns - self._said_ns < due_ns:
            return None
        self._said_ns, self._said = (stamp_ns, cause) if asks else (None, (0, False))
        reasons, iso_code, confidence = ["nothing is suspected any more: weld as programmed"], 0, 1.0
        if running is not None:
            state = "" if running.held_since_ns is None else _held(running, self._open)
            reasons = [state + in_words(running.remedy, envelope)]
            iso_code, confidence = running.rule.iso_code, running.confidence
        if gas is not None:
            text = "pores: air reaches the pool, look at nozzle, hose, flow and draught"
            reasons = [text] if running is None else [*reasons, text]
            if running is None:
                iso_code, confidence = gas.event.iso_code, gas.confidence
        stated = envelope.stated(self._deltas)
        return Advice(
            stamp_ns=stamp_ns,
            valid_until_ns=stamp_ns + round(self.config.validity_s * NANOSECONDS_PER_SECOND),
            cause_event_id=cause[0],
            cause_iso_code=iso_code,
            confidence=confidence,
            deltas=stated.deltas,
            minimum=stated.minimum,
            maximum=stated.maximum,
            max_rate=stated.max_rate,
            check_gas=gas is not None,
            reason="; ".join(reasons),
        )


def _held(running: Correction, still_open: dict[int, _Open]) -> str:
    return "held: " if running.event_id in still_open else "cleared, still held: "
