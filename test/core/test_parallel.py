"""The same work in one process and in several."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from itertools import count, islice
from pathlib import Path

import pytest

from msstan_core.parallel import in_order

_FACTOR: list[int] = []


def prepare(factor: int) -> None:
    _FACTOR[:] = [factor]


def scaled(number: int) -> int:
    return number * _FACTOR[0]


def process_of(number: int) -> int:
    return os.getpid()


def refused(number: int) -> int:
    raise ValueError(f"no {number}")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("items", [0, 1, 4, 9])
def test_results_come_in_the_order_of_the_items(jobs: int, items: int) -> None:
    assert list(in_order(scaled, range(items), jobs, prepare, (3,))) == [3 * i for i in range(items)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_endless_items_are_taken_as_they_are_needed(jobs: int) -> None:
    taken = []

    def items():
        for number in count():
            taken.append(number)
            yield number

    assert list(islice(in_order(scaled, items(), jobs, prepare, (1,)), 3)) == [0, 1, 2]
    assert len(taken) <= 3 + 2 * jobs


def test_one_job_is_no_other_process() -> None:
    assert set(in_order(process_of, range(3), 1, prepare, (1,))) == {os.getpid()}
    assert os.getpid() not in set(in_order(process_of, range(3), 2, prepare, (1,)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_reaches_the_caller(jobs: int) -> None:
    with pytest.raises(ValueError, match="no 0"):
        next(in_order(refused, range(3), jobs, prepare, (1,)))


STARTER = """
import sys, time
from pathlib import Path
from msstan_core.parallel import in_order

def prepare():
    pass

def work(number):
    Path(sys.argv[1], str(number)).write_text(str(__import__("os").getpid()))
    time.sleep(0.1 if number < 2 else 120)

for _ in in_order(work, range(9), 2, prepare):
    pass
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_calling_one(number: signal.Signals, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while not all((tmp_path / str(n)).exists() and (tmp_path / str(n)).read_text() for n in range(4)):
            assert time.monotonic() < until
            time.sleep(0.05)
        if number == signal.SIGKILL:
            starter.kill()
        else:
            os.killpg(starter.pid, number)  # as a terminal does it
        starter.wait(30)
        workers = {int(file.read_text()) for file in tmp_path.iterdir()}
        while any(alive(pid) for pid in workers):
            assert time.monotonic() < until, "a process goes on working, or waits for ever"
            time.sleep(0.05)
        assert not (tmp_path / "4").exists(), "nothing new is begun"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(starter.pid, signal.SIGKILL)
