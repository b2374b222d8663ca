"""How hot the view is and how its heat changes: what tells a burning arc from cooling metal through any lens.

A burning arc flickers from frame to frame by tens to hundreds of degrees; cooling metal falls smoothly. Neither depends
on where the camera stands, and both survive an emissivity that is off.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND

#: Seconds over which change is measured.
WINDOW_S = 0.5
#: Frames in the window from which change is stated.
LEAST_FRAMES = 3
#: Isotherms whose enclosed share of the view is measured, degC, and the width of their soft edges.
ISOTHERMS_C = (200.0, 500.0, 800.0, 1100.0, 1500.0, 2000.0, 2500.0)
ISOTHERM_WIDTH_C = 100.0
#: Share of the pixels that make up the hot spot: steadier than the single hottest pixel.
HOT_SPOT_SHARE = 0.05
#: degC, degC/s and degC per frame -> about unit range.
LEVEL_SCALE_C, SLOPE_SCALE_C_S, FLICKER_SCALE_C = 1000.0, 500.0, 100.0
_LOG_FLICKER_SCALE = 3.0
_LARGEST = 5.0
#: hottest, hot spot, mean
_TRACKED = 3
STATISTICS_COUNT = _TRACKED + 1 + len(ISOTHERMS_C) + 3 * _TRACKED + 1
#: [STATISTICS_COUNT] which statistics are proportional to the temperatures (about: emissivity is a scale).
PROPORTIONAL = np.array(
    [True] * (_TRACKED + 1) + [False] * len(ISOTHERMS_C) + [True] * 2 * _TRACKED + [False] * (_TRACKED + 1)
)


class ThermalStatistics:
    """Statistics of the newest thermal image and of its change over the last WINDOW_S seconds."""

    def __init__(self) -> None:
        self._past: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._last: NDArray[np.float32] = np.zeros(STATISTICS_COUNT, np.float32)

    def update(self, stamp_ns: int, celsius: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in an image; the same stamp again gives the same answer, a stamp from the past starts over.

        Args:
            stamp_ns: of the thermal frame. celsius: [H, W], finite.

        Returns:
            [STATISTICS_COUNT]: hottest, hot spot's and mean temperature, coldest; share of the view inside each
            isotherm; then for hottest, hot spot and mean their slope over the window, their mean change from frame to
            frame, and its logarithm; last a flag: 1 where the window holds LEAST_FRAMES (else slope and change are 0).
        """
        if self._past and stamp_ns == self._past[-1][0]:
            return self._last
        if self._past and stamp_ns < self._past[-1][0]:
            self._past.clear()
        pixels = np.sort(celsius, axis=None)
        hot_spot = pixels[-max(1, round(HOT_SPOT_SHARE * len(pixels))) :].mean()
        tracked = np.array([pixels[-1], hot_spot, pixels.mean()], np.float32)
        self._past.append((stamp_ns, tracked))
        while stamp_ns - self._past[0][0] > WINDOW_S * NANOSECONDS_PER_SECOND:
            self._past.popleft()
        shares = _shares_inside_isotherms(pixels)
        levels = np.append(tracked, pixels[0]) / LEVEL_SCALE_C
        self._last = np.concatenate([levels, shares, self._change()]).clip(-_LARGEST, _LARGEST).astype(np.float32)
        return self._last

    def _change(self) -> NDArray[np.float32]:
        """[3 * 3 + 1] slopes, changes, logarithms of the changes, flag."""
        if len(self._past) < LEAST_FRAMES:
            return np.zeros(3 * _TRACKED + 1, np.float32)
        rows = np.stack([row for _, row in self._past])
        seconds = (self._past[-1][0] - self._past[0][0]) / NANOSECONDS_PER_SECOND
        slope = (rows[-1] - rows[0]) / seconds / SLOPE_SCALE_C_S
        flicker = np.abs(np.diff(rows, axis=0)).mean(axis=0)
        logarithm = np.log1p(flicker) / _LOG_FLICKER_SCALE
        return np.concatenate([slope, flicker / FLICKER_SCALE_C, logarithm, [1.0]]).astype(np.float32)


def _shares_inside_isotherms(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """[len(ISOTHERMS_C)] share of the sorted ``pixels`` [N] above each isotherm; across its soft edge from 0 to 1."""
    middle, half = np.array(ISOTHERMS_C, np.float32), np.float32(0.5 * ISOTHERM_WIDTH_C)
    below, above = np.searchsorted(pixels, np.stack([middle - half, middle + half]))
    shares: NDArray[np.float64] = (len(pixels) - above).astype(np.float64)
    for index in np.flatnonzero(above > below):
        edge = pixels[below[index] : above[index]]
        shares[index] += (edge - ISOTHERMS_C[index]).sum() / ISOTHERM_WIDTH_C + 0.5 * len(edge)
    shares /= len(pixels)
    return shares
