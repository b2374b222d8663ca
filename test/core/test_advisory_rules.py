"""From imperfections to remedies: the right parameters for their reasons, as far as the procedure lets them move."""

from __future__ import annotations

import math

import pytest
from advised_weld import LAP, MORE_WIRE, PROCEDURES, Weld, moved, telemetry

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.parameters import Parameter
from msstan_core.advisory.refusals import content_refusal
from msstan_core.advisory.rules import NO_RULE, RULES
from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import parse_wps
from msstan_core.vocabulary import IMPERFECTIONS, ISO_CODES

#: Directions in which the parameters go where the pool falls through, and where too much metal lies.
LESS_HEAT = {"travel_speed_m_s": +1, "wire_feed_speed_m_s": -1, "voltage_v": -1, "stick_out_m": +1}
LESS_METAL = {"travel_speed_m_s": +1, "wire_feed_speed_m_s": -1, "voltage_v": +1}


def test_every_known_imperfection_has_a_rule_or_a_reason_for_none() -> None:
    assert {rule.iso_code for rule in RULES} | set(NO_RULE) == {0, *ISO_CODES}
    assert not {rule.iso_code for rule in RULES} & set(NO_RULE)
    assert len({rule.urgency for rule in RULES}) == len(RULES), "which of two is treated would be left to chance"


@pytest.mark.parametrize("rule", RULES, ids=lambda r: str(r.iso_code))
def test_every_change_names_its_welding_reason_and_moves_each_parameter_once(rule) -> None:
    assert rule.remedies or rule.check_gas
    for remedy in rule.remedies:
        assert all(len(change.reason) > 15 and -1 <= change.share <= 1 for change in remedy.changes)
        assert len({change.parameter for change in remedy.changes}) == len(remedy.changes)
    conditions = [remedy.when for remedy in rule.remedies]
    assert None not in conditions[:-1], "what comes after an unconditional remedy would never be used"


@pytest.mark.parametrize(
    ("code", "measured", "expected"),
    [
        (402, {"wire_feed_speed_m_s": 0.05}, MORE_WIRE),
        (402, {"travel_speed_m_s": 0.016}, {"travel_speed_m_s": -1}),
        (402, {"voltage_v": 22.5}, {"voltage_v": -1}),
        (402, {"current_a": 150.0}, {"stick_out_m": -1, "wire_feed_speed_m_s": +1, "voltage_v": -1}),
        (402, {}, {"wire_feed_speed_m_s": +1, "stick_out_m": -1, "travel_speed_m_s": -1}),
        (401, {"wire_feed_speed_m_s": 0.05}, MORE_WIRE),
        (501, {"travel_speed_m_s": 0.016}, {"travel_speed_m_s": -1, "voltage_v": -1}),
        (501, {"voltage_v": 22.5}, {"voltage_v": -1}),
        (501, {}, {"travel_speed_m_s": -1, "voltage_v": -1}),
        (502, {"travel_speed_m_s": 0.005}, LESS_METAL),
        (502, {"wire_feed_speed_m_s": 0.11}, LESS_METAL),
        (504, {}, LESS_HEAT),
        (504, {"wire_feed_speed_m_s": 0.11}, LESS_METAL),
        (504, {"travel_speed_m_s": 0.005}, {"travel_speed_m_s": +1, "wire_feed_speed_m_s": -1, "stick_out_m": +1}),
        (506, {"voltage_v": 16.0}, {"voltage_v": +1, "wire_feed_speed_m_s": -1}),
        (510, {}, LESS_HEAT),
        (602, {"voltage_v": 16.0}, {"voltage_v": +1, "wire_feed_speed_m_s": -1}),
        (602, {"voltage_v": 23.0}, {"voltage_v": -1}),
        (602, {"wire_feed_speed_m_s": 0.11}, {"wire_feed_speed_m_s": -1, "voltage_v": +1}),
        (100, {}, {"wire_feed_speed_m_s": -1, "voltage_v": -1}),
    ],
)
def test_the_remedy_goes_the_way_that_helps(code: int, measured: dict[str, float], expected: dict[str, int]) -> None:
    advice = Weld().run(1.0, code, window=telemetry(**measured))[-1]
    assert moved(advice) == expected
    assert advice.cause_iso_code == code and advice.reason


