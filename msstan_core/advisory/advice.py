"""Advice as it travels: ``msstan_msgs/WeldParameterAdvisory`` without ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from msstan_core.advisory.parameters import UNKNOWN, Values, values


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


def as_received(advice: Advice) -> Advice:
    """The same after its way as a message, whose numbers have 32 bits."""

    def rounded(vector: Values) -> Values:
        return values(float(np.float32(number)) for number in vector)

    return replace(
        advice,
        confidence=float(np.float32(advice.confidence)),
        deltas=rounded(advice.deltas),
        minimum=rounded(advice.minimum),
        maximum=rounded(advice.maximum),
        max_rate=rounded(advice.max_rate),
    )
