"""The study over DDS: the same welds in one process beside it, resumed, summarised, written into the page."""

import json
from pathlib import Path

import pytest

from msstan_core.closed_loop import study
from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.page import LIVE_BEGIN, LIVE_END, write_live
from msstan_core.closed_loop.study import LIVE_ARMS, Task, run_study, summarise_live, tasks
from msstan_core.closed_loop.welds import NOMINAL
from msstan_core.errors import InputError
from msstan_core.resources import default_model_dir

TIMES_S = {"none": 4.0, "monitor": 1.0, "live": 1.5}


def made_up(task: Task, seconds: float, delay_s: float = 0.3) -> WeldFigures:
    times = {task.imperfection: seconds}
    return WeldFigures(
        task.imperfection, task.seed, task.arm, 0.1, seconds, seconds, times, seconds > 0, delay_s, 1.0, 0, 0.0, 0
    )


def welds() -> list[WeldFigures]:
    return [
        made_up(task, 0.0 if task.imperfection == NOMINAL else TIMES_S[task.arm] * task.seed)
        for task in tasks([402, NOMINAL], [1, 2], LIVE_ARMS)
    ]


def test_welds_over_dds_are_compared_with_the_same_welds_in_one_process() -> None:
    metrics, baselines, table = summarise_live(welds())
    assert metrics["imperfection_time_ratio"]["mean"] == 0.375
    assert baselines["in_process"]["imperfection_time_ratio"]["mean"] == 0.25
    assert metrics["more_than_in_process_s"]["mean"] == pytest.approx((0.5 + 1.0) / 2 / 2), "good welds count too"
    assert baselines["none"]["imperfection_s_per_m"]["mean"] == pytest.approx(60.0)
    assert table["402"]["live_s_per_m"]["mean"] == pytest.approx(22.5) and table["402"]["detected"]["mean"] == 1.0


def test_an_arm_of_its_own_is_welded_as_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_figures", lambda task: made_up(task, 4.0))
    kept, asked = tmp_path / "kept.jsonl", []

    def live(task: Task) -> WeldFigures:
        asked.append(task)
        return made_up(task, 1.5)

    plan = tasks([402], [1], LIVE_ARMS)
    found = run_study(plan, default_model_dir(), kept, 1, lambda _: None, {"live": live})
    assert [w.any_s for w in found] == [4.0, 4.0, 1.5] and asked == [Task(402, 1, "live")]
    again = run_study(plan, default_model_dir(), kept, 1, lambda _: None, {"live": live})
    assert [w.as_dict() for w in again] == [w.as_dict() for w in found] and len(asked) == 1


def test_the_page_gets_the_section_over_dds_and_keeps_the_rest(tmp_path: Path) -> None:
    metrics, baselines, table = summarise_live(welds())
    content = {"command": "msstan closed-loop-live", "revision": "abc", "seeds": 2}
    content |= {"metrics": metrics, "baselines": baselines, "details": {"by_imperfection": table}}
    result, page = tmp_path / "closed_loop_live.json", tmp_path / "page.md"
    result.write_text(json.dumps(content).replace("NaN", "null"))
    page.write_text(f"# Before\n{LIVE_BEGIN}\nold\n{LIVE_END}\nAfter\n")
    write_live(page, result)
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith(f"{LIVE_END}\nAfter\n") and "old" not in text
    assert "| imperfection time, share of the programme alone | 1 | 0.25 ± 0.00 | 0.38 ± 0.00 |" in text
    assert "| 402 lack of penetration | 60.00 ± 20.00 | 15.00 ± 5.00 | 22.50 ± 7.50 | 0.30 ± 0.00 |" in text
    result.write_text(json.dumps({**content, "seeds": 1}).replace("NaN", "null"))
    write_live(page, result)
    assert "| 402 lack of penetration | 60.00 | 15.00 | 22.50 | 0.30 |" in page.read_text(), "one seed has no spread"
    page.write_text("nothing here")
    with pytest.raises(InputError, match="no section"):
        write_live(page, result)
