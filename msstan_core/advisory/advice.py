"""Advice as it travels: ``msstan_msgs/WeldParameterAdvisory`` without ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from msstan_core.advisory.parameters import UNKNOWN, Values, values

#: How long the monitor's advice is valid after its stamp, s.
VALIDITY_S = 0.6


@dataclass(frozen=True, slots=True)
class Advice:
    """Absolute deltas from the programmed setpoints; the newest replaces all before it.

    Vectors in the order of :data:`~msstan_core.advisory.parameters.PARAMETERS`, SI units.
    """

    stamp_ns: int  #: acquisition time of the newest sample the advice rests on
    valid_until_ns: int  #: void from this time on
    session_id: str = ""  #: activation of the sender
    sequence_id: int = 0  #: +1 with every message of a session
    model_revision: int = 0
    cause_event_id: int = 0
    cause_iso_code: int = 0  #: ISO 6520-1 reference number; 0: novelty or none
    confidence: float = float("nan")  #: in the cause, 0 to 1; NaN: must not be applied
    deltas: Values = UNKNOWN  #: NaN: no advice for this parameter
    minimum: Values = UNKNOWN  #: of setpoint + delta; NaN: unknown, not to be applied
    maximum: Values = UNKNOWN
    max_rate: Values = UNKNOWN  #: per second; NaN: not to be applied
    check_gas: bool = False  #: somebody should look at the shielding gas
    reason: str = ""


def as_transmitted(advice: Advice) -> Advice:
    """The same as its message has it, whose numbers have 32 bits: rounded so that nothing lies beyond what was meant.

    Deltas and rates are rounded towards 0, limits to the inside.
    """
    return replace(
        advice,
        confidence=float(np.float32(advice.confidence)),
        deltas=values(towards(delta, 0.0) for delta in advice.deltas),
        minimum=values(towards(limit, math.inf) for limit in advice.minimum),
        maximum=values(towards(limit, -math.inf) for limit in advice.maximum),
        max_rate=values(towards(rate, 0.0) for rate in advice.max_rate),
    )


def towards(number: float, side: float) -> float:
    """``number`` as the nearest float32 that does not lie beyond it, seen from ``side``; NaN stays NaN."""
    rounded = np.float32(number)
    beyond = float(rounded) != number and (float(rounded) > number) == (number > side)
    return float(np.nextafter(rounded, np.float32(side))) if beyond else float(rounded)
