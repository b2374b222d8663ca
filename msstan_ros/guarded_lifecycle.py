"""Two things that rclpy's lifecycle node leaves undone: surviving a transition that is not possible, and saying why one
failed.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.service import Service

Node = TypeVar("Node", bound=LifecycleNode)
Transition = Callable[[Node, LifecycleState], TransitionCallbackReturn]


def said(transition: Transition[Node]) -> Transition[Node]:
    """Log what a transition callback raises; rclpy turns it into an error state without a word."""

    @functools.wraps(transition)
    def call(node: Node, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().fatal(f"{transition.__name__} failed:\n{traceback.format_exc()}")
            raise

    return call


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Answer a request for a transition that the present state does not have with "no".

    In rclpy 7 such a request (``configure`` sent twice, say) raises in the executor and ends the process.
    """
    service: Service = node._service_change_state
    change_state = service.callback

    def guarded(request: ChangeState.Request, response: ChangeState.Response) -> Any:
        possible = {number: label for number, label, *_ in node._state_machine.available_transitions}
        wanted = request.transition
        if wanted.label not in possible.values() if wanted.label else wanted.id not in possible:
            _, state = node._state_machine.current_state
            name = wanted.label or f"number {wanted.id}"
            node.get_logger().warning(
                f"transition {name} refused: not possible while {state}; possible: {', '.join(possible.values())}"
            )
            response.success = False
            return response
        return change_state(request, response)

    service.callback = guarded
