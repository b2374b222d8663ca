"""WPS files: what is refused and how it is said, and which procedure is in force."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from lap_procedure import LAP

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Parameter
from msstan_core.advisory.wps import plausible_range
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps, parse_wps
from msstan_core.errors import InputError
from msstan_core.observation import WeldContext
from msstan_core.resources import share_path
from msstan_core.simulation import WeldCell, builtin_scenarios, load_scenario
from msstan_core.vocabulary import Filler, Material, Process


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        parse_wps(content, "cell.yaml")
    text = str(caught.value)
    assert "\n" not in text and "cell.yaml" in text
    return text


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
        (
            {"travel_speed_m_s": {"nominal": 0.008, "min": 0.003, "max": 0.01, "max_rate_per_s": 0.01}},
            ["travel_speed_m_s may be changed by more than 40%", "narrow its range"],
        ),
        ({"process": "mag"}, ["process", "gmaw"]),
        ({"process": "laser"}, ["heat_input_j_m", "laser"]),
        ({"basis": ""}, ["basis", "WPQR"]),
        ({"id": "../etc"}, ["id"]),
        ({"thickness_m": {"min": 0.006, "max": 0.003}}, ["thickness_m", "above"]),
        ({"thickness_m": {"min": 3.0, "max": 6.0}}, ["thickness_m.max is 6", "check the unit"]),
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


@pytest.mark.parametrize("text", ["qualified: 2026-02-31", "[" * 5000])
def test_text_that_no_yaml_reader_takes_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"broken\.yaml: not valid YAML"):
        load_wps(path)


def test_a_file_that_cannot_be_read_is_refused_with_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match=r"loop\.yaml: cannot be read \(Too many levels"):
        load_wps(loop)
    wps, reason = ProcedureBook(folder=tmp_path).in_force(WeldContext(stamp_ns=0, wps_id="loop"))
    assert wps is None and "cannot be read" in reason


def test_a_name_that_is_not_there_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked at every tick, by the thread that answers."""
    book, looked = ProcedureBook(folder=tmp_path), list[str]()
    monkeypatch.setattr(Path, "glob", lambda path, pattern: looked.append(pattern) or [])
    for _ in range(30):
        assert "is not in" in book.in_force(WeldContext(stamp_ns=0, wps_id="nowhere"))[1]
    assert len(looked) == 1

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(InputError, match="Permission denied"):
        load_wps(tmp_path / "locked.yaml")


def test_a_file_must_bear_the_name_of_its_id(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(LAP))
    with pytest.raises(InputError, match=r"gmaw_steel_lap\.yaml"):
        load_wps(path)


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
        ("", context(programmed=(math.nan, 21.0, 0.075, 0.008, 15.0)), "nominal voltage is 20 V, the job programs 21"),
        ("", context(programmed=(math.nan, 20.0, 0.075, 0.009, 15.0)), "nominal travel speed is 0.008 m/s"),
        ("gmaw_aluminium_steel_tee", context(wps_id="", filler=Filler.UNKNOWN, thickness_a_m=math.nan), "one material"),
    ],
)
def test_a_procedure_that_does_not_fit_the_job_is_not_in_force(fixed: str, job: WeldContext | None, said: str) -> None:
    wps, reason = ProcedureBook(fixed).in_force(job)
    assert wps is None
    assert said in reason and "\n" not in reason


@pytest.mark.parametrize("programmed", [(180.0, 20.1, 0.0752, 0.008, 15.0), (240.0, math.nan, 0.075, 0.008, 12.0)])
def test_setpoints_that_differ_by_rounding_or_follow_from_others_contradict_nothing(programmed: tuple) -> None:
    """The current of a wire process is not what is set, and the gas flow is none of the advised parameters."""
    assert ProcedureBook().in_force(context(programmed=programmed)) == (ProcedureBook().named("gmaw_steel_lap"), "")


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
    told, cell = wps.job(0).programmed, WeldCell(scenario).context.programmed
    np.testing.assert_allclose(told, cell, rtol=0.02)  # an arc's current and voltage follow from what is set


def test_what_no_weld_has_is_known_for_every_parameter() -> None:
    assert plausible_range(Parameter.TRAVEL_SPEED) == (0.0001, 0.5)
    assert all(0 <= low < high for low, high in map(plausible_range, PARAMETERS))
