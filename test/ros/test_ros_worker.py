import threading
import time

import pytest
from live import decision_for, until

from msstan_core.decision.result import Decision
from msstan_core.errors import InputError
from msstan_core.observation import Tick
from msstan_ros.worker import InferenceWorker


class Queue:
    """Ticks that are due, newest last; the worker asks for them like it asks the aligner."""

    def __init__(self, *ticks: Tick) -> None:
        self.ticks = list(ticks)

    def __call__(self) -> Tick | None:
        return self.ticks.pop(0) if self.ticks else None


def test_every_due_tick_is_answered_in_order_and_away_from_the_caller() -> None:
    delivered: list[int] = []
    threads: set[int] = set()

    def deliver(tick: Tick, decision: Decision) -> None:
        delivered.append(decision.stamp_ns)
        threads.add(threading.get_ident())

    worker = InferenceWorker(Queue(*(Tick(i, 100 + i) for i in range(5))), decision_for, deliver, failed=print)
    worker.start()
    worker.notify()
    assert until(lambda: len(delivered) == 5)
    assert delivered == [100, 101, 102, 103, 104]
    assert threading.get_ident() not in threads
    assert worker.stop()


def test_a_failing_tick_is_counted_and_the_next_one_answered() -> None:
    delivered, failures, recovered = [], [], []

    def step(tick: Tick) -> Decision:
        if tick.index == 1:
            raise RuntimeError("graph broke")
        return decision_for(tick)

    worker = InferenceWorker(
        Queue(Tick(0, 0), Tick(1, 1)),
        step,
        lambda tick, _: delivered.append(tick.index),
        failures.append,
        lambda: recovered.append(True),
    )
    worker.start()
    assert until(lambda: worker.status.failures == 1)
    assert "graph broke" in worker.status.last_failure
    assert recovered and len(failures) == 1
    worker.poll.ticks.append(Tick(2, 2))  # type: ignore[attr-defined]
    worker.notify()
    assert until(lambda: delivered == [0, 2])
    assert worker.status.last_failure == ""
    assert worker.stop()


def test_nothing_runs_between_two_steps() -> None:
    running = threading.Event()
    queue = Queue(*(Tick(i, i) for i in range(1000)))

    def step(tick: Tick) -> Decision:
        running.set()
        time.sleep(0.002)
        running.clear()
        return decision_for(tick)

    worker = InferenceWorker(queue, step, lambda *_: None, failed=print)
    worker.start()
    assert until(lambda: worker.status.decisions > 3)
    seen = []

    def look() -> None:
        before = worker.status.decisions
        time.sleep(0.02)
        seen.append((running.is_set(), worker.status.decisions - before))

    for _ in range(5):
        worker.between_steps(look, patience_s=20)
        time.sleep(0.01)
    assert seen == [(False, 0)] * 5
    assert worker.stop()


def test_what_fails_between_two_steps_is_said_to_who_asked_for_it() -> None:
    worker = InferenceWorker(Queue(Tick(0, 0)), decision_for, lambda *_: None, failed=print)
    worker.start()
    with pytest.raises(ZeroDivisionError):
        worker.between_steps(lambda: 1 // 0, patience_s=20)  # type: ignore[arg-type,return-value]
    worker.poll.ticks.append(Tick(1, 1))  # type: ignore[attr-defined]
    assert until(lambda: worker.status.decisions == 2)
    assert worker.stop()


def test_nothing_is_done_between_steps_once_its_patience_ended() -> None:
    release, done = threading.Event(), []

    def step(tick: Tick) -> Decision:
        release.wait(20)
        return decision_for(tick)

    worker = InferenceWorker(Queue(Tick(0, 0)), step, lambda *_: None, failed=print)
    worker.start()
    assert until(lambda: worker.status.busy_since is not None)
    with pytest.raises(InputError, match="restart the node"):
        worker.between_steps(lambda: done.append(1), patience_s=0.05)
    release.set()
    worker.between_steps(lambda: done.append(2), patience_s=20)
    assert done == [2]
    assert worker.stop()


def test_a_running_step_shows_how_long_it_takes() -> None:
    release = threading.Event()

    def step(tick: Tick) -> Decision:
        release.wait(10)
        return decision_for(tick)

    worker = InferenceWorker(Queue(Tick(0, 0)), step, lambda *_: None, failed=print)
    worker.start()
    assert until(lambda: worker.status.busy_since is not None)
    assert not worker.stop(timeout_s=0.05)
    release.set()
    assert worker.stop()
    assert worker.status.busy_since is None


def test_a_step_that_ends_after_the_stop_delivers_nothing() -> None:
    release, delivered = threading.Event(), []

    def step(tick: Tick) -> Decision:
        release.wait(10)
        return decision_for(tick)

    worker = InferenceWorker(Queue(Tick(0, 0)), step, lambda tick, _: delivered.append(tick), failed=print)
    worker.start()
    assert until(lambda: worker.status.busy_since is not None)
    assert not worker.stop(timeout_s=0.05) and worker.runs
    release.set()
    assert worker.stop() and not worker.runs
    assert delivered == [] and worker.status.decisions == 0


def test_no_failure_of_its_parts_ends_the_worker() -> None:
    delivered: list[int] = []
    due = Queue()
    polls = iter([RuntimeError("no tick"), None])

    def poll() -> Tick | None:
        if isinstance(error := next(polls, None), Exception):
            raise error
        return due()

    def step(tick: Tick) -> Decision:
        if tick.index == 0:
            raise RuntimeError("graph broke")
        return decision_for(tick)

    def cannot(_: object = None) -> None:
        raise RuntimeError("nor this")

    worker = InferenceWorker(poll, step, lambda tick, _: delivered.append(tick.index), cannot, cannot)
    worker.start()
    assert until(lambda: worker.status.failures == 1)
    assert worker.status.last_failure.startswith("RuntimeError: no tick; the state cannot be reset: RuntimeError: nor")
    due.ticks.extend([Tick(0, 0), Tick(1, 1)])
    worker.notify()
    assert until(lambda: delivered == [1])
    assert worker.runs and worker.status.failures == 2 and worker.status.last_failure == ""
    assert worker.stop()
