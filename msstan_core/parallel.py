"""The same work on many items in several processes, results in the order of the items."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    prepare: Callable[..., None],
    prepared_with: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """Do ``work`` on each item, ``jobs`` at a time; ``items`` may be endless, few are taken before they are needed.

    Args:
        work: a function of a module, as its processes import it. items: to work on.
        jobs: processes; 1: the calling one, without any other.
        prepare: called once in each process, with ``prepared_with``, before its first work.

    Yields:
        Results in the order of the items. What is under way when no more are asked for is finished, its results lost.
        An interrupt from the terminal ends the processes at once, and so does the end of the calling one.
    """
    if jobs == 1:
        prepare(*prepared_with)
        yield from map(work, items)
        return
    pool = ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(prepare, prepared_with))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare(prepare: Callable[..., None], prepared_with: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # else an interrupt is one item's error, and the next one is begun
    threading.Thread(target=_end_with_starter, name="lifeline", daemon=True).start()
    prepare(*prepared_with)


def _end_with_starter() -> None:
    """A process of the pool would wait for its next item for ever once the calling one is killed."""
    starter = multiprocessing.parent_process()
    assert starter is not None
    starter.join()
    os._exit(1)
