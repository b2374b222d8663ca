"""The welds of the closed-loop study over DDS: several at once, each in a ROS domain of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.tasks import Task
from msstan_core.errors import InputError
from msstan_core.simulation.revision import files_sha256
from msstan_ros.live_weld import weld_live
from msstan_ros.own_domain import own_domain

#: A weld that fails is begun anew this often: a busy machine may miss a time limit once.
ATTEMPTS = 2


def nodes_sha256() -> str:
    """Hash of the nodes' source files: with it, a weld over DDS is one of this revision."""
    return files_sha256(Path(__file__).parent.glob("*.py"))


def welded_live(
    plan: Sequence[Task],
    jobs: int,
    rate: float,
    model: Path,
    log: Path,
    said: Callable[[str], None],
) -> Iterator[WeldFigures]:
    """Weld over DDS, ``jobs`` at a time, which hear neither each other nor anybody else on this machine.

    The threads of this process only listen: what works are the nodes, processes that end with this one however it ends.

    Args:
        plan: what to weld. jobs: at once.
        rate: pace of the cell, not 1. model: folder of the monitor's model. log: folder for the nodes' output.
        said: told of every attempt that failed; called from several threads.

    Yields:
        Figures as the welds are done, which is not quite the order of ``plan``.

    Raises:
        InputError: at the end, when welds have failed twice.
    """
    interrupted, failed = threading.Event(), []

    def weld(task: Task) -> WeldFigures | None:
        for attempt in range(1, ATTEMPTS + 1):
            if interrupted.is_set():
                break
            try:
                with own_domain() as domain:
                    return weld_live(task, rate, model, log, domain, interrupted)
            except (InputError, RuntimeError) as error:  # rclpy's errors are RuntimeErrors
                if not interrupted.is_set():
                    said(f"{error} (attempt {attempt} of {ATTEMPTS})")
        return None

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="weld")
    try:
        tasks = {pool.submit(weld, task): task for task in plan}
        for future in as_completed(tasks):
            figures = future.result()
            if figures is None:
                failed.append(tasks[future])
            else:
                yield figures
    finally:
        interrupted.set()
        pool.shutdown(wait=True, cancel_futures=True)
    if failed:
        named = ", ".join(f"{task.imperfection} seed {task.seed}" for task in failed)
        raise InputError(
            "welds over DDS",
            f"{len(failed)} of {len(plan)} were not completed ({named}); the others are kept",
            f"read what their nodes say in {log}, then give the same command again",
        )
