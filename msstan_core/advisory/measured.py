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
#: Beyond these shares of the programmed values no arc burns: its gap, or a short circuit that has just been made.
BROKEN_ARC_VOLTAGE, BROKEN_ARC_CURRENT = 1.35, 0.4
#: An arc that is out for more than this share of the time is a fault of its own, which no setpoint mends.
MOST_BROKEN = 1 / 3


@dataclass(frozen=True, slots=True)
class MeasuredValues:
    """Measured values beside the setpoints they belong to, in the order of the parameters."""

    measured: Values  #: NaN: not measured
    programmed: Values  #: setpoints of the procedure
    advised: Values  #: the same with the present advice, which the robot follows with some delay, or not at all
    arc_holds: bool = True  #: False: the arc breaks so often that the figures say nothing about the setpoints


@dataclass(frozen=True, slots=True)
class Deviation:
    """The telemetry shows this parameter above (+1) or below (-1) its setpoint."""

    parameter: Parameter
    sign: int

    def size(self, evidence: MeasuredValues) -> float:
        """How far the measured value is beyond both setpoints in the named direction, as a share; NaN: not measured.

        Both, because it is not known how far the advice has been followed: advice must not look like a fault.
        """
        value = evidence.measured[self.parameter]
        setpoints = (evidence.programmed[self.parameter], evidence.advised[self.parameter])
        if not math.isfinite(value) or not min(setpoints) > 0:
            return math.nan
        return min(self.sign * (value / setpoint - 1) for setpoint in setpoints)

    def shows(self, evidence: MeasuredValues) -> bool:
        """Whether the deviation is there."""
        return self.size(evidence) >= LEAST_DEVIATION[self.parameter]

    def lasts(self, evidence: MeasuredValues) -> bool | None:
        """Whether a deviation that has been made up for is still there; None: it is not measured.

        A fault that the advice makes up for shows no more beside the programme, but beside what is advised. Where the
        advice is not followed that looks the same, and to keep it up does nothing.
        """
        value, setpoint = evidence.measured[self.parameter], evidence.advised[self.parameter]
        if not math.isfinite(value) or not setpoint > 0:
            return None
        return self.sign * (value / setpoint - 1) >= LEAST_DEVIATION[self.parameter]


def collect(window: TelemetryWindow | None, seconds: float, programmed: Values, advised: Values) -> MeasuredValues:
    """Median of the newest telemetry while the arc burns.

    Args:
        window: None: nothing is measured.
        seconds: how much of it counts.
        programmed: setpoints of the procedure, NaN where it has none.
        advised: the same with the present advice.
    """
    if window is None or len(window.stamps_ns) == 0:
        return MeasuredValues(UNKNOWN, programmed, advised)
    since = int(window.stamps_ns[-1]) - round(seconds * NANOSECONDS_PER_SECOND)
    rows = window.values[window.stamps_ns >= since]
    columns = {p: rows[:, TELEMETRY_CHANNELS.index(p.field)] for p in PARAMETERS if p.field in TELEMETRY_CHANNELS}
    # Comparisons with NaN are False: what is not measured, or has no setpoint, speaks for no break.
    broken = columns[Parameter.VOLTAGE] > BROKEN_ARC_VOLTAGE * programmed[Parameter.VOLTAGE]
    broken |= columns[Parameter.CURRENT] < BROKEN_ARC_CURRENT * programmed[Parameter.CURRENT]
    medians = []
    for p in PARAMETERS:
        known = columns[p][~broken & np.isfinite(columns[p])] if p in columns else rows[:0, 0]
        medians.append(float(np.median(known)) if len(known) else math.nan)
    return MeasuredValues(values(medians), programmed, advised, bool(broken.mean() <= MOST_BROKEN))