@pytest.mark.parametrize("code", [401, 602, 104, 601, 0])
def test_where_nothing_measured_points_to_a_parameter_none_is_moved(code: int) -> None:
    assert Weld().run(2.0, code, window=telemetry()) == []
    assert Weld().run(2.0, code, window=None) == []


@pytest.mark.parametrize("code", [2011, 2017])
def test_pores_ask_for_the_gas_and_for_no_parameter(code: int) -> None:
    advice = Weld().run(1.0, code)[-1]
    assert advice.check_gas and moved(advice) == {} and "air" in advice.reason
    assert advice.cause_iso_code == code


def test_without_cover_the_other_imperfections_are_consequences() -> None:
    advice = Weld().run(1.0, 2011, 402, 602, window=telemetry())[-1]
    assert advice.check_gas and moved(advice) == {}


def test_burn_through_is_treated_before_everything_else_and_at_once() -> None:
    said = Weld().run(0.2, 402, 510, 2011)
    assert said[0].cause_iso_code == 510 and said[0].check_gas
    travel = said[0].deltas[Parameter.TRAVEL_SPEED]
    assert travel > 0.9 * Envelope(LAP).clamp((0, -1.0, -0.02, 0.002, 0))[Parameter.TRAVEL_SPEED]


@pytest.mark.parametrize("wps", PROCEDURES, ids=lambda w: w.id)
@pytest.mark.parametrize("code", [i.iso_code for i in IMPERFECTIONS])
def test_all_advice_under_every_procedure_would_pass_its_gate_unclamped(code: int, wps: Wps) -> None:
    envelope = Envelope(wps)
    for advice in Weld(wps).run(3.0, code):
        assert content_refusal(advice, envelope, 0.5) is None
        known = tuple(0.0 if math.isnan(d) else d for d in advice.deltas)
        assert envelope.contains(known)  # type: ignore[arg-type]
        assert 0 < advice.valid_until_ns - advice.stamp_ns <= 10**9


def test_a_procedure_that_adjusts_only_the_travel_speed_gets_only_that() -> None:
    laser = next(wps for wps in PROCEDURES if wps.id == "laser_stainless_butt")
    assert moved(Weld(laser).run(1.0, 402)[-1]) == {"travel_speed_m_s": -1}
    assert math.isnan(Weld(laser).run(1.0, 402)[-1].deltas[Parameter.VOLTAGE])


def test_where_the_current_is_adjusted_the_wire_is_not() -> None:
    def tig(adjustable: str) -> Wps:
        heat = {"min": 1.8e5, "max": 4e5}  # k is 0.6
        return parse_wps({**LAP.model_dump(), "process": "gtaw", "adjustable": [adjustable], "heat_input_j_m": heat})

    assert moved(Weld(tig("current_a")).run(1.0, 402)[-1]) == {"current_a": +1}
    assert not Weld(tig("wire_feed_speed_m_s")).run(1.0, 402), "a cold wire does not set the current"


@pytest.mark.parametrize(("code", "wire_m_s", "way"), [(402, 0.06, +1), (502, 0.094, -1), (506, 0.094, -1)])
def test_a_wire_fault_of_a_cold_wire_is_mended_by_the_wire(code: int, wire_m_s: float, way: int) -> None:
    """Its current is what it should be, and does not follow the wire."""
    adjustable = ["current_a", "wire_feed_speed_m_s", "travel_speed_m_s"]
    heat = {"min": 1.8e5, "max": 4e5}  # k is 0.6
    tig = parse_wps({**LAP.model_dump(), "process": "gtaw", "adjustable": adjustable, "heat_input_j_m": heat})
    advice = Weld(tig).run(1.0, code, window=telemetry(wire_feed_speed_m_s=wire_m_s))[-1]
    assert moved(advice)["wire_feed_speed_m_s"] == way and "current_a" not in moved(advice)
