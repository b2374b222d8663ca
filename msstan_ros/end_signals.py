"""SIGINT, SIGTERM and SIGHUP end what a node's process does, one thing after the other, while ROS still runs.

The handlers of rclpy shut the context down at once: nothing that a node says as it ends would be heard.
"""

from __future__ import annotations

import os
import signal
import threading
from enum import Enum
from types import FrameType, TracebackType
from typing import Any, Self

from rclpy.executors import Executor
from rclpy.node import Node

#: The last one comes when the terminal closes in which the node was started; nohup has it ignored, and stays ignored.
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Written to the pipe beside the signals' own numbers: nobody waits for signals any more.
_NO_MORE = b"\0"


class _Phase(Enum):
    MAKING = "an interrupt ends what runs"
    SPINNING = "the first signal ends the spin after the running callback, another one interrupts that"
    CLOSING = "the node ends already"


class EndSignals:
    """Context manager around a node's life, for the main thread; in another thread it changes nothing.

    Until :meth:`spin` a signal raises KeyboardInterrupt; during it, it ends it; after it, it is ignored.
    """

    def __init__(self) -> None:
        self._phase = _Phase.MAKING
        self._told = threading.Event()
        self._executor: Executor | None = None
        self._is_main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if not self._is_main:
            return self
        heeded = (n for n in _NUMBERS if n is not signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN)
        self._before: dict[int, Any] = {number: signal.signal(number, self._handle) for number in heeded}
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._fd_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._waker = threading.Thread(target=self._wake, args=(reading,), name="end signals", daemon=True)
        self._waker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_main:
            return
        signal.set_wakeup_fd(self._fd_before)
        os.write(self._writing, _NO_MORE)
        self._waker.join()
        os.close(self._writing)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def spin(self, executor: Executor, node: Node) -> None:
        """Spin the node until a signal comes or the executor's context is shut down.

        Raises:
            KeyboardInterrupt: at a second signal, while a callback does not end.
            ExternalShutdownException: when the context is shut down during a wait.
        """
        self._executor, self._phase = executor, _Phase.SPINNING
        try:
            executor.add_node(node)
            while executor.context.ok() and not self._told.is_set():
                executor.spin_once()
        finally:
            self._phase = _Phase.CLOSING

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Python calls it in the main thread, between two steps of the interpreter: not while rcl waits."""
        if self._phase is _Phase.CLOSING:
            return
        if self._phase is _Phase.MAKING or self._told.is_set():
            raise KeyboardInterrupt
        self._told.set()

    def _wake(self, reading: int) -> None:
        """End the executor's wait at every signal, so that its handler is called."""
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            while pipe.read(1) != _NO_MORE:
                if self._executor is not None and self._phase is _Phase.SPINNING:
                    # As a task: an executor that is only woken looks at its nodes and goes on waiting.
                    self._executor.create_task(lambda: None)
