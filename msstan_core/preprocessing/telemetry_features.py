"""Rolling statistics of the welder's telemetry, with arc power and heat input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import TELEMETRY_CHANNELS, TelemetryWindow
from msstan_core.vocabulary import PROCESS_EFFICIENCY, Process

#: Typical magnitude of each channel (A, V, m/s, m/s, l/min): values are divided by it so that they are near 1.
CHANNEL_SCALE = np.array([200.0, 30.0, 0.15, 0.01, 15.0], np.float32)
STATISTICS = ("mean", "std", "min", "max", "last")
POWER_SCALE_W = 5_000.0
HEAT_INPUT_SCALE_J_M = 1_000_000.0  # 1 kJ/mm
#: Below this travel speed heat input per length is not defined (the torch stands still), m/s.
LEAST_TRAVEL_M_S = 1e-4
FEATURE_COUNT = len(TELEMETRY_CHANNELS) * (len(STATISTICS) + 1) + 4
#: Columns of arc power, its flag, heat input, its flag: the last four.
ENERGY_FEATURES = range(FEATURE_COUNT - 4, FEATURE_COUNT)


def telemetry_features(window: TelemetryWindow, process: Process) -> NDArray[np.float32]:
    """Statistics of the window as the telemetry branch reads them.

    Args:
        window: rows [K, 5] with NaN where unmeasured.
        process: for the thermal efficiency k of EN 1011-1; unknown processes get no heat input.

    Returns:
        [FEATURE_COUNT]: per channel mean, std, min, max, last (scaled; 0 where unmeasured) and a measured flag; then
        arc power mean(U*I) and its flag, heat input k*mean(U*I)/v (J/m) and its flag. mean(U*I) is the instantaneous
        form of ISO/TR 18491, right for pulsed arcs where mean(U)*mean(I) is not.
    """
    values = window.values / CHANNEL_SCALE
    measured = np.isfinite(values)
    known = measured.any(axis=0)
    count = np.maximum(measured.sum(axis=0), 1)
    filled = np.where(measured, values, 0.0)
    mean = filled.sum(axis=0) / count
    std = np.sqrt(np.where(measured, np.square(filled - mean), 0.0).sum(axis=0) / count)
    least = np.where(known, np.where(measured, values, np.inf).min(axis=0), 0.0)
    most = np.where(known, np.where(measured, values, -np.inf).max(axis=0), 0.0)
    last_row = len(values) - 1 - np.argmax(measured[::-1], axis=0)
    last = np.where(known, filled[last_row, np.arange(values.shape[1])], 0.0)
    power_w, heat_input_j_m = arc_power_and_heat_input(window, process)
    tail = [
        *_value_and_flag(power_w / POWER_SCALE_W),
        *_value_and_flag(min(heat_input_j_m / HEAT_INPUT_SCALE_J_M, 10.0)),
    ]
    features = np.concatenate([mean, std, least, most, last, known.astype(np.float32), np.array(tail)])
    return np.asarray(np.clip(features, -10.0, 10.0), np.float32)


def arc_power_and_heat_input(window: TelemetryWindow, process: Process) -> tuple[float, float]:
    """Mean arc power in W and heat input in J/m over the window; NaN where it cannot be known."""
    power = window.values[:, 0] * window.values[:, 1]
    power = power[np.isfinite(power)]
    if len(power) == 0:
        return float("nan"), float("nan")
    power_w = float(power.mean())
    travel = window.values[:, 3]
    travel = travel[np.isfinite(travel)]
    if len(travel) == 0 or travel.mean() < LEAST_TRAVEL_M_S:
        return power_w, float("nan")
    return power_w, PROCESS_EFFICIENCY[process] * power_w / float(travel.mean())


def _value_and_flag(value: float) -> tuple[float, float]:
    return (value, 1.0) if np.isfinite(value) else (0.0, 0.0)
