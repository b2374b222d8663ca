"""Faults cause imperfections, and the right change of parameters ends them."""

from __future__ import annotations

from typing import Any

import pytest

from msstan_core.errors import InputError
from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation import ParameterDeltas, Scenario, WeldCell, parse_scenario
from msstan_core.simulation.randomisation import randomised

STEEL = {
    "process": {"voltage_v": 20.0, "wire_feed_speed_m_s": 0.075, "travel_speed_m_s": 0.008},
    "joint": {"seam_length_m": 0.06, "thickness_a_m": 0.003, "thickness_b_m": 0.003},
}
ALUMINIUM = {
    "process": {**STEEL["process"], "wire_feed_speed_m_s": 0.11, "carbon_dioxide": 0.0, "shielding_gas": "I1-Ar"},
    "joint": {**STEEL["joint"], "material_a": "aluminium", "material_b": "aluminium", "filler": "aluminium_silicon"},
}
LASER = {
    "process": {"kind": "laser", "travel_speed_m_s": 0.03, "wire_feed_speed_m_s": 0.0, "stick_out_m": 0.012},
    "joint": {
        "kind": "butt", "material_a": "stainless_steel", "material_b": "stainless_steel", "filler": "none",
        "thickness_a_m": 0.002, "thickness_b_m": 0.002, "seam_length_m": 0.24,
    },
}  # fmt: skip
STIR = {
    "process": {
        "kind": "fsw", "travel_speed_m_s": 0.004, "axial_force_n": 9000.0, "stick_out_m": 0.005,
        "wire_feed_speed_m_s": 0.0, "gas_flow_l_min": 0.0,
    },
    "joint": {
        "kind": "butt", "material_a": "aluminium", "material_b": "aluminium", "filler": "none",
        "thickness_a_m": 0.005, "thickness_b_m": 0.005, "seam_length_m": 0.035,
    },
}  # fmt: skip
QUICK = {"idle_s": 0.1, "placement_s": 0.0, "approach_s": 0.3, "pre_flow_s": 0.2, "cooling_s": 2.0}
#: Seconds after the first arc at which faults begin and at which the remedy is applied; it has this long to help.
FAULT_S, REMEDY_S, ANSWER_S = 1.2, 3.2, 2.3


def weld(kind: dict[str, Any], faults: list[dict[str, Any]], seed: int = 5, **procedure: Any) -> Scenario:
    """A weld of some seconds without sensors."""
    blind = {name: {"enabled": False} for name in ("camera", "thermal", "microphone", "telemetry")}
    return parse_scenario({"seed": seed, **blind, **kind, "procedure": {**QUICK, **procedure}, "disturbances": faults})


def fault(kind: str, magnitude: float, **changes: float) -> list[dict[str, Any]]:
    return [{"kind": kind, "start_s": FAULT_S, "duration_s": 60.0, "magnitude": magnitude, **changes}]


def imperfections(run: Scenario, remedy: ParameterDeltas | None = None) -> tuple[list[Annotation], float]:
    """Spans of imperfections, and when the arc first burnt, s."""
    cell, began, helped = WeldCell(run), None, remedy is None
    while not cell.finished:
        for _ in cell.advance(cell.time_s + 0.1):
            pass
        began = cell.time_s if began is None and cell.state.burning else began
        if not helped and began is not None and cell.time_s >= began + REMEDY_S:
            cell.apply(remedy)
            helped = True
    return [a for a in cell.annotations if a.kind == "imperfection"], began or 0.0


def codes(run: Scenario) -> set[int | None]:
    return {a.iso_code for a in imperfections(run)[0]}


def seconds_after_remedy(run: Scenario, code: int, remedy: ParameterDeltas | None) -> float:
    spans, began = imperfections(run, remedy)
    late = began + REMEDY_S + ANSWER_S
    return sum(max(a.end_s - max(a.start_s, late), 0.0) for a in spans if a.iso_code == code)


def test_an_undisturbed_weld_is_sound() -> None:
    assert codes(weld(STEEL, [])) == set()


