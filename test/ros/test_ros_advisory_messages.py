import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.advisory.advice import Advice, as_transmitted, towards
from msstan_core.advisory.gate import AdvisoryGate
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.parameters import values
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.wps_files import WPS_FOLDER, load_wps
from msstan_core.resources import share_path
from msstan_msgs.msg import WeldParameterAdvisory
from msstan_ros.advisory_messages import advice_from_message, advisory_message

NUMBERS = st.floats(-1e6, 1e6)
ADVICE = Advice(
    stamp_ns=1_700_000_000_123_456_789,
    valid_until_ns=1_700_000_000_723_456_789,
    session_id="session",
    sequence_id=2**40,
    model_revision=3,
    cause_event_id=9,
    cause_iso_code=402,
    confidence=0.75,
    deltas=(math.nan, 1.5, 0.0, -0.001, 0.002),
    minimum=(math.nan, 18.0, 0.06, 0.006, 0.012),
    maximum=(math.nan, 22.0, 0.09, 0.010, 0.018),
    max_rate=(math.nan, 4.0, 0.03, 0.004, 0.006),
    check_gas=True,
    reason="because",
)


def test_an_advice_survives_the_way_to_a_message_and_back() -> None:
    back = advice_from_message(advisory_message(ADVICE, "weld_camera"))
    for name in ("stamp_ns", "valid_until_ns", "session_id", "sequence_id", "model_revision", "cause_event_id"):
        assert getattr(back, name) == getattr(ADVICE, name)
    assert (back.cause_iso_code, back.confidence, back.check_gas, back.reason) == (402, 0.75, True, "because")
    for name in ("deltas", "minimum", "maximum", "max_rate"):
        np.testing.assert_allclose(getattr(back, name), getattr(ADVICE, name), rtol=1e-6)


def test_every_number_of_the_message_is_filled_and_none_twice() -> None:
    fields = [f for f, t in WeldParameterAdvisory.get_fields_and_field_types().items() if t == "float"]
    marked = Advice(
        0,
        0,
        confidence=20.0,
        deltas=(1.0, 2.0, 3.0, 4.0, 5.0),
        minimum=(6.0, 7.0, 8.0, 9.0, 10.0),
        maximum=(11.0, 12.0, 13.0, 14.0, 15.0),
        max_rate=(16.0, 17.0, 18.0, 19.0, 21.0),
    )
    message = advisory_message(marked)
    numbers = {name: getattr(message, name) for name in fields}
    assert sorted(numbers.values()) == sorted([*range(1, 22)])
    assert numbers["voltage_max_v"] == 12.0 and numbers["travel_speed_max_rate_m_s2"] == 19.0


def test_an_empty_message_moves_nothing_at_the_gate() -> None:
    gate = AdvisoryGate()
    gate.set_procedure(load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml")))
    moment = Moment(10**18, 1.0)
    gate.heartbeat(Heartbeat(10**18, "", 0, 0, True), moment)
    gate.step(moment)
    assert gate.receive(advice_from_message(WeldParameterAdvisory()), moment) is not None


@given(NUMBERS, st.sampled_from([0.0, math.inf, -math.inf]))
def test_rounding_to_float32_goes_to_the_named_side(number: float, side: float) -> None:
    rounded = towards(number, side)
    assert float(np.float32(rounded)) == rounded
    assert rounded == pytest.approx(number, rel=3e-7, abs=1e-44)
    if side == 0.0:
        assert abs(rounded) <= abs(number) and rounded * number >= 0
    else:
        assert rounded >= number if side > 0 else rounded <= number
    assert math.isnan(towards(math.nan, side))


@given(st.floats(0, 1))
def test_a_delta_that_uses_all_its_room_is_inside_after_the_wire(share: float) -> None:
    section = load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml")).travel_speed_m_s
    assert section is not None
    for delta in (share * (section.max - section.nominal), share * (section.min - section.nominal)):
        assert section.min <= section.nominal + towards(delta, 0.0) <= section.max


@given(st.lists(NUMBERS, min_size=5, max_size=5))
def test_what_is_simulated_as_transmitted_is_what_the_message_brings(numbers: list[float]) -> None:
    told = values(numbers)
    meant = Advice(1, 2, deltas=told, minimum=told, maximum=told, max_rate=told)
    found, expected = advice_from_message(advisory_message(meant)), as_transmitted(meant)
    for vector in ("deltas", "minimum", "maximum", "max_rate"):
        np.testing.assert_array_equal(getattr(found, vector), getattr(expected, vector))
