"""Advice becomes ``WeldParameterAdvisory`` and back.

The message holds float32. What is rounded is rounded to the safe side: deltas and rates towards zero, limits inwards.
"""

from __future__ import annotations

from msstan_core.advisory.advice import Advice, as_transmitted
from msstan_core.advisory.parameters import PARAMETERS, Parameter, Values, values
from msstan_msgs.msg import WeldParameterAdvisory
from msstan_ros.conversions import stamp_message, stamp_nanoseconds

#: Name and unit of each parameter in the message's fields: ``current_delta_a``, ``current_max_rate_a_s``.
_NAMES: dict[Parameter, tuple[str, str, str]] = {
    Parameter.CURRENT: ("current", "a", "a_s"),
    Parameter.VOLTAGE: ("voltage", "v", "v_s"),
    Parameter.WIRE_FEED_SPEED: ("wire_feed_speed", "m_s", "m_s2"),
    Parameter.TRAVEL_SPEED: ("travel_speed", "m_s", "m_s2"),
    Parameter.STICK_OUT: ("stick_out", "m", "m_s"),
}


def _fields(parameter: Parameter) -> tuple[str, str, str, str]:
    """Names of delta, min, max and max_rate."""
    name, unit, rate_unit = _NAMES[parameter]
    return f"{name}_delta_{unit}", f"{name}_min_{unit}", f"{name}_max_{unit}", f"{name}_max_rate_{rate_unit}"


def advisory_message(advice: Advice, frame_id: str = "") -> WeldParameterAdvisory:
    """An advice as it travels."""
    sent, message = as_transmitted(advice), WeldParameterAdvisory()
    message.header.stamp = stamp_message(advice.stamp_ns)
    message.header.frame_id = frame_id
    message.session_id = advice.session_id
    message.sequence_id = advice.sequence_id
    message.model_revision = advice.model_revision
    message.cause_event_id = advice.cause_event_id
    message.cause_iso_code = advice.cause_iso_code
    message.confidence = sent.confidence
    message.valid_until = stamp_message(advice.valid_until_ns)
    for p in PARAMETERS:
        delta, low, high, rate = _fields(p)
        setattr(message, delta, sent.deltas[p])
        setattr(message, low, sent.minimum[p])
        setattr(message, high, sent.maximum[p])
        setattr(message, rate, sent.max_rate[p])
    message.check_gas = advice.check_gas
    message.reason = advice.reason
    return message


def advice_from_message(message: WeldParameterAdvisory) -> Advice:
    """What a message says, unjudged."""
    columns: list[Values] = [
        values(getattr(message, _fields(p)[index]) for p in PARAMETERS)
        for index in range(len(_fields(Parameter.CURRENT)))
    ]
    return Advice(
        stamp_ns=stamp_nanoseconds(message.header.stamp),
        valid_until_ns=stamp_nanoseconds(message.valid_until),
        session_id=str(message.session_id),
        sequence_id=int(message.sequence_id),
        model_revision=int(message.model_revision),
        cause_event_id=int(message.cause_event_id),
        cause_iso_code=int(message.cause_iso_code),
        confidence=float(message.confidence),
        deltas=columns[0],
        minimum=columns[1],
        maximum=columns[2],
        max_rate=columns[3],
        check_gas=bool(message.check_gas),
        reason=str(message.reason),
    )
