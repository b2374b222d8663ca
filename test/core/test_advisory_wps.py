"""WPS files: what is refused and how it is said, which procedure is in force, and the envelope that follows."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Parameter, Values, values
from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps, parse_wps
from msstan_core.errors import InputError
from msstan_core.observation import WeldContext
from msstan_core.resources import share_path
from msstan_core.simulation import WeldCell, builtin_scenarios, load_scenario
from msstan_core.vocabulary import Filler, Material, Process

LAP: dict[str, Any] = yaml.safe_load(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml").read_text())


def lap(**changes: Any) -> Wps:
    return parse_wps({**copy.deepcopy(LAP), **changes})


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        parse_wps(content, "cell.yaml")
    text = str(caught.value)
    assert "\n" not in text and "cell.yaml" in text
    return text


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wps_id", ProcedureBook().ids)
def test_every_example_loads_and_lets_something_be_adjusted(wps_id: str) -> None:
    wps = load_wps(share_path(f"{WPS_FOLDER}/{wps_id}.yaml"))
    envelope = Envelope(wps)
    assert envelope.contains(ZERO)
    assert any(envelope.high) and any(envelope.low)
    assert 0 < envelope.return_time_s < 10


def test_a_value_in_the_wrong_unit_is_refused_with_field_unit_and_range() -> None:
    text = refusal({**LAP, "wire_feed_speed_m_s": {"nominal": 4.5, "min": 4, "max": 5, "max_rate_per_s": 1}})
    assert "wire_feed_speed_m_s.min" in text and "0 .. 0.5 m/s" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"voltage_v": {"nominal": 25, "min": 18, "max": 22, "max_rate_per_s": 1}}, ["voltage_v", "rising order"]),
        ({"voltage_v": {"nominal": 20, "min": 18, "max": 22}}, ["voltage_v.max_rate_per_s", "V per second"]),
        ({"voltage_v": {"nominal": 20, "min": 18, "max": 22, "max_rate_per_s": 0}}, ["voltage_v.max_rate_per_s"]),
        ({"voltage_v": {"nominal": 20, "min": math.nan, "max": 22, "max_rate_per_s": 1}}, ["voltage_v.min"]),
        ({"voltage_v": 20}, ["voltage_v", "5 to 60 V"]),
        ({"thickness_m": {"min": 0.003, "max": 0.006, "mean": 1}}, ["thickness_m.mean", "min, max"]),
        ({"volts": 20}, ["volts", "voltage_v"]),
        ({"heat_input_j_m": {"min": 2.6, "max": 4.7}}, ["heat input of 360000 J/m", "3 .. 5 J/m with 2%"]),
        ({"heat_input_j_m": None}, ["heat_input_j_m is missing"]),
        ({"adjustable": ["current_a", "wire_feed_speed_m_s"]}, ["current_a and wire_feed_speed_m_s"]),
        ({"adjustable": ["gas_flow"]}, ["adjustable.0", "current_a"]),
        ({"stick_out_m": None}, ["stick_out_m", "no section"]),
        ({"process": "mag"}, ["process", "gmaw"]),
        ({"process": "laser"}, ["heat_input_j_m", "laser"]),
        ({"basis": ""}, ["basis", "WPQR"]),
        ({"id": "../etc"}, ["id"]),
        ({"thickness_m": {"min": 0.006, "max": 0.003}}, ["thickness_m", "above"]),
    ],
)
def test_a_fault_is_one_line_that_names_the_field_and_the_remedy(change: dict[str, Any], said: list[str]) -> None:
    text = refusal({**LAP, **change})
    for part in said:
        assert part in text


def test_a_file_that_is_no_wps_is_refused_by_name(tmp_path: Path) -> None:
    for text in ("[1, 2]", "a: [", "\x00"):
        path = tmp_path / "broken.yaml"
        path.write_text(text)
        with pytest.raises(InputError, match=r"broken\.yaml"):
            load_wps(path)
    with pytest.raises(InputError, match=r"gone\.yaml"):
        load_wps(tmp_path / "gone.yaml")


def test_a_file_must_bear_the_name_of_its_id(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(LAP))
    with pytest.raises(InputError, match=r"gmaw_steel_lap\.yaml"):
        load_wps(path)


# -- which is in force ------------------------------------------------------------------------------------------------

STEEL = WeldContext(
    process=Process.GMAW,
    material_a=Material.CARBON_STEEL,
    material_b=Material.CARBON_STEEL,
    filler=Filler.STEEL,
    thickness_a_m=0.004,
    thickness_b_m=0.004,
    shielding_gas="M21-ArC-18",
    wps_id="gmaw_steel_lap",
)


def context(**changes: Any) -> WeldContext:
    import dataclasses

    return dataclasses.replace(STEEL, **changes)


def test_the_context_names_the_procedure() -> None:
    wps, reason = ProcedureBook().in_force(STEEL)
    assert wps is not None and wps.id == "gmaw_steel_lap" and reason == ""


@pytest.mark.parametrize(
    ("fixed", "job", "said"),
    [
        ("", None, "no WPS is named"),
        ("", context(wps_id=""), "no WPS is named"),
        ("", context(wps_id="no_such"), "no_such"),
        ("", context(wps_id="../gmaw_steel_lap"), "not in"),
        ("", context(wps_id="/etc/passwd"), "not in"),
        ("gmaw_steel_butt", STEEL, "names WPS gmaw_steel_lap"),
        ("", context(process=Process.LASER), "for gmaw, the job is laser"),
        ("", context(material_b=Material.ALUMINIUM), "aluminium"),
        ("", context(filler=Filler.NICKEL), "nickel"),
        ("", context(thickness_a_m=0.02), "20 mm"),
        ("", context(shielding_gas="I1-Ar"), "I1-Ar"),
        ("gmaw_aluminium_steel_tee", context(wps_id="", filler=Filler.UNKNOWN, thickness_a_m=math.nan), "one material"),
    ],
)
def test_a_procedure_that_does_not_fit_the_job_is_not_in_force(fixed: str, job: WeldContext | None, said: str) -> None:
    wps, reason = ProcedureBook(fixed).in_force(job)
    assert wps is None
    assert said in reason and "\n" not in reason


def test_what_the_context_does_not_know_contradicts_nothing() -> None:
    wps, _ = ProcedureBook("gmaw_steel_lap").in_force(WeldContext())
    assert wps is not None
    assert ProcedureBook("gmaw_steel_lap").in_force(None)[0] is not None


def test_a_thickness_on_the_limit_survives_the_wire() -> None:
    import numpy as np

    for limit in (0.003, 0.006):
        assert ProcedureBook().in_force(context(thickness_a_m=float(np.float32(limit))))[0] is not None


def test_a_broken_file_named_by_the_context_is_a_reason_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("id: bad")
    wps, reason = ProcedureBook("", tmp_path).in_force(context(wps_id="bad"))
    assert wps is None and "bad.yaml" in reason


def test_an_unknown_fixed_procedure_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gmaw_steel_lap"):
        ProcedureBook("no_such")
    with pytest.raises(InputError, match="no such folder"):
        ProcedureBook("", tmp_path / "gone")


# -- the envelope -----------------------------------------------------------------------------------------------------


@st.composite
def procedures(draw: st.DrawFn) -> Wps:
    """Arc procedures with any windows: wide, narrow, one-sided, and slow or fast rates."""

    def section(nominal: float, least_rate: float) -> dict[str, float]:
        below, above = draw(st.floats(0, 0.4)), draw(st.floats(0, 0.4))
        rate = nominal * draw(st.floats(least_rate, 2.0))
        return {"nominal": nominal, "min": nominal * (1 - below), "max": nominal * (1 + above), "max_rate_per_s": rate}

    heat = 0.8 * 20.0 * 180.0 / 0.008
    names = ["voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s", "stick_out_m"]
    return lap(
        current_a=section(180.0, 0.1),
        voltage_v=section(20.0, 0.1),
        wire_feed_speed_m_s=section(0.075, 0.1),
        travel_speed_m_s=section(0.008, 0.1),
        stick_out_m=section(0.015, 0.1),
        adjustable=draw(st.lists(st.sampled_from(names), unique=True, min_size=1)),
        heat_input_j_m={
            "min": heat * (1 - draw(st.floats(0.021, 0.5))),
            "max": heat * (1 + draw(st.floats(0.021, 0.8))),
        },
    )


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
WISHES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


def assert_inside(wps: Wps, deltas: Values) -> None:
    """By the procedure's own words, not by the envelope's."""
    value: dict[Parameter, float] = {}
    for p in PARAMETERS:
        section = wps.range_of(p)
        if section is None or not wps.adjusts(p):
            assert deltas[p] == 0.0
            value[p] = section.nominal if section else math.nan
            continue
        value[p] = section.nominal + deltas[p]
        assert section.min <= value[p] <= section.max
    if wps.heat_input_j_m is not None and wps.current_a is not None:
        wire = wps.wire_feed_speed_m_s
        current = value[Parameter.CURRENT]
        if wire is not None and wps.adjusts(Parameter.WIRE_FEED_SPEED):
            current *= value[Parameter.WIRE_FEED_SPEED] / wire.nominal
            assert wps.current_a.min * (1 - 1e-9) <= current <= wps.current_a.max * (1 + 1e-9)
        heat = 0.8 * value[Parameter.VOLTAGE] * current / value[Parameter.TRAVEL_SPEED]
        assert wps.heat_input_j_m.min * (1 - 1e-9) <= heat <= wps.heat_input_j_m.max * (1 + 1e-9)


def scaled(wish: Values, envelope: Envelope) -> Values:
    """A wish of ordinary size: the strategy's huge numbers all clamp to the same corners."""
    return values(
        math.fmod(w, 1.0) * 2 * max(high, -low) if math.isfinite(w) else w
        for w, low, high in zip(wish, envelope.low, envelope.high, strict=True)
    )


