"""The thread that learns ends when it is told to, without a word."""

from __future__ import annotations

import threading
from collections.abc import Callable

from adaptation_cell import LIKE, MOVED, Cell

from msstan_core.adaptation.learning_thread import BackgroundAdaptation


def test_closing_in_the_middle_of_learning_is_no_failure() -> None:
    cell, learning = Cell(), threading.Event()
    for _ in range(3):
        cell.label(MOVED)
        cell.label(LIKE)
    work, said = cell.adapter.work, []

    def watched(breathe: Callable[[], None]) -> str:
        def told() -> None:
            learning.set()
            thread._stop.wait(10)
            breathe()

        return work(told)

    cell.adapter.work = watched  # type: ignore[method-assign, assignment]
    thread = BackgroundAdaptation(cell.adapter, said.append, said.append)
    thread.start()
    thread.wake()
    assert learning.wait(10)
    thread.close()
    assert not thread._thread.is_alive()
    assert not said