CAUSES = [
    (STEEL, "gas_loss", 0.9, 2011, ParameterDeltas(check_gas=True)),
    (STEEL, "wire_feed_factor", 0.5, 402, ParameterDeltas(wire_feed_speed_m_s=0.075)),
    (STEEL, "wire_feed_factor", 0.5, 401, ParameterDeltas(current_a=170.0)),
    (STEEL, "wire_feed_factor", 1.8, 502, ParameterDeltas(wire_feed_speed_m_s=-0.033)),
    (STEEL, "stick_out_offset", 0.012, 402, ParameterDeltas(stick_out_m=-0.011)),
    (STEEL, "aim_offset", 0.0032, 401, ParameterDeltas(voltage_v=2.0, travel_speed_m_s=-0.002)),
    (STEEL, "voltage_offset", -6.0, 602, ParameterDeltas(voltage_v=6.0)),
    (STEEL, "magnetic_blow", 0.8, 602, ParameterDeltas(voltage_v=4.0)),
    (STEEL, "travel_factor", 2.4, 501, ParameterDeltas(travel_speed_m_s=-0.0046)),
    (STEEL, "travel_factor", 0.4, 510, ParameterDeltas(travel_speed_m_s=0.012)),
    (STEEL, "joint_gap", 0.0015, 504, ParameterDeltas(travel_speed_m_s=0.004)),
    (STEEL, "joint_gap", 0.003, 510, ParameterDeltas(travel_speed_m_s=0.006)),
    (ALUMINIUM, "travel_factor", 0.4, 100, ParameterDeltas(travel_speed_m_s=0.012)),
    (LASER, "focus_offset", 0.006, 402, ParameterDeltas(stick_out_m=-0.006)),
    (LASER, "travel_factor", 2.2, 501, ParameterDeltas(travel_speed_m_s=-0.016)),
    (LASER, "gas_loss", 0.9, 2017, ParameterDeltas(check_gas=True)),
    (STIR, "stick_out_offset", 0.002, 402, ParameterDeltas(stick_out_m=-0.002)),
    (STIR, "tool_wear", 0.5, 402, ParameterDeltas(travel_speed_m_s=-0.002)),
]


@pytest.mark.parametrize(("kind", "name", "magnitude", "code", "remedy"), CAUSES)
def test_a_fault_causes_its_imperfection_and_the_right_change_ends_it(
    kind: dict[str, Any], name: str, magnitude: float, code: int, remedy: ParameterDeltas
) -> None:
    faults = fault(name, magnitude)
    travel = kind["process"]["travel_speed_m_s"] * (magnitude if name == "travel_factor" else 1.0)
    kind = {**kind, "joint": {**kind["joint"], "seam_length_m": round(min(8.0 * max(travel, 0.003), 0.5), 3)}}
    run = weld(kind, faults)
    without, with_remedy = (seconds_after_remedy(run, code, deltas) for deltas in (None, remedy))
    assert without > 1.0
    assert with_remedy < 0.1 * without


def test_a_span_tells_when_the_fault_began_and_how_bad_it_was() -> None:
    slight, grave = (imperfections(weld(STEEL, fault("wire_feed_factor", f))) for f in (0.68, 0.45))
    for spans, began in (slight, grave):
        lack = next(a for a in spans if a.iso_code == 402)
        assert lack.start_s == pytest.approx(began + FAULT_S, abs=0.6)
        assert lack.end_s > lack.start_s + 3.0
    severity = [next(a.severity for a in spans if a.iso_code == 402) for spans, _ in (slight, grave)]
    assert 0.0 < severity[0] < severity[1] <= 1.0


def test_an_arc_struck_beside_the_seam_is_a_stray_arc() -> None:
    assert 601 in codes(weld(STEEL, fault("stray_strike", 0.012, start_s=0.0, duration_s=0.5)))


