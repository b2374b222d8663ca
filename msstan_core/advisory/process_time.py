"""How much time passed at the weld between two looks at the clocks, whatever the clocks did meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msstan_core.observation import NANOSECONDS_PER_SECOND

#: Wall clock and steady clock may drift apart by this much between two looks before the wall clock was set, s.
WALL_JUMP_S = 0.5
#: A simulated clock that moves on by more than this between two looks was set, s.
SIMULATED_JUMP_S = 1.0
#: A simulated clock that stands still, or jumps, for this long (by the steady clock) cannot be waited for, s.
STALL_S = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Both clocks at one instant."""

    now_ns: int  #: the stamps' clock: wall time, or simulated time
    steady_s: float  #: a clock that nobody sets, e.g. ``time.monotonic()``


@dataclass(frozen=True, slots=True)
class Passage:
    """What happened between two looks."""

    elapsed_s: float  #: time at the weld, >= 0 and finite
    steady_s: float  #: by the steady clock, >= 0 and finite
    broken: str = ""  #: why earlier stamps can no longer be compared with the clock; "": they can


class ProcessTime:
    """Measures the time that passes at the weld.

    On wall time that is the steady clock's, so that setting the wall clock moves nothing. On simulated time it is the
    simulation's own, as far as it goes beyond what was told before: a clock that goes to and fro, as of two
    simulations, makes no time pass. Where it stands still or jumps about nobody tells the time any more, and the steady
    clock counts.

    Args:
        simulated: the stamps' clock is a simulated one (``use_sim_time``).
    """

    def __init__(self, simulated: bool) -> None:
        self._simulated = simulated
        self._last: Moment | None = None
        self._furthest_ns = 0  #: of the simulated clock, since it was last set back
        self._untold_s = 0.0  #: since simulated time last moved on as it should, by the steady clock

    def advance(self, moment: Moment) -> Passage:
        """Look at the clocks; nothing has passed at the first look."""
        last, self._last = self._last, moment
        if last is None:
            self._furthest_ns = moment.now_ns
            return Passage(0.0, 0.0)
        steady = moment.steady_s - last.steady_s
        steady = steady if 0.0 <= steady < math.inf else 0.0
        stamps = (moment.now_ns - last.now_ns) / NANOSECONDS_PER_SECOND
        if not self._simulated:
            if abs(stamps - steady) > WALL_JUMP_S:
                return Passage(steady, steady, f"the clock was set by {stamps - steady:+.1f} s")
            return Passage(steady, steady)
        beyond = (moment.now_ns - self._furthest_ns) / NANOSECONDS_PER_SECOND
        told = 0.0 < beyond <= SIMULATED_JUMP_S
        self._untold_s = 0.0 if told else self._untold_s + steady
        stalled = self._untold_s > STALL_S
        if beyond > 0 or stamps < -SIMULATED_JUMP_S or stalled:
            self._furthest_ns = moment.now_ns
        elapsed = steady if stalled else beyond if told else 0.0
        if not 0.0 <= stamps <= SIMULATED_JUMP_S:
            return Passage(elapsed, steady, f"simulated time jumped by {stamps:+.1f} s")
        if stalled:
            return Passage(elapsed, steady, f"simulated time stands still for {self._untold_s:.1f} s")
        return Passage(elapsed, steady)
