"""Where the deltas of one procedure may be, and how they may move there: limits, slew and heat input.

A vector of deltas is *inside* when every nominal + delta lies in the procedure's range and the heat input they predict
lies in its window. The nominal values themselves are inside, so zero always is, and from every inside point there is
an inside way back to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msstan_core.advisory.parameters import PARAMETERS, Parameter, Values, values
from msstan_core.advisory.wps import HEAT_INPUT_RESERVE, Wps
from msstan_core.vocabulary import PROCESS_EFFICIENCY, Process

#: Halvings of an interval; 40 bring it to 1e-12 of its length.
_HALVINGS = 40
#: Turns that the parameters take in one step to make room for each other in the heat-input window.
_TURNS = 8


class Stated(NamedTuple):
    """What an advice says of every parameter; NaN where the procedure lets nobody adjust it."""

    deltas: Values
    minimum: Values  #: of setpoint + delta
    maximum: Values
    max_rate: Values  #: per second


class Envelope:
    """The deltas that one procedure allows.

    Args:
        wps: the procedure. Parameters that it does not let anybody adjust have no room at all.
    """

    def __init__(self, wps: Wps) -> None:
        self.wps = wps
        #: constant-voltage sources: the wire feed sets the current
        self.wire_sets_current = wps.kind in (Process.GMAW, Process.SAW)
        bounds = [self._room(p) for p in PARAMETERS]
        self.low: Values = values(low for low, _ in bounds)  #: lowest delta, <= 0
        self.high: Values = values(high for _, high in bounds)  #: highest delta, >= 0
        sections = [wps.range_of(p) for p in PARAMETERS]
        self.nominal: Values = values(s.nominal if s else math.nan for s in sections)
        #: fastest change per second; 0 where nothing may change
        self.rate: Values = values(
            s.max_rate_per_s if s and wps.adjusts(p) else 0.0 for p, s in zip(PARAMETERS, sections, strict=True)
        )
        self._heat_low, self._heat_high = -math.inf, math.inf
        if wps.heat_input_j_m is not None:
            self._heat_low = wps.heat_input_j_m.min * (1 + HEAT_INPUT_RESERVE)
            self._heat_high = wps.heat_input_j_m.max * (1 - HEAT_INPUT_RESERVE)

    @property
    def return_time_s(self) -> float:
        """From anywhere inside, deltas are back at zero within this time.

        Each parameter alone needs its room over its rate. Where the heat-input window is tight, those that raise the
        heat input and those that lower it may have to wait for each other, hence twice that.
        """
        alone = [
            max(high, -low) / rate if rate > 0 else 0.0
            for low, high, rate in zip(self.low, self.high, self.rate, strict=True)
        ]
        return 2 * max(alone)

    def heat_input_j_m(self, deltas: Values) -> float:
        """Predicted k U I / v in J/m; NaN for processes where it has no meaning.

        The current follows the wire feed proportionally where the wire feed is what is adjusted. In truth it rises by
        less (the wire also heats itself, Lesnewich 1958), so that both ends of the window are guarded.
        """
        if self.wps.heat_input_j_m is None:
            return math.nan
        voltage = self.nominal[Parameter.VOLTAGE] + deltas[Parameter.VOLTAGE]
        travel = self.nominal[Parameter.TRAVEL_SPEED] + deltas[Parameter.TRAVEL_SPEED]
        current = self.nominal[Parameter.CURRENT] + deltas[Parameter.CURRENT]
        wire = self.nominal[Parameter.WIRE_FEED_SPEED]
        if self.wire_sets_current and not math.isnan(wire):
            current *= 1 + deltas[Parameter.WIRE_FEED_SPEED] / wire
        return PROCESS_EFFICIENCY[self.wps.kind] * voltage * current / travel

    def stated(self, deltas: Values) -> Stated:
        """These deltas with their limits, as an advice states them."""
        sections = [self.wps.range_of(p) if self.wps.adjusts(p) else None for p in PARAMETERS]
        return Stated(
            values(deltas[p] if s else math.nan for p, s in zip(PARAMETERS, sections, strict=True)),
            values(s.min if s else math.nan for s in sections),
            values(s.max if s else math.nan for s in sections),
            values(s.max_rate_per_s if s else math.nan for s in sections),
        )

    def contains(self, deltas: Values, slack: float = 0.0) -> bool:
        """Whether deltas are inside; never for NaN. ``slack``: see :meth:`outside`, here of the heat input, too."""
        return self.outside(deltas, slack) == () and self._heat_is_inside(deltas, slack)

    def outside(self, deltas: Values, slack: float = 0.0) -> tuple[Parameter, ...]:
        """Parameters whose nominal + delta leaves the procedure's range (NaN does).

        Args:
            deltas: to look at.
            slack: beyond the range that does not count, as a share of the nominal value.
        """
        found = []
        for p in PARAMETERS:
            more = slack * self.nominal[p] if self.rate[p] > 0 else 0.0
            if not self.low[p] - more <= deltas[p] <= self.high[p] + more:
                found.append(p)
        return tuple(found)

    def clamp(self, deltas: Values) -> Values:
        """The nearest inside deltas towards zero: each parameter alone first, then all in proportion for the heat
        input. NaN (no advice) becomes 0.
        """
        boxed = values(
            0.0 if math.isnan(deltas[p]) else min(max(deltas[p], self.low[p]), self.high[p]) for p in PARAMETERS
        )
        if self._heat_is_inside(boxed):
            return boxed
        share = _largest(lambda s: self._heat_is_inside(values(s * d for d in boxed)))
        return values(share * d for d in boxed)

    def advance(self, now: Values, target: Values, elapsed_s: float, rate: Values | None = None) -> Values:
        """Move towards ``target`` for ``elapsed_s`` without leaving the envelope or a parameter's rate.

        Args:
            now: inside. target: inside.
            elapsed_s: anything but a positive finite number moves nothing.
            rate: further limits of the rates; never faster than the procedure's.
        """
        if not 0.0 < elapsed_s < math.inf:
            return now
        wanted = []
        for p in PARAMETERS:
            reach = elapsed_s * (self.rate[p] if rate is None else min(self.rate[p], max(rate[p], 0.0)))
            wanted.append(min(max(target[p], now[p] - reach), now[p] + reach))
        moved = list(now)
        # What lowers the heat input and what raises it take turns, each as far as the window lets it: together they
        # come through where the straight line would not.
        lowering = [p for p in PARAMETERS if self._heat_sign(p) * (wanted[p] - now[p]) <= 0]
        raising = [p for p in PARAMETERS if p not in lowering]
        for turn in range(_TURNS):
            before = list(moved)
            for p in lowering if turn % 2 == 0 else raising:
                moved[p] = self._as_far_as_possible(moved, p, wanted[p])
            if moved == wanted or (turn > 0 and moved == before):
                break
        return values(moved)

    def _room(self, parameter: Parameter) -> tuple[float, float]:
        section = self.wps.range_of(parameter)
        if section is None or not self.wps.adjusts(parameter):
            return 0.0, 0.0
        low, high = section.min - section.nominal, section.max - section.nominal
        current = self.wps.current_a
        if (
            parameter is Parameter.WIRE_FEED_SPEED and self.wire_sets_current and current is not None
        ):  # the current that follows has limits too
            low = max(low, section.nominal * (current.min / current.nominal - 1))
            high = min(high, section.nominal * (current.max / current.nominal - 1))
        # nominal + (max - nominal) can be max and a last digit more
        while section.nominal + low < section.min:
            low = math.nextafter(low, 0.0)
        while section.nominal + high > section.max:
            high = math.nextafter(high, 0.0)
        return low, high

    def _heat_is_inside(self, deltas: Sequence[float], slack: float = 0.0) -> bool:
        if self.wps.heat_input_j_m is None:
            return True
        heat = self.heat_input_j_m(values(deltas))
        return self._heat_low * (1 - slack) <= heat <= self._heat_high * (1 + slack)

    def _heat_sign(self, parameter: Parameter) -> int:
        """+1: more of it brings more heat input."""
        if parameter is Parameter.STICK_OUT:
            return 0
        return -1 if parameter is Parameter.TRAVEL_SPEED else 1

    def _as_far_as_possible(self, deltas: list[float], parameter: Parameter, wanted: float) -> float:
        start = deltas[parameter]

        def at(share: float) -> float:
            return wanted if share == 1.0 else start + share * (wanted - start)

        def inside(share: float) -> bool:
            trial = list(deltas)
            trial[parameter] = at(share)
            return self._heat_is_inside(trial)

        return wanted if inside(1.0) else at(_largest(inside))


def _largest(allowed: Callable[[float], bool]) -> float:
    """Largest share in [0, 1) for which ``allowed`` holds, found by halving; it must hold at 0."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return low
