"""What a robot controller does with gated advice: the reference for the other end of ``weld/advisory_gated``.

Limits are checked at both ends: only the controller knows its present setpoint, and only it is still there when the
gate is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.parameters import PARAMETERS, UNKNOWN, ZERO, Values, values
from msstan_core.advisory.process_time import Moment, ProcessTime
from msstan_core.advisory.refusals import FLOAT32_ROUNDING

#: Without a message for this long the gate is gone, s.
LONGEST_SILENCE_S = 0.3
#: A longer pause of the controller moves the deltas no further than this, s.
LONGEST_STEP_S = 0.2


class AdvisoryFollower:
    """Turns gated advice into deltas to apply now.

    Args:
        simulated_time: the stamps' clock is a simulated one.
        longest_silence_s: see :data:`LONGEST_SILENCE_S`; by the time that passes at the weld.
    """

    def __init__(self, *, simulated_time: bool = False, longest_silence_s: float = LONGEST_SILENCE_S) -> None:
        self._time = ProcessTime(simulated_time)
        self._longest_silence_s = longest_silence_s
        self._advice: Advice | None = None
        self._silent_s = math.inf
        self._heard = False  #: since the last cycle
        self._session, self._last_sequence = "", -1
        self._deltas = ZERO
        self._rate, self._low, self._high = ZERO, UNKNOWN, UNKNOWN
        self.check_gas = False  #: somebody should look at the shielding gas

    @property
    def deltas(self) -> Values:
        """As last applied."""
        return self._deltas

    @property
    def range(self) -> tuple[Values, Values]:
        """Least and greatest setpoint, as last stated; NaN: never, and nothing is applied."""
        return self._low, self._high

    def take(self, advice: Advice, moment: Moment) -> str:
        """A message of ``weld/advisory_gated``.

        Returns:
            Why it is not followed; "": it is.
        """
        if advice.session_id != self._session:
            if self._silent_s <= self._longest_silence_s:
                return "another gate speaks while the first one does"
            self._session, self._last_sequence = advice.session_id, -1
        if advice.sequence_id <= self._last_sequence:
            return "not newer than the last one"
        if math.isnan(advice.confidence):
            return "no confidence stated"
        if advice.valid_until_ns <= moment.now_ns:
            return "expired"
        self._last_sequence = advice.sequence_id
        self._advice, self._silent_s, self._heard = advice, 0.0, True
        return ""

    def follow(self, programmed: Values, moment: Moment) -> Values:
        """Deltas to add to the programmed setpoints now. To be called in every control cycle.

        Args:
            programmed: setpoints of the programme at this moment; NaN where the robot has no such parameter.
            moment: now.

        Returns:
            Deltas with which every setpoint is inside the advice's range, or 0. All move in proportion, as fast as the
            slowest of them may, towards the advice or, without any, back: each at its own rate would bend the way, and
            a bent way may leave the window of heat input between two points that are inside.
        """
        passage = self._time.advance(moment)
        if not self._heard:  # what came during a long cycle is not older than the cycle
            self._silent_s += passage.elapsed_s
        self._heard = False
        elapsed = min(passage.elapsed_s, LONGEST_STEP_S)
        advice = self._advice
        if passage.broken or self._silent_s > self._longest_silence_s:
            advice = None
        if advice is not None and moment.now_ns >= advice.valid_until_ns:
            advice = None
        if advice is None:
            self._advice, self.check_gas = None, False
            wanted = _shrunk(self._deltas, self._rate, elapsed)
        else:
            self.check_gas = advice.check_gas
            # What is no longer stated is kept for the way back, as the rates are.
            self._low, self._high = _stated(advice.minimum, self._low), _stated(advice.maximum, self._high)
            # The rates are kept for the way back; a parameter that is no longer advised returns at the rate it had.
            self._rate = values(
                rate if math.isfinite(rate) and rate > 0 else kept
                for rate, kept in zip(advice.max_rate, self._rate, strict=True)
            )
            aims = [_aim(advice, p, programmed[p]) for p in PARAMETERS]
            wanted = _moved(self._deltas, aims, self._rate, elapsed)
        return self._apply(wanted, programmed)

    @property
    def return_s(self) -> float:
        """How long the way back to 0 takes from here."""
        return max((abs(d) / r for d, r in zip(self._deltas, self._rate, strict=True) if r > 0), default=0.0)

    def retreat(self, programmed: Values, elapsed_s: float) -> Values:
        """Deltas to add when nothing is to be followed any more: back to 0 at the rates last stated.

        For the last cycles of a controller that ends. The clocks are not asked: a simulated one may stand still then.

        Args:
            programmed: as for :meth:`follow`. elapsed_s: since the last cycle.
        """
        self._advice, self.check_gas = None, False
        return self._apply(_shrunk(self._deltas, self._rate, min(elapsed_s, LONGEST_STEP_S)), programmed)

    def _apply(self, wanted: Values, programmed: Values) -> Values:
        """The range outranks the rate: a step of the programme may have taken the room away."""
        self._deltas = values(_inside(wanted[p], programmed[p], self._low[p], self._high[p]) for p in PARAMETERS)
        return self._deltas


def _aim(advice: Advice, parameter: int, programmed: float) -> float:
    """The delta to head for: 0 where the message or the programme leaves anything unknown."""
    delta, rate = advice.deltas[parameter], advice.max_rate[parameter]
    if not (math.isfinite(delta) and math.isfinite(rate) and rate > 0):
        return 0.0
    return _inside(delta, programmed, advice.minimum[parameter], advice.maximum[parameter])


def _stated(now: Values, before: Values) -> Values:
    return values(b if math.isnan(n) else n for n, b in zip(now, before, strict=True))


def _inside(delta: float, programmed: float, low: float, high: float) -> float:
    """``delta``, brought towards 0 until programmed + delta is in the range; 0 where that does not help."""
    rounding = FLOAT32_ROUNDING * abs(programmed)
    if low - rounding <= programmed <= high + rounding:  # programmed at a limit that was rounded on its way
        low, high = min(low, programmed), max(high, programmed)
    if delta == 0.0 or not low <= programmed <= high:  # NaN anywhere: not inside
        return 0.0
    clamped = min(max(delta, low - programmed), high - programmed)
    while programmed + clamped > high or programmed + clamped < low:  # a last digit too much
        clamped = math.nextafter(clamped, 0.0)
    return clamped


def _moved(now: Values, aims: Sequence[float], rate: Values, elapsed_s: float) -> Values:
    """All deltas nearer to their aims by the same share; one without a rate stays."""
    needed_s = [abs(a - n) / r for n, a, r in zip(now, aims, rate, strict=True) if r > 0]
    longest_s = max(needed_s, default=0.0)
    share = 1.0 if longest_s <= elapsed_s else elapsed_s / longest_s
    return values(n + share * (a - n) if r > 0 else n for n, a, r in zip(now, aims, rate, strict=True))


def _shrunk(deltas: Values, rate: Values, elapsed_s: float) -> Values:
    """All deltas nearer to zero by the same share."""
    shares = [abs(d) / r if r > 0 else 0.0 for d, r in zip(deltas, rate, strict=True) if d != 0.0]
    longest_s = max(shares, default=0.0)
    if longest_s <= elapsed_s:
        return ZERO
    keep = 1.0 - elapsed_s / longest_s
    return values(d * keep for d in deltas)
