from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.cli import main
from msstan_core.errors import InputError
from msstan_core.simulation import builtin_scenarios, load_scenario, parse_scenario, randomised
from msstan_core.simulation.fault_settings import DISTURBANCES
from msstan_core.simulation.material_pairs import pair_name, parse_pair


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        parse_scenario(content, "cell.yaml")
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", builtin_scenarios())
def test_every_built_in_scenario_loads_under_its_own_name(name: str) -> None:
    assert load_scenario(name).name == name


def test_a_number_out_of_range_is_refused_with_field_unit_and_range() -> None:
    text = refusal({"process": {"voltage_v": 99}})
    assert "cell.yaml" in text and "process.voltage_v" in text
    assert "12 to 40 V" in text


def test_a_misspelt_field_is_refused_and_the_known_ones_are_named() -> None:
    text = refusal({"camera": {"widht": 320}})
    assert "camera.widht" in text and "width" in text.split("use one of")[1]


@pytest.mark.parametrize("kind", sorted(DISTURBANCES))
def test_a_fault_beyond_its_range_is_refused_with_its_unit(kind: str) -> None:
    unit, _, high = DISTURBANCES[kind]
    text = refusal({"disturbances": [{"kind": kind, "magnitude": high * 1.5 + 1}]})
    assert kind in text and unit in text


def test_a_fault_without_a_magnitude_is_told_unit_and_range() -> None:
    text = refusal({"disturbances": [{"kind": "joint_gap"}]})
    assert "disturbances.0.magnitude" in text and "0 to 0.005 m" in text


@pytest.mark.parametrize(
    ("process", "kind"), [("gmaw", "focus_offset"), ("laser", "voltage_offset"), ("fsw", "gas_loss")]
)
def test_a_fault_that_cannot_act_on_the_process_is_refused(process: str, kind: str) -> None:
    magnitude = 0.005 if kind == "focus_offset" else 0.5
    content = {"process": {"kind": process}, "disturbances": [{"kind": kind, "magnitude": magnitude}]}
    assert kind in refusal(content) and process in refusal(content)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"disturbances": [{"kind": "gas_loss", "magnitude": 1.0, "weld": 1}]}, "disturbances"),
        ({"disturbances": {"kind": "gas_loss"}}, "a list"),
        ({"process": {"wire_feed_speed_m_s": 0.0}}, "process.wire_feed_speed_m_s"),
        ({"joint": {"filler": "none"}}, "filler"),
        ({"thermal": {"range_low_c": 900.0, "range_high_c": 300.0}}, "thermal.range_high_c"),
        ({"thermal": {"crop_px": 200}}, "thermal.crop_px"),
    ],
)
def test_what_contradicts_itself_is_refused(content: dict[str, Any], field: str) -> None:
    assert field in refusal(content)


def test_a_field_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("process: {voltage_v: 20.0, voltage_v: 30.0}")
    with pytest.raises(InputError, match=r"twice\.yaml.*voltage_v"):
        load_scenario(path)


def test_not_a_number_is_refused() -> None:
    assert "joint.gap_m" in refusal({"joint": {"gap_m": float("nan")}})


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "\x00"])
def test_a_file_that_is_no_scenario_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"broken\.yaml"):
        load_scenario(path)


def test_an_unknown_name_lists_the_built_in_scenarios() -> None:
    with pytest.raises(InputError, match="gmaw_steel_lap"):
        load_scenario("no_such_weld")


def test_a_seed_given_on_loading_replaces_the_files() -> None:
    assert load_scenario("gmaw_steel_lap", seed=99).seed == 99


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000_000))
def test_every_randomised_scenario_is_valid_and_repeatable(seed: int) -> None:
    assert randomised(seed) == randomised(seed)


def test_randomised_scenarios_cover_processes_materials_views_and_faults() -> None:
    drawn = [randomised(seed) for seed in range(150)]
    assert {s.process.kind for s in drawn} == {"gmaw", "laser", "fsw"}
    assert len({(s.joint.material_a, s.joint.material_b) for s in drawn}) >= 7
    assert {s.camera.mount for s in drawn} == {"torch", "cell"}
    assert len({d.kind for s in drawn for d in s.disturbances}) >= 9
    assert 0.25 < sum(not s.disturbances for s in drawn) / len(drawn) < 0.55


def test_named_material_pairs_are_drawn_alone_and_about_equally_often() -> None:
    pairs = [parse_pair(text) for text in ("carbon_steel+aluminium", "titanium+nickel", "magnesium")]
    drawn = [randomised(seed, pairs) for seed in range(120)]
    found = [pair_name(parse_pair(f"{s.joint.material_a}+{s.joint.material_b}")) for s in drawn]
    counts = {name: found.count(name) for name in found}
    assert sorted(counts) == ["aluminium+carbon_steel", "magnesium", "nickel+titanium"]
    assert min(counts.values()) > 25
    assert {s.process.kind for s, name in zip(drawn, found, strict=True) if name == "magnesium"} == {"gmaw", "fsw"}
    assert drawn == [randomised(seed, pairs[::-1]) for seed in range(120)], "the order of the names says nothing"
    assert len({s.name for s in drawn} | {randomised(seed).name for seed in range(120)}) == 240


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("unobtainium", "carbon_steel"),
        ("copper+magnesium", "copper\\+stainless_steel"),
        ("copper+nickel+titanium", "not welded"),
    ],
)
def test_a_pair_that_is_not_welded_is_refused_with_those_that_are(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_pair(text)


def test_a_restriction_that_would_do_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out-dir", str(tmp_path)]
    assert main(["simulate", "gmaw_steel_lap", str(tmp_path / "bag"), "--materials", "magnesium"]) == 1
    assert main(["simulate", "--random", "1", *out, "--materials", "copper+lead"]) == 1
    assert main(["simulate", "--random", "1", *out, "--materials", " , "]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "--random" in lines[0] and "'lead'" in lines[1] and "names no pair" in lines[2]
