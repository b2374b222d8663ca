"""Drives a managed node from outside: configure, activate, as ``ros2 lifecycle`` would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor

from msstan_core.errors import InputError
from msstan_ros.node_thread import own_context

#: Loading a model and its first inference fit in here, s.
TRANSITION_TIMEOUT_S = 60.0
#: A process that imports, registers and is discovered fits in here even on a machine that is busy with other work, s.
APPEARANCE_TIMEOUT_S = 120.0
#: An answer that has not come by then is asked for again, s.
ANSWER_TIMEOUT_S = 3.0
#: How often to look whether the process is still there, s.
POLL_S = 0.1


def bring_up(node_name: str, still_runs: Callable[[], bool], domain: int | None = None) -> None:
    """Configure and activate the managed node ``node_name``.

    Uses an rclpy context of its own, so it may be called in any thread and beside any other use of rclpy.

    Args:
        node_name: fully qualified, e.g. ``/cell_1/weld_monitor``.
        still_runs: False once the node's process has ended; the call then returns at once.
        domain: ROS domain; None: that of ``ROS_DOMAIN_ID``.

    Raises:
        InputError: when the node does not appear, or refuses a transition.
    """
    context = own_context(domain)
    node = rclpy.create_node(f"bring_up_{time.monotonic_ns()}", context=context, enable_rosout=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        change = node.create_client(ChangeState, f"{node_name}/change_state")
        look = node.create_client(GetState, f"{node_name}/get_state")

        def ask(client: rclpy.client.Client, request: object, limit_s: float) -> Any:
            future = client.call_async(request)
            until = time.monotonic() + limit_s
            while not future.done() and time.monotonic() < until and still_runs():
                executor.spin_once(timeout_sec=POLL_S)
            return future.result() if future.done() else None

        until = time.monotonic() + APPEARANCE_TIMEOUT_S
        while not (change.service_is_ready() and look.service_is_ready()):
            if not still_runs():
                return
            if time.monotonic() > until:
                raise InputError(
                    node_name, "the node does not appear", "see its output above; is ROS_DOMAIN_ID the same?"
                )
            executor.spin_once(timeout_sec=POLL_S)
        for transition, name, goal in (
            (Transition.TRANSITION_CONFIGURE, "configure", State.PRIMARY_STATE_INACTIVE),
            (Transition.TRANSITION_ACTIVATE, "activate", State.PRIMARY_STATE_ACTIVE),
        ):
            answer = state = None
            until = time.monotonic() + TRANSITION_TIMEOUT_S
            while time.monotonic() < until and still_runs():
                # A request may be lost while the two ends still discover each other, though the service is said to be
                # ready. Asking again is harmless: the node refuses a transition that it has already made.
                if answer is None:
                    answer = ask(change, ChangeState.Request(transition=Transition(id=transition)), ANSWER_TIMEOUT_S)
                state = ask(look, GetState.Request(), ANSWER_TIMEOUT_S)
                if state is not None and (state.current_state.id == goal or answer is not None):
                    break
            if not still_runs():
                return
            if state is None or state.current_state.id != goal:
                reached = f", it is {state.current_state.label}" if state is not None else ""
                raise InputError(
                    node_name,
                    f"did not {name}{reached}",
                    "the reason is in its output above; does one of that name run already?",
                )
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        context.try_shutdown()