@settings(max_examples=300, deadline=None)
@given(procedures(), WISHES, st.booleans())
def test_whatever_is_wished_the_clamped_deltas_are_inside(wps: Wps, wish: Values, ordinary: bool) -> None:
    envelope = Envelope(wps)
    clamped = envelope.clamp(scaled(wish, envelope) if ordinary else wish)
    assert_inside(wps, clamped)
    assert envelope.contains(clamped)


@settings(max_examples=200, deadline=None)
@given(procedures(), st.lists(st.tuples(WISHES, st.floats(-1, 1)), max_size=30))
def test_every_step_is_inside_and_no_faster_than_the_rates(wps: Wps, steps: list[tuple[Values, float]]) -> None:
    envelope, now = Envelope(wps), ZERO
    for wish, elapsed_s in steps:
        after = envelope.advance(now, envelope.clamp(scaled(wish, envelope)), elapsed_s)
        assert_inside(wps, after)
        for p in PARAMETERS:
            assert abs(after[p] - now[p]) <= envelope.rate[p] * max(elapsed_s, 0.0) * (1 + 1e-9) + 1e-15
        now = after


@settings(max_examples=200, deadline=None)
@given(procedures(), WISHES)
def test_from_anywhere_inside_zero_is_reached_within_the_stated_time(wps: Wps, wish: Values) -> None:
    envelope, step_s = Envelope(wps), 0.02
    now = envelope.clamp(scaled(wish, envelope))
    for _ in range(math.ceil(envelope.return_time_s / step_s) + 2):
        now = envelope.advance(now, ZERO, step_s)
        assert_inside(wps, now)
    assert now == ZERO


