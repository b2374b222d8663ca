"""The loop closed in one process: advice helps, stays in bounds, and whatever fails the cell welds as programmed."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.follower import LONGEST_SILENCE_S
from msstan_core.advisory.gate import GateSettings
from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.parameters import ZERO, Parameter, Values
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps
from msstan_core.closed_loop import study
from msstan_core.closed_loop.figures import WeldFigures, figures_of, related, violations
from msstan_core.closed_loop.loop import CYCLE_S, Cycle, Interference, WeldRecord, weld
from msstan_core.closed_loop.recognisers import OracleRecogniser
from msstan_core.closed_loop.report.study_page import SECTION, write_page
from msstan_core.closed_loop.report.summary import example_of, summarise
from msstan_core.closed_loop.study import run_study
from msstan_core.closed_loop.tasks import ARMS, Task, tasks
from msstan_core.closed_loop.welds import FAULTS, NOMINAL, study_weld
from msstan_core.errors import InputError
from msstan_core.recordings.annotations import Annotation
from msstan_core.resources import default_model_dir, share_path
from msstan_core.simulation import Scenario, WeldCell, load_scenario, parse_scenario

LAP = load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml"))
BACK_S = Envelope(LAP).return_time_s
SETTINGS = GateSettings()


def faulty(arc_s: float = 8.0) -> Scenario:
    """A weld whose voltage drops for good after two seconds: overlap, which more voltage cures."""
    content = load_scenario("gmaw_steel_lap").model_dump()
    content["joint"]["seam_length_m"] = 0.008 * arc_s
    content["procedure"].update(idle_s=0.0, placement_s=0.0, approach_s=0.2, pre_flow_s=0.0, cooling_s=0.5)
    content["procedure"].update(heat_adjustments=[], crater_fill_s=0.4)
    content["disturbances"] = [{"kind": "voltage_offset", "start_s": 2.0, "duration_s": 60.0, "magnitude": -4.7}]
    return parse_scenario(content)


def welded(interference: Interference | None = None) -> WeldRecord:
    return weld(faulty(), LAP, OracleRecogniser(), interference=interference)


def applied_after(record: WeldRecord, time_s: float) -> list[Cycle]:
    return [c for c in record.cycles if c.time_s >= time_s]


# -- good advice ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_oracle() -> WeldRecord:
    return welded()


def test_good_advice_takes_most_of_the_imperfection_away_within_the_procedure(with_oracle: WeldRecord) -> None:
    alone = figures_of(weld(faulty(), LAP, None), 506, 0, "none")
    advised = figures_of(with_oracle, 506, 0, "oracle")
    assert alone.any_s > 4.0 and advised.any_s < 0.5 * alone.any_s
    assert advised.wps_violations == 0 and advised.wrong_corrections == 0
    assert advised.detected and advised.delay_s < 0.5
    assert alone.advised_s == 0.0 and not alone.detected


def test_the_course_of_a_weld_is_repeatable(with_oracle: WeldRecord) -> None:
    again = welded()
    assert again.cycles == with_oracle.cycles
    assert again.annotations == with_oracle.annotations


def test_outside_the_welding_step_nothing_is_added(with_oracle: WeldRecord) -> None:
    assert any(c.welding and c.applied != ZERO for c in with_oracle.cycles)
    # the step may change within the cycle that is logged
    ended = [c for c, before in zip(with_oracle.cycles[1:], with_oracle.cycles, strict=False) if not before.welding]
    assert all(c.applied == ZERO for c in ended if not c.welding)


# -- what may fail ----------------------------------------------------------------------------------------------------

FAIL_S = 5.0


def before(time_s: float) -> bool:
    return time_s < FAIL_S


def late(advice: Advice) -> Advice:
    return dataclasses.replace(advice, stamp_ns=advice.stamp_ns - 10**9)


def lying(advice: Advice) -> Advice:
    return dataclasses.replace(advice, deltas=(math.nan, math.inf, math.nan, -math.inf, math.nan))


@pytest.mark.parametrize(
    ("interference", "bound_s"),
    [
        pytest.param(
            Interference(beats=before, advises=lambda t, a: [a] if before(t) else []),
            SETTINGS.heartbeat_timeout_s + BACK_S,
            id="monitor killed",
        ),
        pytest.param(
            Interference(beats=before), SETTINGS.heartbeat_timeout_s + BACK_S, id="heartbeat lost, advice goes on"
        ),
        pytest.param(Interference(advises=lambda t, a: [a] if before(t) else []), 0.6 + BACK_S, id="inference frozen"),
        pytest.param(Interference(gate_lives=before), LONGEST_SILENCE_S + BACK_S, id="gate killed"),
        pytest.param(
            Interference(advises=lambda t, a: [a if before(t) else late(a)]),
            0.6 + BACK_S,
            id="delayed by a second",
        ),
        pytest.param(Interference(advises=lambda t, a: [a] if before(t) else [lying(a)] * 3), 1.0 + BACK_S, id="lying"),
    ],
)
def test_whatever_fails_the_cell_is_back_at_its_programme_within_the_bound(
    interference: Interference, bound_s: float
) -> None:
    record = welded(interference)
    assert any(c.applied != ZERO for c in record.cycles if c.time_s < FAIL_S), "there was something to take back"
    late = applied_after(record, FAIL_S + bound_s + 2 * CYCLE_S)
    assert any(c.welding for c in late) and all(c.applied == ZERO for c in late)
    assert violations(record) == 0


def test_a_monitor_that_asks_for_far_too_much_gets_the_procedure_at_most_and_then_nothing() -> None:
    def greedy(_: float, advice: Advice) -> list[Advice]:
        return [dataclasses.replace(advice, deltas=(math.nan, 30.0, 0.3, -0.1, 0.05))]

    record = welded(Interference(advises=greedy))
    assert violations(record) == 0
    assert record.cycles[-1].state is GateState.LATCHED


@pytest.mark.parametrize("jump_s", [-30.0, 30.0])
def test_a_clock_that_is_set_during_the_weld_leaves_no_limit_and_leads_back(jump_s: float) -> None:
    record = welded(Interference(clock_set_s=lambda t: 0.0 if before(t) else jump_s))
    assert violations(record) == 0
    late = applied_after(record, FAIL_S + BACK_S + 2 * CYCLE_S)
    assert all(c.applied == ZERO for c in late), "the monitor's stamps and the clock no longer agree"


# -- figures ----------------------------------------------------------------------------------------------------------


def cycle(time_s: float, deltas: Values = ZERO, event: int = 0, code: int = 0, **more: Any) -> Cycle:
    state = GateState.ADVISING if event else GateState.PROGRAMMED
    fields = {"state": state, "welding": True, "check_gas": False, **more}
    return Cycle(time_s, deltas, deltas, cause_event_id=event, cause_iso_code=code, **fields)


def record_of(
    cycles: list[Cycle], truth: list[tuple[float, float, int]], suspected: list[tuple[float, int, int]]
) -> WeldRecord:
    spans = [Annotation(a, b, "imperfection", str(code), severity=0.5) for a, b, code in truth]
    return WeldRecord(LAP, 0.1, 0.1, cycles, suspected, spans)


MORE_VOLTAGE: Values = (0.0, 0.5, 0.0, 0.0, 0.0)


def test_times_of_imperfections_are_counted_once_and_delays_from_the_onset() -> None:
    cycles = [cycle(0.02 * i) for i in range(500)]
    truth = [(2.0, 4.0, 402), (3.0, 5.0, 401), (4.5, 5.0, 402), (9.0, 9.5, 104)]
    figures = figures_of(record_of(cycles, truth, [(0.5, 1, 402), (2.4, 2, 401)]), 402, 7, "monitor")
    assert figures.target_s == pytest.approx(2.5) and figures.any_s == pytest.approx(3.0)
    assert figures.by_code_s == {401: pytest.approx(2.0), 402: pytest.approx(2.5)}, "104 forms when the arc is out"
    assert figures.detected and figures.delay_s == pytest.approx(0.4 + 0.1)
    assert WeldFigures.from_dict(json.loads(json.dumps(figures.as_dict()))) == figures
    assert related(401) == {401, 402} and related(602) == {602}


def test_what_is_corrected_without_cause_is_counted() -> None:
    cycles = [cycle(0.02 * i, MORE_VOLTAGE if 100 <= i < 200 else ZERO, 3 if 100 <= i < 200 else 0) for i in range(300)]
    wrong = figures_of(record_of(cycles, [(8.0, 9.0, 506)], [(1.9, 3, 506)]), 506, 0, "monitor")
    assert wrong.wrong_corrections == 1 and wrong.wrong_s == pytest.approx(2.0)
    right = figures_of(record_of(cycles, [(1.5, 2.5, 502)], [(1.9, 3, 506)]), 502, 0, "monitor")
    assert right.wrong_corrections == 0 and right.advised_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("deltas", "found"),
    [
        ((0.0, 0.08, 0.0, 0.0, 0.0), 0),
        ((0.0, 2.5, 0.0, 0.0, 0.0), 1),  # above the range, and too fast
        ((0.0, 0.09, 0.0, 0.0, 0.0), 1),  # too fast
        ((5.0, 0.0, 0.0, 0.0, 0.0), 1),  # not adjustable
        ((0.0, 0.0, 0.0, 0.0, math.nan), 1),
    ],
)
def test_the_judge_of_violations_sees_them(deltas: Values, found: int) -> None:
    assert violations(record_of([cycle(0.0), cycle(0.02, deltas)], [], [])) == found


def test_the_judge_sees_the_heat_input() -> None:
    hot: Values = (0.0, 2.0, 0.014, -0.0019, 0.0)
    record = record_of([cycle(0.0, hot), cycle(0.02, hot)], [], [])
    assert violations(record) == 1


def test_study_welds_are_valid_repeatable_and_under_a_procedure_they_fit() -> None:
    for code in FAULTS:
        scenario = study_weld(code, 3)
        assert scenario == study_weld(code, 3) != study_weld(code, 4)
        wps, problem = ProcedureBook().in_force(WeldCell(scenario).context)
        assert wps is not None, problem
        for p in (Parameter.VOLTAGE, Parameter.TRAVEL_SPEED):
            section = wps.range_of(p)
            assert section is not None and section.nominal == getattr(scenario.process, p.field)
        assert bool(scenario.disturbances) == (code != NOMINAL)


# -- the study --------------------------------------------------------------------------------------------------------


def made_up(code: int, seed: int, arm: str, seconds: float, violated: int = 0) -> WeldFigures:
    return WeldFigures(code, seed, arm, 0.1, seconds, seconds, {code: seconds}, seconds > 0, 0.3, 1.0, 0, 0.0, violated)


def test_the_summary_pairs_arms_by_seed() -> None:
    welds = [
        made_up(402, s, arm, t) for s in (1, 2) for arm, t in (("none", 4.0 * s), ("monitor", s), ("oracle", 0.5 * s))
    ]
    welds += [made_up(NOMINAL, s, arm, 0.0) for s in (1, 2) for arm in ARMS]
    metrics, baselines, table = summarise(welds)
    assert metrics["imperfection_time_ratio"] == {"mean": 0.25, "std": 0.0}
    assert baselines["oracle"]["imperfection_time_ratio"]["mean"] == 0.125
    assert metrics["share_of_what_an_oracle_mends"] == {"mean": pytest.approx(0.75 / 0.875, abs=1e-4), "std": 0.0}
    assert baselines["none"]["imperfection_s_per_m"]["mean"] == pytest.approx(60.0)
    assert table["402"]["monitor_s_per_m"]["mean"] == pytest.approx(15.0)
    assert metrics["wps_violations"]["mean"] == 0
    assert example_of(welds, 402) == 1


def test_where_an_oracle_mends_nothing_there_is_no_share_of_it() -> None:
    welds = [made_up(401, 1, arm, 4.0) for arm in ARMS]
    assert math.isnan(summarise(welds)[0]["share_of_what_an_oracle_mends"]["mean"])


def test_an_interrupted_study_goes_on_and_refuses_welds_of_another_model_or_simulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "run_weld", lambda task, _: record_of([cycle(0.0)], [(1.0, 2.0 + task.seed, 402)], []))
    kept, said = tmp_path / "kept.jsonl", []
    plan = tasks([NOMINAL], [0, 1], ["none"])
    assert plan == [Task(NOMINAL, 0, "none"), Task(NOMINAL, 1, "none")]
    first = run_study(plan[:1], default_model_dir(), kept, 1, said.append)
    both = run_study(plan, default_model_dir(), kept, 1, said.append)
    assert [w.seed for w in said] == [0, 1], "what is kept is not welded again"
    assert both[0].as_dict() == first[0].as_dict() and both[1].any_s == 2.0
    lines = kept.read_text().splitlines()
    for named, other in (
        ("card_sha256", "model"),
        ("simulator_sha256", "revision of cell, rules or gate"),
        ("loop_sha256", "revision of cell, rules or gate"),
    ):
        kept.write_text("\n".join([json.dumps({**json.loads(lines[0]), named: "another"}), *lines[1:]]))
        with pytest.raises(InputError, match=f"another {other}"):
            run_study(plan, default_model_dir(), kept, 1, said.append)
    kept.write_text("no json")
    with pytest.raises(InputError, match="cannot be continued"):
        run_study(plan, default_model_dir(), kept, 1, said.append)


def test_the_page_is_written_from_the_result_file_and_only_between_its_marks(tmp_path: Path) -> None:
    welds = [made_up(402, 1, arm, t) for arm, t in (("none", 4.0), ("monitor", 1.0), ("oracle", 0.5))]
    metrics, baselines, table = summarise([*welds, *(made_up(NOMINAL, 1, arm, 0.0) for arm in ARMS)])
    course = {
        "time_s": [0.0, 1.0],
        "deltas": [[0, 0, 0, 0, 0], [0, 1, 0, 0, 0]],
        "cause": [0, 402],
        "truth": [[0.2, 0.9, 402]],
    }
    example = {"imperfection": 402, "seed": 1, **dict.fromkeys(ARMS, course)}
    content = {
        "command": "msstan closed-loop",
        "revision": "abc",
        "seeds": 1,
        "metrics": metrics,
        "baselines": baselines,
    }
    content["details"] = {"by_imperfection": table, "example": example}
    result, page = tmp_path / "closed_loop.json", tmp_path / "page.md"
    result.write_text(json.dumps(content).replace("NaN", "null"))
    page.write_text(f"# Before\n{SECTION.begin}\nold\n{SECTION.end}\nAfter\n")
    written = write_page(page, result)
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith(f"{SECTION.end}\nAfter\n") and "old" not in text
    assert "| 402 lack of penetration | 40.00 | 10.00 | 5.00 |" in text
    assert all(f.read_bytes().startswith(b"\x89PNG") for f in written if f.suffix == ".png") and len(written) == 3
    write_page(page, result)
    assert page.read_text() == text
    page.write_text("nothing here")
    with pytest.raises(InputError, match="no section"):
        write_page(page, result)
