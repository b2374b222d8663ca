"""What the welder reports within one tick, as quantities that ratios are formed of, and whether it welds."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import ARC_CURRENT_A, TELEMETRY_CHANNELS, TelemetryWindow
from msstan_core.preprocessing.telemetry_features import LEAST_TRAVEL_M_S, arc_power_and_heat_input
from msstan_core.vocabulary import Process

#: Per channel, then arc power and heat input.
QUANTITY_NAMES: tuple[str, ...] = (*TELEMETRY_CHANNELS, "arc_power_w", "heat_input_j_m")
QUANTITIES = len(QUANTITY_NAMES)
#: Values below these say "none", not "little": A, V, m/s, m/s, l/min, W, J/m.
LEAST = np.array([5.0, 2.0, 1e-3, LEAST_TRAVEL_M_S, 0.3, 50.0, 1e3])
#: Telemetry that was silent for this long is not read against what came before, s.
LONGEST_GAP_S = 10.0
#: Logarithms of ratios are clipped to this: a factor of about seven.
LARGEST = 2.0


def quantities(window: TelemetryWindow, process: Process) -> NDArray[np.float64]:
    """[QUANTITIES] means over the window: A, V, m/s, m/s, l/min, W, J/m; NaN where unmeasured."""
    measured = np.isfinite(window.values)
    count = measured.sum(axis=0)
    means = np.where(measured, window.values, 0.0).sum(axis=0) / np.maximum(count, 1)
    means = np.where(count > 0, means, np.nan)
    return np.concatenate([means, arc_power_and_heat_input(window, process)])


def at_work(window: TelemetryWindow) -> bool:
    """Whether the newest row says that it welds: by its current, or by travel where no current is measured."""
    current_a, _, _, travel_m_s, _ = window.values[-1]
    return bool(current_a >= ARC_CURRENT_A if math.isfinite(current_a) else travel_m_s >= LEAST_TRAVEL_M_S)