@settings(max_examples=300, deadline=None)
@given(procedures(), st.tuples(*[st.sampled_from([-1.0, 0.0, 1.0])] * 5), st.floats(0, 1))
def test_a_straight_return_stays_in_the_heat_input_window(wps: Wps, corner: Values, share: float) -> None:
    """A follower without advice returns in proportion; the reserve covers the bulge on that line."""
    envelope = Envelope(wps)
    ends = zip(corner, envelope.low, envelope.high, strict=True)
    start = envelope.clamp(values(high if c > 0 else low if c < 0 else 0.0 for c, low, high in ends))
    assert_inside(wps, values(share * d for d in start))


def test_the_reserve_is_needed_where_voltage_and_wire_pull_apart() -> None:
    """Voltage up and wire down at the upper end of the window: half way back the product is above both ends."""
    envelope = Envelope(
        lap(
            voltage_v={"nominal": 20.0, "min": 20.0, "max": 26.0, "max_rate_per_s": 4.0},
            wire_feed_speed_m_s={"nominal": 0.075, "min": 0.055, "max": 0.09, "max_rate_per_s": 0.03},
            current_a={"nominal": 180.0, "min": 130.0, "max": 215.0, "max_rate_per_s": 80.0},
            heat_input_j_m={"min": 300e3, "max": 370e3},
        )
    )
    start = envelope.clamp(values((0.0, 6.0, -0.018, 0.0, 0.0)))
    ends = max(envelope.heat_input_j_m(start), envelope.heat_input_j_m(ZERO))
    assert envelope.heat_input_j_m(values(0.5 * d for d in start)) > ends
    assert_inside(envelope.wps, values(0.5 * d for d in start))


