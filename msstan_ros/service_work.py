"""Work of a service that takes its time: in a thread of its own, while the executor goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from rclpy.node import Node
from rclpy.task import Future

Result = TypeVar("Result")


async def elsewhere(node: Node, work: Callable[[], Result]) -> Result:
    """Await ``work`` in a thread of its own; for a service callback of ``node``. What it raises is raised here.

    The service must outlive the wait: rclpy sends the answer through it.
    """
    future: Future = Future(executor=node.executor)

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # travels to the awaiting service callback
            future.set_exception(error)
        if node.executor is not None:
            node.executor.wake()

    threading.Thread(target=run, name="service work", daemon=True).start()
    result: Result = await future
    return result
