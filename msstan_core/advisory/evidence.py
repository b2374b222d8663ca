"""What the telemetry says about the cause of an imperfection."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from msstan_core.advisory.parameters import PARAMETERS, UNKNOWN, Parameter, Values, values
from msstan_core.observation import NANOSECONDS_PER_SECOND, TELEMETRY_CHANNELS, TelemetryWindow

#: A measured value counts as deviating from its setpoint from this share on.
LEAST_DEVIATION: dict[Parameter, float] = {
    Parameter.CURRENT: 0.07,
    Parameter.VOLTAGE: 0.04,
    Parameter.WIRE_FEED_SPEED: 0.08,
    Parameter.TRAVEL_SPEED: 0.08,
    Parameter.STICK_OUT: 0.10,
}


@dataclass(frozen=True, slots=True)
class Deviation:
    """The telemetry shows this parameter above (+1) or below (-1) its setpoint."""

    parameter: Parameter
    sign: int

    def size(self, measured: Values, expected: Values) -> float:
        """How far ``measured`` is beyond ``expected`` in the named direction, as a share of it; NaN: not measured."""
        value, setpoint = measured[self.parameter], expected[self.parameter]
        if not (math.isfinite(value) and setpoint > 0):
            return math.nan
        return self.sign * (value / setpoint - 1)

    def shows(self, measured: Values, expected: Values) -> bool:
        """Whether the deviation is there."""
        return self.size(measured, expected) >= LEAST_DEVIATION[self.parameter]


def measured_parameters(window: TelemetryWindow | None, seconds: float) -> Values:
    """Mean of the newest telemetry, in the order of the parameters; NaN where nothing is measured."""
    if window is None or len(window.stamps_ns) == 0:
        return UNKNOWN
    since = int(window.stamps_ns[-1]) - round(seconds * NANOSECONDS_PER_SECOND)
    rows = window.values[window.stamps_ns >= since]
    means = []
    for p in PARAMETERS:
        column = rows[:, TELEMETRY_CHANNELS.index(p.field)] if p.field in TELEMETRY_CHANNELS else rows[:0, 0]
        known = column[np.isfinite(column)]
        means.append(float(known.mean()) if len(known) else math.nan)
    return values(means)
