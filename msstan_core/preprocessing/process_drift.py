"""How far the process has moved from this weld's own beginning.

An imperfection follows from a departure from what was programmed (a torch that travels twice as fast, a wire that
slips), not from the value itself. The programmed values are seldom on the wire, but the first seconds of a stable arc
show them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND, TelemetryWindow
from msstan_core.preprocessing.process_quantities import LARGEST, LEAST, LONGEST_GAP_S, QUANTITIES, at_work

#: Seconds after the arc's start between which the beginning is averaged: after the hot start, before most faults.
BEGINNING_S = (0.9, 2.4)
#: Seconds of the running mean since the arc's start.
MEMORY_S = 10.0
#: An arc that has been out for this long was another weld, s.
NEW_WELD_S = 2.0
#: Against the beginning, against the running mean, and whether each of them is there.
DRIFT_COUNT = 2 * QUANTITIES + 2


class ProcessDrift:
    """Logarithms of the ratios of what the welder reports now to what it reported before in the same weld."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._stamp_ns: int | None = None
        self._arc_s = 0.0
        self._out_s = 0.0
        self._beginning = _Mean()
        self._memory = _Mean(MEMORY_S)

    def update(self, stamp_ns: int, window: TelemetryWindow, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Take in the telemetry of a tick; a stamp from the past, or a long silence, starts over.

        Args:
            stamp_ns: of the tick. window: rows [K, 5] with NaN where unmeasured. values: its ``quantities``.

        Returns:
            [DRIFT_COUNT]: log(now / beginning) of current, voltage, wire feed, travel, gas, arc power and heat input (0
            where unknown), the same against the running mean, then one flag each: 1 where there is such a reference.
        """
        passed_s = 0.0 if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / NANOSECONDS_PER_SECOND
        if not 0.0 <= passed_s <= LONGEST_GAP_S:
            self._reset()
            passed_s = 0.0
        self._stamp_ns = stamp_ns
        now = _logarithms(values)
        if not at_work(window):
            self._out_s += passed_s
            if self._out_s >= NEW_WELD_S:
                self._reset()
                self._stamp_ns = stamp_ns
            return np.zeros(DRIFT_COUNT, np.float32)
        self._out_s = 0.0
        self._arc_s += passed_s
        against_beginning, against_memory = self._beginning.log_ratio(now), self._memory.log_ratio(now)
        flags = [float(self._beginning.known), float(self._memory.known)]
        if BEGINNING_S[0] <= self._arc_s <= BEGINNING_S[1]:
            self._beginning.add(now, passed_s)
        if self._arc_s >= BEGINNING_S[0]:
            self._memory.add(now, passed_s)
        return np.concatenate([against_beginning, against_memory, flags]).astype(np.float32)


class _Mean:
    """Mean over time of each quantity's logarithm; with a memory, older values fade."""

    def __init__(self, memory_s: float = math.inf) -> None:
        self._memory_s = memory_s
        self._mean = np.full(QUANTITIES, np.nan)
        self._seconds = 0.0

    @property
    def known(self) -> bool:
        return self._seconds > 0.0

    def add(self, log_values: NDArray[np.float64], seconds: float) -> None:
        if seconds <= 0.0:
            return
        self._seconds = min(self._seconds + seconds, self._memory_s)
        moved = self._mean + (log_values - self._mean) * min(seconds / self._seconds, 1.0)
        first = np.isnan(self._mean)
        self._mean = np.where(np.isnan(log_values), self._mean, np.where(first, log_values, moved))

    def log_ratio(self, log_values: NDArray[np.float64]) -> NDArray[np.float64]:
        ratio: NDArray[np.float64] = np.clip(np.nan_to_num(log_values - self._mean), -LARGEST, LARGEST)
        return ratio


def _logarithms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[QUANTITIES]; NaN where unmeasured or nothing."""
    with np.errstate(invalid="ignore"):
        logarithms: NDArray[np.float64] = np.log(np.where(values >= LEAST, values, np.nan))
    return logarithms
