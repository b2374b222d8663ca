"""The study over DDS: summarised beside the same welds in one process, and written into the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.report.live_page import SECTION, write_live
from msstan_core.closed_loop.report.summary import summarise_live
from msstan_core.closed_loop.tasks import LIVE_ARMS, Task, tasks
from msstan_core.closed_loop.timing import Timing
from msstan_core.closed_loop.welds import NOMINAL
from msstan_core.errors import InputError

TIMES_S = {"none": 4.0, "monitor": 1.0, "live": 1.5}


def made_up(task: Task, seconds: float, delay_s: float = 0.3) -> WeldFigures:
    times = {task.imperfection: seconds}
    timing = Timing(400, 0.05, 0.2, 0.1 * task.seed, 0.02, 0.49) if task.arm == "live" else None
    return WeldFigures(
        task.imperfection,
        task.seed,
        task.arm,
        0.1,
        seconds,
        seconds,
        times,
        seconds > 0,
        delay_s,
        1.0,
        0,
        0.0,
        0,
        timing,
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


def test_it_is_said_whether_the_machine_kept_up() -> None:
    metrics, _, _ = summarise_live(welds())
    assert metrics["late_decisions"] == {"mean": pytest.approx(0.15), "std": pytest.approx(0.05)}
    assert (metrics["not_ok"]["mean"], metrics["pace"]["mean"]) == (0.02, 0.49)
    assert (metrics["decision_age_s"]["mean"], metrics["decision_age_p99_s"]["mean"]) == (0.05, 0.2)


def test_a_decision_is_late_after_what_the_loop_in_one_process_takes() -> None:
    timing = Timing.of([0.02, 0.1, 0.11, 0.5], [False, False, True, True, True], 0.4)
    assert (timing.decisions, timing.late, timing.not_ok, timing.pace) == (4, 0.5, 0.6, 0.4)
    assert timing.age_p50_s == pytest.approx(0.105) and 0.11 < timing.age_p99_s <= 0.5
    silent = Timing.of([], [], float("nan"))
    assert silent.decisions == 0 and set(silent.as_dict().values()) == {0, None}


def content_of(seeds: int) -> dict[str, Any]:
    chosen = [w for w in welds() if w.seed <= seeds]
    metrics, baselines, table = summarise_live(chosen)
    content: dict[str, Any] = {"command": "msstan closed-loop-live", "revision": "abc", "seeds": seeds}
    content |= {"metrics": metrics, "baselines": baselines}
    content["details"] = {"rate": 0.5, "by_imperfection": table, "welds": [w.as_dict() for w in chosen]}
    return content


def test_the_page_gets_the_section_over_dds_and_keeps_the_rest(tmp_path: Path) -> None:
    result, page = tmp_path / "closed_loop_live.json", tmp_path / "page.md"
    result.write_text(json.dumps(content_of(2)).replace("NaN", "null"))
    page.write_text(f"# Before\n{SECTION.begin}\nold\n{SECTION.end}\nAfter\n")
    SECTION.check(page)
    written = write_live(page, result)
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith(f"{SECTION.end}\nAfter\n") and "old" not in text
    assert "| imperfection time, share of the programme alone | 1 | 0.25 ± 0.00 | 0.38 ± 0.00 |" in text
    assert "| 402 lack of penetration | 60.00 ± 20.00 | 15.00 ± 5.00 | 22.50 ± 7.50 | 0.30 ± 0.00 |" in text
    assert "| decisions that arrive over 0.1 s after their frame, share | 0.15 ± 0.05 |" in text
    assert "did not keep up" not in text
    assert written == [page, tmp_path / "images" / "closed_loop_live.png"]
    assert "images/closed_loop_live.png" in text and written[1].read_bytes().startswith(b"\x89PNG")
    slow = content_of(1)
    slow["details"]["welds"][2]["timing"]["pace"] = 0.4
    result.write_text(json.dumps(slow).replace("NaN", "null"))
    write_live(page, result)
    assert "| 402 lack of penetration | 40.00 | 10.00 | 15.00 | 0.30 |" in page.read_text(), "one seed has no spread"
    assert "In 1 of 2 welds over DDS the machine did not keep up" in page.read_text()
    page.write_text("nothing here")
    for use in (lambda: SECTION.check(page), lambda: write_live(page, result)):
        with pytest.raises(InputError, match="no section"):
            use()


def test_a_result_from_before_the_machine_was_measured_still_makes_a_page(tmp_path: Path) -> None:
    content = content_of(2)
    for name in ("late_decisions", "decision_age_s", "decision_age_p99_s", "not_ok", "pace"):
        del content["metrics"][name]
    result, page = tmp_path / "closed_loop_live.json", tmp_path / "page.md"
    result.write_text(json.dumps(content).replace("NaN", "null"))
    page.write_text(f"{SECTION.begin}\n{SECTION.end}\n")
    write_live(page, result)
    assert "402 lack of penetration" in page.read_text() and "kept up" not in page.read_text()
