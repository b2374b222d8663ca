"""Whether deltas kept to the procedure, and by how much they did not. Without the gate's own code, on purpose."""

from __future__ import annotations

import math

from msstan_core.advisory.parameters import PARAMETERS, Parameter, Values
from msstan_core.advisory.wps import Wps
from msstan_core.vocabulary import PROCESS_EFFICIENCY

#: Excess that is rounding (of the messages' 32 bit numbers) and no violation, as a share of the programmed value.
ROUNDING = 1e-6


def excess(wps: Wps, deltas: Values) -> float:
    """How far programmed + delta lies outside the procedure's ranges, or their heat input outside its window.

    The largest of these as a share of the programmed value. 0: inside; infinite for what is no number.
    """
    found, setpoint = 0.0, {}
    for p in PARAMETERS:
        section = wps.range_of(p)
        if section is None or p.field not in wps.adjustable:
            setpoint[p] = section.nominal if section is not None else math.nan
            if deltas[p] != 0.0:
                return math.inf
            continue
        value = setpoint[p] = section.nominal + deltas[p]
        if not math.isfinite(value):
            return math.inf
        found = max(found, (value - section.max) / section.nominal, (section.min - value) / section.nominal)
    window = wps.heat_input_j_m
    if window is None:
        return found
    current = setpoint[Parameter.CURRENT]
    wire = wps.wire_feed_speed_m_s
    if wire is not None and wps.process in ("gmaw", "saw"):
        current *= setpoint[Parameter.WIRE_FEED_SPEED] / wire.nominal
    if setpoint[Parameter.TRAVEL_SPEED] <= 0.0:
        return math.inf
    heat = PROCESS_EFFICIENCY[wps.kind] * setpoint[Parameter.VOLTAGE] * current / setpoint[Parameter.TRAVEL_SPEED]
    nominal = wps.nominal_heat_input_j_m
    return max(found, (heat - window.max) / nominal, (window.min - heat) / nominal)


def rate_excess(wps: Wps, before: Values, after: Values, elapsed_s: float) -> float:
    """How much farther the deltas moved in ``elapsed_s`` than the procedure's rates allow, as in :func:`excess`."""
    found = 0.0
    for p in PARAMETERS:
        section = wps.range_of(p)
        moved = abs(after[p] - before[p])
        if section is None:
            found = max(found, math.inf if moved else 0.0)
            continue
        beyond = (moved - section.max_rate_per_s * elapsed_s) / section.nominal
        found = max(found, beyond if math.isfinite(beyond) else math.inf)
    return found
