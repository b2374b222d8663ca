"""``msstan closed-loop-live``: what is welded, what is taken from another study, and what is said of the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from msstan_core.cli import main
from msstan_core.closed_loop import study
from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.kept_welds import SUFFIX, KeptWelds
from msstan_core.closed_loop.report.live_page import SECTION
from msstan_core.closed_loop.tasks import FIRST_SEED, LIVE_ARMS, Task, tasks
from msstan_core.closed_loop.timing import Timing
from msstan_core.errors import InputError
from msstan_core.resources import default_model_dir
from msstan_ros import live_study

SEEDS = range(FIRST_SEED, FIRST_SEED + 2)
PLAN = tasks([402, 0], SEEDS, LIVE_ARMS)


class Welders:
    """In the place of both ways to weld; over DDS the last weld comes first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.in_process: list[Task] = []
        self.live: list[Task] = []
        self.pace = 0.5
        self.fails = False
        monkeypatch.setattr(study, "welded", self.weld)
        monkeypatch.setattr(live_study, "welded_live", self.weld_live)
        monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "a user's own")
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

    def weld(self, plan: Sequence[Task], model: Path, jobs: int) -> Iterator[WeldFigures]:
        self.in_process += plan
        yield from map(self.figures, plan)

    def weld_live(self, plan: Sequence[Task], jobs: int, rate: float, *_: Any) -> Iterator[WeldFigures]:
        assert (jobs, rate) == (3, 0.5)
        for task in reversed(plan):
            if self.fails and task == plan[0]:
                raise InputError("welds over DDS", "1 was not completed", "again")
            self.live.append(task)
            yield self.figures(task)

    def figures(self, task: Task) -> WeldFigures:
        timing = Timing(9, 0.05, 0.1, 0.25, 0.125, self.pace) if task.arm == "live" else None
        seconds = 1.0 if task.imperfection else 0.0
        return WeldFigures(
            task.imperfection, task.seed, task.arm, 0.1, seconds, seconds, {}, True, 0.1, 0, 0, 0, 0, timing
        )


@pytest.fixture
def welders(monkeypatch: pytest.MonkeyPatch) -> Welders:
    return Welders(monkeypatch)


def command(folder: Path, *more: str) -> int:
    given = ["--json", str(folder / "live.json"), "--imperfections", "402,0", "--welds", "2", "--jobs", "3"]
    return main(["closed-loop-live", *given, "--log", str(folder / "log"), *more])


def test_the_result_is_in_the_order_of_the_plan_and_says_how_the_machine_did(
    welders: Welders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{SECTION.begin}\n{SECTION.end}\n")
    assert command(tmp_path, "--page", str(page)) == 0
    content = json.loads((tmp_path / "live.json").read_text())
    assert [(w["imperfection"], w["seed"], w["arm"]) for w in content["details"]["welds"]] == [
        (t.imperfection, t.seed, t.arm) for t in PLAN
    ]
    assert content["metrics"]["late_decisions"]["mean"] == 0.25 and "--jobs 3" in content["command"]
    said = capsys.readouterr()
    assert "not OK in 12.5% of its heartbeats and 25.0% of the decisions were late" in said.out
    assert "did not keep up" not in said.err and (tmp_path / "images" / "closed_loop_live.png").exists()


def test_a_machine_that_did_not_keep_up_is_said(
    welders: Welders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    welders.pace = 0.3
    assert command(tmp_path) == 0
    assert "did not keep up in 4 of 4 welds over DDS" in capsys.readouterr().err


def test_after_a_failure_the_same_command_welds_the_rest(welders: Welders, tmp_path: Path) -> None:
    welders.fails = True
    assert command(tmp_path) == 1 and not (tmp_path / "live.json").exists()
    assert len(welders.in_process) == 8 and len(welders.live) == 3
    welders.fails = False
    assert command(tmp_path) == 0
    assert len(welders.in_process) == 8 and sorted(map(str, welders.live)) == sorted(
        str(t) for t in PLAN if t.arm == "live"
    )


def test_welds_in_one_process_are_taken_from_beside(
    welders: Welders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    revision = study.revision_of(default_model_dir())
    beside = tmp_path / f"closed_loop.json{SUFFIX}"
    with KeptWelds(beside, revision) as others:
        for task in tasks([402, 506, 0], SEEDS):
            others.add(welders.figures(task))
    assert command(tmp_path) == 0
    assert welders.in_process == [] and "8 welds in one process are taken" in capsys.readouterr().out
    (tmp_path / f"live.json{SUFFIX}").unlink()
    beside.write_text(beside.read_text().replace(revision["loop_sha256"], "0" * 64))
    assert command(tmp_path) == 0
    assert len(welders.in_process) == 8 and "another revision" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--jobs", "--welds"])
def test_none_is_refused(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["closed-loop-live", "--json", str(tmp_path / "live.json"), option, "0"]) == 1
    assert option in capsys.readouterr().err
