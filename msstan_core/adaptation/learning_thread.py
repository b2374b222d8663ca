"""The thread that learns: away from the answering path, and polite to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from msstan_core.adaptation.adapter import Adapter
from msstan_core.errors import InputError

#: Between two steps of learning the interpreter is free for this long, s: a tick never waits for more than one step.
BREATH_S = 0.002


class BackgroundAdaptation:
    """Calls :meth:`Adapter.work` every ``watch_period_s``, and at once after :meth:`wake`.

    Args:
        adapter: of the model in use.
        changed: told of every change in words; called in this thread.
        failed: told of every failure; the thread goes on.
    """

    def __init__(self, adapter: Adapter, changed: Callable[[str], None], failed: Callable[[Exception], None]) -> None:
        self._adapter, self._changed, self._failed = adapter, changed, failed
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="adaptation", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new."""
        self._wake.set()

    def close(self, timeout_s: float = 5.0) -> None:
        """End after the step under way."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._adapter.settings.watch_period_s)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                if change := self._adapter.work(self._breathe):
                    self._changed(change)
            except _Ended:
                return
            except InputError as error:  # a full disk: the head in use stays, the next round tries again
                self._failed(error)
            except Exception as error:  # a fault in learning must not end the watch over the head in use
                self._failed(error)

    def _breathe(self) -> None:
        if self._stop.is_set():
            raise _Ended
        time.sleep(BREATH_S)


class _Ended(Exception):
    """The thread is asked to end in mid-learning."""
