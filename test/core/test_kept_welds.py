"""Welds that are done are kept, whenever a study is killed, and only where they belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.kept_welds import KeptWelds
from msstan_core.closed_loop.tasks import LIVE_ARMS, Task, tasks
from msstan_core.closed_loop.timing import Timing
from msstan_core.errors import InputError

BASE = {"card_sha256": "a", "simulator_sha256": "b", "loop_sha256": "c"}
LIVE = {**BASE, "rate": 0.5, "nodes_sha256": "d"}
PLAN = tasks([402], [1, 2], LIVE_ARMS)


def figures(task: Task, timing: Timing | None = None) -> WeldFigures:
    return WeldFigures(
        task.imperfection, task.seed, task.arm, 0.1, 1.0, 1.0, {402: 1.0}, True, 0.3, 1.0, 0, 0.0, 0, timing
    )


def test_welds_come_back_in_the_order_of_the_plan_with_all_that_was_measured(tmp_path: Path) -> None:
    timing = Timing.of([0.05, 0.2], [True, False], float("nan"))
    with KeptWelds(tmp_path / "kept", LIVE) as kept:
        for task in reversed(PLAN):
            kept.add(figures(task, timing if task.arm == "live" else None))
    again = KeptWelds(tmp_path / "kept", LIVE)
    assert again.missing(PLAN) == []
    assert [(w.seed, w.arm) for w in again.of(PLAN)] == [(t.seed, t.arm) for t in PLAN]
    live = again.of(PLAN)[2].timing
    assert live is not None and (live.decisions, live.late, live.not_ok) == (2, 0.5, 0.5) and live.pace != live.pace
    assert again.of(PLAN)[0].timing is None and "timing" not in again.of(PLAN)[0].as_dict()


@pytest.mark.parametrize("cut", [1, 20])
def test_a_line_that_a_kill_cut_off_is_welded_again_and_harms_no_other(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    with KeptWelds(path, LIVE) as kept:
        for task in PLAN[:2]:
            kept.add(figures(task))
    path.write_text(path.read_text()[:-cut])
    with KeptWelds(path, LIVE) as kept:
        assert kept.missing(PLAN[:2]) == [PLAN[1]]
        kept.add(figures(PLAN[1]))
    assert KeptWelds(path, LIVE).missing(PLAN) == PLAN[2:]
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 3


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    for text in ("my notes", "my notes\n", "[1]\n", "{}\n"):
        path.write_text(text)
        with pytest.raises(InputError, match="cannot be continued"):
            KeptWelds(path, LIVE)
        assert path.read_text() == text


@pytest.mark.parametrize(
    ("named", "other", "said"),
    [
        ("card_sha256", "x", "another model"),
        ("simulator_sha256", "x", "another revision"),
        ("loop_sha256", "x", "another revision"),
        ("nodes_sha256", "x", "another revision"),
        ("rate", 0.9, r"--rate 0\.5"),
    ],
)
def test_what_decides_how_a_weld_goes_is_not_mixed(named: str, other: object, said: str, tmp_path: Path) -> None:
    with KeptWelds(tmp_path / "kept", LIVE) as kept:
        kept.add(figures(PLAN[0]))
    with pytest.raises(InputError, match=said):
        KeptWelds(tmp_path / "kept", {**LIVE, named: other})


def test_welds_in_one_process_are_taken_from_a_study_of_the_same_revision(tmp_path: Path) -> None:
    with KeptWelds(tmp_path / "others", BASE) as others:
        for task in (Task(402, 1, "none"), Task(402, 1, "oracle"), Task(402, 9, "none")):
            others.add(figures(task))
    with KeptWelds(tmp_path / "kept", LIVE) as kept:
        assert kept.take(PLAN, KeptWelds(tmp_path / "others", BASE)) == 1
        assert kept.missing(PLAN) == PLAN[1:]
    assert KeptWelds(tmp_path / "kept", LIVE).missing(PLAN) == PLAN[1:], "they are kept here, too"
    for name in BASE:
        with pytest.raises(InputError, match="another"):
            KeptWelds(tmp_path / "others", {**BASE, name: "x"})
    with pytest.raises(InputError):
        KeptWelds(tmp_path / "kept", BASE)
