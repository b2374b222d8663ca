"""What services have in common: work that takes its time in a thread of its own, and no failure that ends the node."""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from rclpy.node import Node
from rclpy.task import Future

Result = TypeVar("Result")


def answered(node: Node, service: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    """A service of ``node`` whose unforeseen failure is its answer: raised in the executor it would end the node.

    Args:
        node: owner. service: callback; its response has ``success`` and ``message``.
    """

    @functools.wraps(service)  # as a method's, so that rclpy sees a coroutine
    async def answer(request: Any, response: Any) -> Any:
        try:
            return await service(request, response)
        except Exception as error:
            node.get_logger().error(traceback.format_exc())
            response.success, response.message = False, f"failed: {type(error).__name__}: {error}; see the node's log"
            return response

    return answer


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
