"""How far the process is from what the job's programme says.

Every limit of a welding procedure is a departure from its nominal values. ``weld/context`` tells them where somebody
knows the programme; process_drift.py compares with the weld's own beginning, which may be wrong already. What a heat
input does depends on how thick the parts are, which only the job can tell.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import TelemetryWindow, WeldContext
from msstan_core.preprocessing.process_quantities import LARGEST, LEAST, QUANTITIES, at_work, quantities

#: Thicknesses are told relative to this, m.
TYPICAL_THICKNESS_M = 0.003
#: Ratios of the quantities, for each of them whether there is one, then the same of the thickness of both parts.
DEPARTURE_COUNT = 2 * QUANTITIES + 4
_ONE_STAMP = np.zeros(1, np.int64)


class ProgrammeDeparture:
    """Logarithms of the ratios of what the welder reports to what is programmed; remembers the job's values."""

    def __init__(self) -> None:
        self._context: WeldContext | None = None
        self._programmed: NDArray[np.float64] = np.full(QUANTITIES, math.nan)
        self._parts: NDArray[np.float64] = np.zeros(4)

    def update(self, window: TelemetryWindow, values: NDArray[np.float64], context: WeldContext) -> NDArray[np.float32]:
        """Compare the telemetry of a tick with the job's programme.

        Args:
            window: rows [K, 5] with NaN where unmeasured. values: its ``quantities``. context: of the tick.

        Returns:
            [DEPARTURE_COUNT]: log(now / programmed) of current, voltage, wire feed, travel, gas, arc power and heat
            input, clipped, then for each of them 1 where both are known; log(thickness / TYPICAL_THICKNESS_M) of both
            parts and 1 where it is known. All 0 while nothing is welded.
        """
        if context is not self._context:
            row = np.array([context.programmed], np.float32)
            self._programmed = quantities(TelemetryWindow(_ONE_STAMP, row), context.process)
            self._parts = _parts(context)
            self._context = context
        if not at_work(window):
            return np.zeros(DEPARTURE_COUNT, np.float32)
        with np.errstate(invalid="ignore"):
            known = (values >= LEAST) & (self._programmed >= LEAST)
        ratios = np.log(np.where(known, values, 1.0) / np.where(known, self._programmed, 1.0))
        return np.concatenate([np.clip(ratios, -LARGEST, LARGEST), known, self._parts]).astype(np.float32)


def departures_in(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """[..., QUANTITIES] log(now / programmed) in what :meth:`ProgrammeDeparture.update` returns, NaN where unknown."""
    ratios, known = columns[..., :QUANTITIES], columns[..., QUANTITIES : 2 * QUANTITIES]
    return np.where(known > 0, ratios, np.nan).astype(np.float64)


def _parts(context: WeldContext) -> NDArray[np.float64]:
    """[4]: log(thickness / TYPICAL_THICKNESS_M) of both parts, clipped, and whether they are known."""
    thickness_m = np.array([context.thickness_a_m, context.thickness_b_m])
    known = thickness_m > 0
    ratios = np.log(np.where(known, thickness_m, TYPICAL_THICKNESS_M) / TYPICAL_THICKNESS_M)
    return np.concatenate([np.clip(ratios, -LARGEST, LARGEST), known])
