"""A gap is a place: the torch comes there when it does, the pool sinks into it, the camera sees it ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msstan_core.simulation import ParameterDeltas, Scenario, WeldCell, parse_scenario
from msstan_core.simulation.procedure import programmed_place_m, seam_start_m
from msstan_core.simulation.scene import CANVAS_M, WorkSurface
from msstan_core.simulation.seam_gap import BRIDGED_M, SeamGap

TRAVEL = 0.008
QUICK = {"idle_s": 0.1, "placement_s": 0.0, "approach_s": 0.3, "pre_flow_s": 0.2, "cooling_s": 0.5}
WIDE = {"kind": "joint_gap", "start_s": 2.0, "duration_s": 1.5, "magnitude": 0.0015}


def scenario(*faults: dict[str, Any], joint: dict[str, Any] | None = None, **procedure: Any) -> Scenario:
    blind = {name: {"enabled": False} for name in ("camera", "thermal", "microphone", "telemetry")}
    content = {
        **blind,
        "seed": 5,
        "process": {"voltage_v": 20.0, "wire_feed_speed_m_s": 0.075, "travel_speed_m_s": TRAVEL},
        "joint": {
            "kind": "butt", "seam_length_m": 0.05, "thickness_a_m": 0.004, "thickness_b_m": 0.004, **(joint or {})
        },
        "procedure": {**QUICK, **procedure},
        "noise": {"path_m": 0.0},
        "disturbances": list(faults),
    }  # fmt: skip
    return parse_scenario(content)


def course(run: Scenario, deltas: ParameterDeltas | None = None) -> list[tuple[float, float, float]]:
    """(place, current, bead) of every control step of steady welding."""
    cell, steps = WeldCell(run), []
    if deltas is not None:
        cell.apply(deltas)
    while not cell.finished:
        for _ in cell.advance(cell.time_s + 0.01):
            pass
        state = cell.state
        if state.burning and state.step.name == "WELD":
            row, column = cell.heat.index(state.arc_x_m - 0.004, 0.0)
            steps.append((state.arc_x_m, state.current_a, float(cell.heat.bead_m[row, column])))
    return steps


def test_it_opens_where_the_programme_is_at_that_time() -> None:
    run = scenario(WIDE, joint={"gap_m": 0.0002})
    gap = SeamGap(run)
    opens, closes = (programmed_place_m(run, t) for t in (2.0, 3.5))
    assert closes - opens == pytest.approx(1.5 * TRAVEL, abs=1e-4)
    assert gap.width_m(opens - 1e-4) == pytest.approx(0.0002)
    assert gap.width_m(0.5 * (opens + closes)) == pytest.approx(0.0017)
    assert gap.width_m(closes + 0.002) == pytest.approx(0.0002)


def test_a_gap_from_the_start_is_open_before_it() -> None:
    assert SeamGap(scenario({**WIDE, "start_s": 0.0})).width_m(-0.003) == pytest.approx(0.0015)
    assert SeamGap(scenario(WIDE)).width_m(-0.003) == 0.0


def test_a_gap_of_the_second_seam_is_there_alone() -> None:
    run = scenario({**WIDE, "weld": 1}, welds=2)
    place = programmed_place_m(run, 2.8)
    assert SeamGap(run).width_m(place) == 0.0
    assert SeamGap(run).width_m(seam_start_m(run.joint, 1) + place) == pytest.approx(0.0015)


def test_a_gap_stays_on_its_seam() -> None:
    """Of the second from its start on, and of the first for longer than it lasts."""
    second = scenario({**WIDE, "weld": 1, "start_s": 0.0}, welds=2)
    starts = seam_start_m(second.joint, 1)
    assert [SeamGap(second).width_m(x) for x in (0.01, 0.045, starts - 0.004)] == pytest.approx([0.0, 0.0, 0.0015])
    first = SeamGap(scenario({**WIDE, "duration_s": 60.0}, welds=2))
    assert [first.width_m(x) for x in (0.045, starts + 0.001, starts + 0.03)] == pytest.approx([0.0015, 0.0, 0.0])


@pytest.mark.parametrize("adjustments", [[], [{"at_s": 1.0, "duration_s": 0.5, "travel": 0.6}]])
def test_the_programme_is_where_an_undisturbed_torch_is(adjustments: list[dict[str, float]]) -> None:
    run = scenario(heat_adjustments=adjustments)
    cell, began = WeldCell(run), None
    while began is None or cell.time_s < began + 4.0:
        for _ in cell.advance(cell.time_s + 0.01):
            pass
        began = cell.time_s if began is None and cell.state.burning else began
    # the robot starts with a lag of 0.08 s
    assert cell.state.torch_x_m == pytest.approx(programmed_place_m(run, 4.0), abs=0.0015)


def test_who_welds_slower_stays_in_it_longer() -> None:
    run = scenario({**WIDE, "magnitude": 0.0009})  # no hole, in which the arc breaks
    gap = SeamGap(run)

    def steps_inside(deltas: ParameterDeltas | None) -> int:
        return sum(gap.width_m(x) > 0.0005 for x, _, _ in course(run, deltas))

    assert steps_inside(ParameterDeltas(travel_speed_m_s=-0.3 * TRAVEL)) > 1.3 * steps_inside(None)


def test_the_pool_sinks_into_it_with_less_current_and_a_lower_bead() -> None:
    opened = scenario({**WIDE, "magnitude": 0.002})
    gap = SeamGap(opened)

    def inside(run: Scenario) -> tuple[float, float]:
        wide = [(a, bead) for x, a, bead in course(run) if min(gap.width_m(x), gap.width_m(x - 0.004)) > 0.0019]
        found = np.array(wide)
        return float(found[:, 0].mean()), float(found[:, 1].mean())

    (current, bead), (usual_current, usual_bead) = inside(opened), inside(scenario())
    assert current < 0.99 * usual_current
    assert bead < 0.8 * usual_bead


def test_a_gap_that_a_pool_bridges_changes_nothing() -> None:
    narrow = SeamGap(scenario(joint={"gap_m": BRIDGED_M}))
    assert narrow.sag_m(0.01) == 0.0
    assert narrow.fill(0.01, 0.004, 1e-5) == 0.0
    assert SeamGap(scenario(joint={"gap_m": 0.005})).fill(0.01, 0.03, 1e-6) < 1.0  # some metal stays on top


def test_the_camera_sees_it_ahead_of_the_torch() -> None:
    def painted(run: Scenario, x_m: float) -> int:
        """Dark pixels across the seam."""
        surface = WorkSurface(run, 0.05, np.random.default_rng(0))
        surface.set_placement(1.0)
        column, middle = round((x_m - surface.x0_m) / CANVAS_M), round(-surface.y0_m / CANVAS_M)
        across = surface.reflectance[middle - 20 : middle + 20, column]
        return int((across.max(axis=1) <= 6).sum())

    run = scenario(WIDE)
    inside = programmed_place_m(run, 2.8)
    assert painted(run, inside) == round(0.0015 / CANVAS_M)
    assert painted(run, inside + 0.02) == 0
    assert painted(scenario(), inside) == 0
