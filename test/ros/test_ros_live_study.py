"""Welds over DDS, several at once: each apart, tried again once, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from live import until

from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.tasks import Task, tasks
from msstan_core.errors import InputError
from msstan_ros import live_study, transport
from msstan_ros.live_study import welded_live

PLAN = tasks([402, 506], [1, 2], ["live"])


class Welder:
    """In the place of real welds: notes who is there at once, and fails as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: dict[Task, int] | None = None) -> None:
        self.failures = failures or {}
        self.calls: Counter[Task] = Counter()
        self.now: set[int | None] = set()
        self.most = 0
        self.lock = threading.Lock()
        self.hold = threading.Event()
        self.hold.set()
        monkeypatch.setattr(live_study, "weld_live", self)

    def __call__(
        self, task: Task, rate: float, model: Path, log: Path, domain: int | None, interrupted: threading.Event
    ) -> WeldFigures:
        with self.lock:
            assert domain is not None and domain not in self.now, "two welds hear each other"
            self.now.add(domain)
            self.most = max(self.most, len(self.now))
            self.calls[task] += 1
        try:
            while not self.hold.wait(0.02):
                if interrupted.is_set():
                    raise InputError("weld", "not completed", "interrupted")
            time.sleep(0.1)
            if self.calls[task] <= self.failures.get(task, 0):
                raise InputError("weld", "the weld was not completed", "read the log")
            return WeldFigures(task.imperfection, task.seed, task.arm, 0.1, 0, 0, {}, False, 0.0, 0.0, 0, 0.0, 0)
        finally:
            with self.lock:
                self.now.remove(domain)


def weld(jobs: int, said: list[str], tmp_path: Path) -> Any:
    return welded_live(PLAN, jobs, 0.5, tmp_path, tmp_path / "log", said.append)


def test_as_many_as_asked_for_are_welded_at_once_each_in_a_domain_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for jobs in (1, 3):
        welder = Welder(monkeypatch)
        assert {Task(f.imperfection, f.seed, f.arm) for f in weld(jobs, [], tmp_path)} == set(PLAN)
        assert welder.most == jobs and set(welder.calls.values()) == {1}


def test_a_weld_that_fails_is_begun_anew_once_and_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    welder, said = Welder(monkeypatch, {PLAN[1]: 1}), []
    assert len(list(weld(2, said, tmp_path))) == len(PLAN)
    assert welder.calls[PLAN[1]] == 2 and len(said) == 1 and "attempt 1 of 2" in said[0]


def test_a_weld_that_fails_again_loses_no_other_and_is_named_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    welder, done, said = Welder(monkeypatch, {PLAN[0]: 9}), [], []
    with pytest.raises(InputError, match=r"1 of 4 were not completed \(402 seed 1\)"):
        for figures in weld(2, said, tmp_path):
            done.append(figures)
    assert len(done) == 3 and welder.calls[PLAN[0]] == 2 and len(said) == 2


def test_who_stops_asking_ends_what_is_under_way_and_begins_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    welder, said = Welder(monkeypatch), []
    welds = weld(2, said, tmp_path)
    next(welds)
    welder.hold.clear()
    assert until(lambda: len(welder.now) == 2)
    begun = sum(welder.calls.values())
    welds.close()  # as an interrupt does
    assert not welder.now and sum(welder.calls.values()) == begun and not said


def test_shared_memory_has_to_do_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = transport.SHARED_MEMORY_NEEDED
    monkeypatch.setattr(transport.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2 * needed}))
    assert transport.environment_for(2, {})["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    with pytest.raises(InputError, match="--jobs 3"):
        transport.environment_for(3, {})
    monkeypatch.setattr(transport.shutil, "disk_usage", lambda _: type("Usage", (), {"free": needed // 2}))
    assert transport.environment_for(9, {}) == {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, "over UDP"


STARTER = """
import signal, sys
from pathlib import Path
from msstan_core.closed_loop.tasks import Task
from msstan_core.resources import default_model_dir
from msstan_ros.live_study import welded_live

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell begins in the background
plan = [Task(402, 1, "live"), Task(506, 1, "live"), Task(402, 2, "live")]
try:
    list(welded_live(plan, 2, 0.5, default_model_dir(), Path(sys.argv[1]), print))
except KeyboardInterrupt:
    sys.exit(130)
"""


def children(pid: int) -> set[int]:
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has its own
        found.update(map(int, file.read_text().split()))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_node_outlives_the_study(number: signal.Signals, model_dir: Path, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], start_new_session=True, env={**os.environ}
    )
    nodes: set[int] = set()
    try:
        assert until(lambda: len(children(starter.pid)) == 6, 120), "two welds of three processes"
        nodes = children(starter.pid)
        starter.send_signal(number)
        assert starter.wait(60) == (130 if number == signal.SIGINT else -number)
        assert until(lambda: not any(map(alive, nodes)), 60)
    finally:
        starter.kill()
        starter.wait()
        for node in filter(alive, nodes):
            os.kill(node, signal.SIGKILL)