def cracked_craters(crater_fill_s: float, eased: bool = False) -> int:
    """Of five welds; ``eased``: current and voltage are taken back shortly before the end."""
    short = {**STEEL, "joint": {**STEEL["joint"], "seam_length_m": 0.02}}
    found = 0
    for seed in range(5):
        cell = WeldCell(weld(short, [], seed=seed, crater_fill_s=crater_fill_s))
        while not cell.finished:
            for _ in cell.advance(cell.time_s + 0.05):
                pass
            if eased and cell.state.torch_x_m > 0.014:
                cell.apply(ParameterDeltas(current_a=-60.0, voltage_v=-2.0))
        found += any(a.iso_code == 104 for a in cell.annotations)
    return found


def test_an_abrupt_end_can_crack_the_crater_and_a_filled_or_eased_one_does_not() -> None:
    assert cracked_craters(0.0) >= 2
    assert cracked_craters(1.2) == 0
    assert cracked_craters(0.0, eased=True) == 0


def test_gas_comes_back_when_somebody_looks_after_it() -> None:
    cell = WeldCell(weld(STEEL, fault("gas_loss", 1.0)))
    for _ in cell.advance(4.0):
        pass
    assert cell.state.gas_cover < 0.2
    cell.apply(ParameterDeltas(check_gas=True))
    for _ in cell.advance(7.0):
        pass
    assert cell.state.gas_cover > 0.9


@pytest.mark.parametrize(("kind", "magnitude"), [("aim_offset", 0.002), ("travel_factor", 0.4)])
def test_a_fault_of_one_seam_is_none_of_the_next(kind: str, magnitude: float) -> None:
    two = weld(
        {"process": {"kind": "laser", "laser_power_w": 3000.0, "travel_speed_m_s": 0.02, "wire_feed_speed_m_s": 0.0},
         "joint": {"kind": "butt", "filler": "none", "thickness_a_m": 0.003, "thickness_b_m": 0.003,
                   "seam_length_m": 0.06}},
        fault(kind, magnitude), seed=3, welds=2, crater_fill_s=1.0,
    )  # fmt: skip
    cell, second = WeldCell(two), 0.0
    while not cell.finished:
        for _ in cell.advance(cell.time_s + 0.01):
            pass
        second = second or (cell.time_s if cell.state.burning and cell.state.weld == 1 else 0.0)
    found = [a for a in cell.annotations if a.kind == "imperfection"]
    assert second > 0 and found, "the fault shows in its own seam"
    assert not [a for a in found if a.end_s > second], "and in that alone"


def test_programmed_weaving_is_no_stray_arc() -> None:
    wide = {**LASER, "process": {**LASER["process"], "weave_amplitude_m": 0.008, "weave_frequency_hz": 0.5}}
    assert 601 not in codes(weld(wide, []))


def test_what_hangs_through_the_root_has_penetrated_it() -> None:
    butt = {**STEEL, "joint": {**STEEL["joint"], "kind": "butt"}}
    colder = [*fault("joint_gap", 0.0024), {**fault("wire_feed_factor", 0.6)[0]}]
    spans, _ = imperfections(weld(butt, colder))
    through = [a for a in spans if a.iso_code in (504, 510)]
    assert through
    for lack in (a for a in spans if a.iso_code == 402):
        assert all(min(lack.end_s, a.end_s) - max(lack.start_s, a.start_s) < 0.5 for a in through)


def test_a_bead_on_a_plate_has_no_gap_and_a_fault_begins_while_the_seam_is_welded() -> None:
    bead = {**STEEL, "joint": {**STEEL["joint"], "kind": "bead"}}
    with pytest.raises(InputError, match="joint_gap, but a bead on a plate has no joint"):
        weld(bead, fault("joint_gap", 0.002))
    with pytest.raises(InputError, match=r"number 0 begins at 300 s of an arc of 7\.5 s"):
        weld(STEEL, fault("gas_loss", 0.9, start_s=300.0))
    drawn = [randomised(seed) for seed in range(300)]
    assert any(scenario.joint.kind == "bead" and scenario.disturbances for scenario in drawn)
