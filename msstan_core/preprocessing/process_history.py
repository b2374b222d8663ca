"""How the process has changed over the last seconds, and for how long the arc has burnt or been out.

An action of a weld is a change more than a level: the current comes up, is ramped to another value, sinks into the
crater, ends. A level means different things in different welds; a ratio to what was reported a moment ago does not.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND, TelemetryWindow
from msstan_core.preprocessing.process_quantities import LARGEST, LEAST, LONGEST_GAP_S, QUANTITIES, at_work
from msstan_core.preprocessing.telemetry_features import LEAST_TRAVEL_M_S

#: Seconds that the present is compared over, rising.
LAGS_S = (0.3, 0.7, 1.4, 3.0, 6.0)
#: The arc of a weld may break for this long without having ended, s.
BREAK_S = 0.3
#: Stamps are taken for equal within this, so that a regular stream is always compared over the same ticks, s.
_SAME_S = 1e-3
#: log(1 + seconds) is divided by this: about 1 after twenty seconds.
_TIMER_SCALE = 3.0
#: Seconds are not counted beyond this: a timer says "long ago".
_LONGEST_S = 120.0
_TIMERS = 5
#: Ratios for every lag, then the timers.
HISTORY_COUNT = len(LAGS_S) * QUANTITIES + _TIMERS


class ProcessHistory:
    """Logarithms of the ratios of what the welder reports now to what it reported some seconds ago, and timers."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._times_s: list[float] = []  #: rising, of the levels
        self._levels: list[NDArray[np.float64]] = []
        self._burning_s = self._out_s = self._travelling_s = self._standing_s = 0.0
        self._burnt = False

    def update(self, stamp_ns: int, window: TelemetryWindow, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Take in the telemetry of a tick; a stamp from the past, or a long silence, starts over.

        Args:
            stamp_ns: of the tick. window: rows [K, 5] with NaN where unmeasured. values: its ``quantities``.

        Returns:
            [HISTORY_COUNT]: for each of LAGS_S log(now / then) of current, voltage, wire feed, travel, gas, arc power
            and heat input (0 where unknown; "then" is the oldest known where nothing is that old), clipped; then
            log(1 + s)/3 of the seconds that the arc has burnt, has been out, that the torch has travelled and has
            stood, and 1 where an arc has burnt before.
        """
        now_s = stamp_ns / NANOSECONDS_PER_SECOND
        passed_s = now_s - self._times_s[-1] if self._times_s else 0.0
        if passed_s < 0.0 or passed_s > LONGEST_GAP_S:
            self._reset()
            passed_s = 0.0
        level = np.log(np.maximum(np.where(np.isfinite(values), values, np.nan), LEAST))  # NaN stays NaN
        self._times_s.append(now_s)
        self._levels.append(level)
        changes = np.subtract(level, self._levels_before(now_s))
        self._count(passed_s, at_work(window), bool(values[3] >= LEAST_TRAVEL_M_S))
        ratios = np.clip(np.nan_to_num(changes.ravel()), -LARGEST, LARGEST)
        return np.concatenate([ratios, self._timers()]).astype(np.float32)

    def _levels_before(self, now_s: float) -> list[NDArray[np.float64]]:
        """For each of LAGS_S the newest level that is at least so old, the oldest where there is none; what lies before
        the last of them is forgotten.
        """
        places = [max(bisect_right(self._times_s, now_s - lag_s + _SAME_S) - 1, 0) for lag_s in LAGS_S]
        found = [self._levels[place] for place in places]
        del self._times_s[: places[-1]], self._levels[: places[-1]]
        return found

    def _count(self, passed_s: float, burning: bool, travelling: bool) -> None:
        if burning:
            if self._out_s > BREAK_S:
                self._burning_s = 0.0
            self._burning_s, self._out_s, self._burnt = min(self._burning_s + passed_s, _LONGEST_S), 0.0, True
        elif self._burnt:
            self._out_s = min(self._out_s + passed_s, _LONGEST_S)
        self._travelling_s = min(self._travelling_s + passed_s, _LONGEST_S) if travelling else 0.0
        self._standing_s = 0.0 if travelling else min(self._standing_s + passed_s, _LONGEST_S)

    def _timers(self) -> NDArray[np.float64]:
        burning_s = self._burning_s if self._out_s <= BREAK_S else 0.0
        seconds = np.array([burning_s, self._out_s, self._travelling_s, self._standing_s])
        return np.append(np.log1p(seconds) / _TIMER_SCALE, float(self._burnt))
