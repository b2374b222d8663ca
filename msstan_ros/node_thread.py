"""A node that listens beside whatever else the process does: a context, an executor and a thread of its own."""

from __future__ import annotations

import atexit
import threading
from types import TracebackType
from typing import Self

import rclpy
from rclpy.executors import SingleThreadedExecutor

from msstan_core.errors import InputError


def own_context(domain: int | None = None) -> rclpy.Context:
    """A context beside any other use of rclpy in this process, which leaves signals alone.

    Args:
        domain: ROS domain; None: that of ``ROS_DOMAIN_ID``.

    Raises:
        InputError: when ROS cannot be started: a wrong ``ROS_DOMAIN_ID``, or an RMW that is not installed.
    """
    context = rclpy.Context()
    try:
        rclpy.init(args=[], context=context, domain_id=domain, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    except RuntimeError as error:  # rcl has no type of its own for this
        reason = " ".join(str(error).split())
        raise InputError("ROS", f"cannot be started ({reason})", "check ROS_DOMAIN_ID and RMW_IMPLEMENTATION") from None
    return context


class BackgroundNode:
    """To be derived from: subscribe on :attr:`node` in the constructor, use it as a context manager.

    Callbacks run in the thread between enter and exit, and end soon. No other use of rclpy in the process is touched,
    and signals are left alone.

    Args:
        name: of the node.
        namespace: of the node; "" for none.
        domain: ROS domain; None: that of ``ROS_DOMAIN_ID``.
    """

    def __init__(self, name: str, namespace: str = "", domain: int | None = None) -> None:
        self._context = own_context(domain)
        self.node = rclpy.create_node(name, namespace=namespace, context=self._context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)

    def __enter__(self) -> Self:
        # An interrupt may come where no exit follows, or during the exit: the interpreter waits for the thread then.
        # One that is still in rclpy when the interpreter ends aborts the process.
        atexit.register(self._end_thread)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_thread()
        atexit.unregister(self._end_thread)
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()  # else its subscriptions stay as long as the process
        self._context.try_shutdown()

    def _end_thread(self) -> None:
        """Wait until the thread has ended; may be called again."""
        if self._thread.is_alive():
            # As a task: an executor that is only woken looks at its nodes and goes on waiting.
            self._executor.create_task(self._ended.set)
            self._thread.join()

    def _spin(self) -> None:
        while not self._ended.is_set():
            self._executor.spin_once()