def test_a_step_of_no_time_or_impossible_time_moves_nothing() -> None:
    envelope = Envelope(lap())
    for elapsed in (0.0, -1.0, math.nan, math.inf):
        assert envelope.advance(ZERO, envelope.high, elapsed) == ZERO


def test_the_heat_input_window_holds_back_what_each_limit_alone_would_allow() -> None:
    envelope = Envelope(lap())
    hottest = values((0.0, envelope.high[1], envelope.high[2], envelope.low[3], 0.0))
    assert envelope.outside(hottest) == () and not envelope.contains(hottest)
    assert envelope.heat_input_j_m(envelope.clamp(hottest)) == pytest.approx(470e3 * 0.98, rel=1e-6)


def test_the_wire_feed_may_not_take_the_current_out_of_its_range() -> None:
    envelope = Envelope(lap(current_a={"nominal": 180.0, "min": 171.0, "max": 189.0, "max_rate_per_s": 50.0}))
    assert envelope.high[Parameter.WIRE_FEED_SPEED] == pytest.approx(0.05 * 0.075)
    assert envelope.low[Parameter.WIRE_FEED_SPEED] == pytest.approx(-0.05 * 0.075)


def test_two_parameters_make_room_for_each_other_in_a_narrow_window() -> None:
    """Hotter arc and faster travel together keep the heat input; one after the other neither could move far."""
    wps = lap(heat_input_j_m={"min": 340e3, "max": 380e3})
    envelope = Envelope(wps)
    target = envelope.clamp(values((0.0, 2.0, 0.0, 0.0008, 0.0)))
    now = ZERO
    for _ in range(200):
        now = envelope.advance(now, target, 0.01)
    assert now == pytest.approx(target)


@pytest.mark.parametrize("name", builtin_scenarios())
def test_a_built_in_scenario_that_names_a_procedure_fits_it_and_is_programmed_at_its_nominal_values(name: str) -> None:
    scenario = load_scenario(name)
    if not scenario.wps_id:
        pytest.skip("a scenario of recordings, welded under no example procedure")
    wps, reason = ProcedureBook().in_force(WeldCell(scenario).context)
    assert wps is not None, reason
    for p in PARAMETERS:
        section = wps.range_of(p)
        if section is not None and p is not Parameter.CURRENT:  # the current follows the wire feed
            assert getattr(scenario.process, p.field) == section.nominal
