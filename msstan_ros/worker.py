"""Inference runs here, in a thread of its own, so that the executor always answers and always takes new samples."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

from msstan_core.decision.result import Decision
from msstan_core.errors import InputError
from msstan_core.observation import Tick

#: How often the worker looks for a tick that no sample announced (the aligner's own timer), s.
IDLE_POLL_S = 0.05


@dataclass(slots=True)
class WorkerStatus:
    """What the heartbeat needs to know of the worker."""

    decisions: int = 0
    failures: int = 0
    last_failure: str = ""  #: empty again after the next success
    busy_since: float | None = None  #: ``time.monotonic()`` at which the running step began


@dataclass(slots=True)
class InferenceWorker:
    """Takes the newest due tick, runs one step, delivers the decision; repeats.

    What any of these raises is counted and reported, and does not end the worker.

    Args:
        poll: returns the next due tick or None; called only from the worker's thread.
        step: tick -> decision.
        deliver: what to do with a decision; called in the worker's thread, and not after :meth:`stop`.
        failed: told about every exception of the others.
        recover: called after a failure, e.g. to drop a half-written streaming state.
    """

    poll: Callable[[], Tick | None]
    step: Callable[[Tick], Decision]
    deliver: Callable[[Tick, Decision], None]
    failed: Callable[[Exception], None]
    recover: Callable[[], None] = lambda: None
    status: WorkerStatus = field(default_factory=WorkerStatus)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _between: queue.SimpleQueue[tuple[Future[None], Callable[[], None]]] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; a worker can be started once."""
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def runs(self) -> bool:
        """Whether the thread lives, also when it was told to stop and has not yet."""
        return self._thread is not None and self._thread.is_alive()

    def notify(self) -> None:
        """A sample came: look for a tick now."""
        self._wake.set()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End after the running step; False if that takes longer than ``timeout_s``."""
        self._stop.set()
        self._wake.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def between_steps(self, work: Callable[[], None], patience_s: float) -> None:
        """Do ``work`` in the worker's thread while no step runs: the moment to exchange or reset the model.

        Waits for it; not to be called from a thread that others wait for, nor from the worker's.

        Args:
            work: what it raises is raised here.
            patience_s: how long to wait for the running step.

        Raises:
            InputError: when the step does not end, or the worker does; ``work`` is not done then, nor later.
        """
        done: Future[None] = Future()
        self._between.put((done, work))
        self._wake.set()
        try:
            done.result(patience_s)
        except CancelledError:
            raise _ended() from None
        except TimeoutError:
            if not done.cancel():  # it began after all
                done.result()
                return
            if self._stop.is_set():
                raise _ended() from None
            raise InputError("inference", f"hangs for more than {patience_s:.1f} s", "restart the node") from None

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(IDLE_POLL_S)
            self._wake.clear()
            self._work_between()
            while not self._stop.is_set() and self._one_step():
                self._work_between()
        while not self._between.empty():
            self._between.get()[0].cancel()

    def _work_between(self) -> None:
        while not self._between.empty():
            done, work = self._between.get()
            if not done.set_running_or_notify_cancel():
                continue
            self.status.busy_since = time.monotonic()
            try:
                work()
            except BaseException as error:  # travels to the thread that waits
                done.set_exception(error)
            else:
                done.set_result(None)
            finally:
                self.status.busy_since = None

    def _one_step(self) -> bool:
        """One tick, if one is due; False when there is none, or none can be had."""
        tick = None
        try:
            if (tick := self.poll()) is None:
                return False
            self.status.busy_since = time.monotonic()
            decision = self.step(tick)
            if self._stop.is_set():  # it took longer than somebody waited: what it says is of a session that ended
                return False
            self.deliver(tick, decision)
        except Exception as error:  # a fault in one tick must not end the monitoring; it is counted and said
            self._failed_with(error)
        else:
            self.status.decisions += 1
            self.status.last_failure = ""
        finally:
            self.status.busy_since = None
        return tick is not None

    def _failed_with(self, error: Exception) -> None:
        self.status.failures += 1
        self.status.last_failure = f"{type(error).__name__}: {error}"
        try:
            self.recover()
        except Exception as another:
            self.status.last_failure += f"; the state cannot be reset: {type(another).__name__}: {another}"
        with contextlib.suppress(Exception):  # where it cannot be told: it is counted
            self.failed(error)


def _ended() -> InputError:
    return InputError("the monitor", "was deactivated meanwhile", "activate it first")
