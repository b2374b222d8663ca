"""What rclpy's lifecycle node leaves undone: surviving a transition that is not possible, saying why one failed,
and one way back from every state.
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


class GuardedLifecycleNode(LifecycleNode):
    """A managed node that survives impossible and failing transitions, and goes back the same way from every state.

    Derived classes say what to do in ``on_configure`` and ``on_activate`` (decorated with :func:`said`), and undo it in
    :meth:`stop` and :meth:`release`.

    Args:
        name: of the node.
        arguments: passed on to rclpy's node (parameter overrides, context, ...).
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(name, **arguments)
        refuse_impossible_transitions(self)

    def stop(self) -> None:
        """Undo ``on_activate``; may be called again, and from any state."""
        raise NotImplementedError

    def release(self) -> None:
        """Undo both; may be called again, and from any state."""
        raise NotImplementedError

    @said
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop; what was configured stays."""
        self.stop()
        return super().on_deactivate(state)

    @said
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget what was configured, and the parameters' values in use."""
        self.release()
        return super().on_cleanup(state)

    @said
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop everything, from any state."""
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition failed in a way nobody foresaw: back to unconfigured, ready for another try."""
        self.get_logger().error("a transition failed, see above; the node is unconfigured now")
        self.release()
        return TransitionCallbackReturn.SUCCESS
