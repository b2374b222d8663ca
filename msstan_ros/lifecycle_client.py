"""Drives a managed node from outside: configure, activate, as ``ros2 lifecycle`` would."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from msstan_core.errors import InputError
from msstan_ros.node_thread import own_context

#: Loading a model and its first inference fit in here, s.
TRANSITION_TIMEOUT_S = 60.0
#: A process that imports, registers and is discovered fits in here even on a machine that is busy with other work, s.
APPEARANCE_TIMEOUT_S = 120.0
#: A participant that has not discovered the node by then is replaced by a new one, s: it was seen that two processes
#: which both live never hear of each other, presumably by what a killed one left in the shared memory of Fast DDS.
PARTICIPANT_PATIENCE_S = 30.0
#: An answer that has not come by then is asked for again, s.
ANSWER_TIMEOUT_S = 3.0
#: How often to look whether the process is still there, s.
POLL_S = 0.1
#: A node that runs is discovered in this time, s.
SEARCH_S = 1.0
#: A node that runs answers in this time, s; it is asked again meanwhile, as the first request may be lost.
LIFE_SIGN_S, ASK_AGAIN_S = 1.0, 0.3


@contextmanager
def _own_node(purpose: str, domain: int | None) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node in an rclpy context of its own, for any thread and beside any other use of rclpy."""
    context = own_context(domain)
    node = rclpy.create_node(f"{purpose}_{time.monotonic_ns()}", context=context, enable_rosout=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown(timeout_sec=1.0)
        node.destroy_node()
        context.try_shutdown()


def refuse_running(node_names: Collection[str], domain: int | None = None) -> None:
    """Look for managed nodes that run already, before others of their names start. Takes :data:`SEARCH_S`.

    They are only asked for their state: no transition is ever sent to a stranger. One that does not answer is what is
    left of a process that was killed, and in nobody's way.

    Args:
        node_names: fully qualified, e.g. ``/cell_1/weld_monitor``.
        domain: ROS domain; None: that of ``ROS_DOMAIN_ID``.

    Raises:
        InputError: when one of them runs.
    """
    if not node_names:
        return
    with _own_node("search", domain) as (node, executor):
        clients = {name: node.create_client(GetState, f"{name}/get_state") for name in node_names}
        running = _first_to_answer(clients, executor)
    if running:
        where = domain if domain is not None else os.environ.get("ROS_DOMAIN_ID") or "0"
        raise InputError(running, f"runs already in ROS domain {where}", "end it, or give namespace:=...")


def _first_to_answer(clients: dict[str, Client], executor: SingleThreadedExecutor) -> str:
    """Name of a node that says in which state it is; "" when none does."""
    answers: list[tuple[str, Future]] = []
    ask_next = time.monotonic()
    until = ask_next + SEARCH_S
    while time.monotonic() < until:
        executor.spin_once(timeout_sec=POLL_S)
        for name, answer in answers:
            if answer.done():
                return name
        there = [name for name, client in clients.items() if client.service_is_ready()]
        if there and time.monotonic() >= ask_next:
            if not answers:
                until = time.monotonic() + LIFE_SIGN_S
            answers += [(name, clients[name].call_async(GetState.Request())) for name in there]
            ask_next = time.monotonic() + ASK_AGAIN_S
    return ""


def bring_up(node_name: str, still_runs: Callable[[], bool], domain: int | None = None) -> None:
    """Configure and activate the managed node ``node_name``.

    Uses rclpy contexts of its own, so it may be called in any thread and beside any other use of rclpy.

    Args:
        node_name: fully qualified, e.g. ``/cell_1/weld_monitor``.
        still_runs: False once the node's process has ended; the call then returns at once.
        domain: ROS domain; None: that of ``ROS_DOMAIN_ID``.

    Raises:
        InputError: when the node does not appear, or refuses a transition.
    """
    gives_up = time.monotonic() + APPEARANCE_TIMEOUT_S
    while still_runs():
        with _own_node("bring_up", domain) as (node, executor):
            managed = _ManagedNode(node_name, node, executor, still_runs)
            if managed.appears(min(gives_up, time.monotonic() + PARTICIPANT_PATIENCE_S)):
                managed.make(Transition.TRANSITION_CONFIGURE, "configure", State.PRIMARY_STATE_INACTIVE)
                managed.make(Transition.TRANSITION_ACTIVATE, "activate", State.PRIMARY_STATE_ACTIVE)
                return
        if time.monotonic() > gives_up:
            raise InputError(node_name, "the node does not appear", "see its output above; is ROS_DOMAIN_ID the same?")


class _ManagedNode:
    """The services of a managed node. Every call returns early once ``still_runs`` is false."""

    def __init__(
        self, name: str, client_node: Node, executor: SingleThreadedExecutor, still_runs: Callable[[], bool]
    ) -> None:
        self._name, self._executor, self._still_runs = name, executor, still_runs
        self._change = client_node.create_client(ChangeState, f"{name}/change_state")
        self._look = client_node.create_client(GetState, f"{name}/get_state")

    def appears(self, until: float) -> bool:
        """Whether its services are discovered before ``until`` (steady clock, s)."""
        while not (self._change.service_is_ready() and self._look.service_is_ready()):
            if time.monotonic() > until or not self._still_runs():
                return False
            self._executor.spin_once(timeout_sec=POLL_S)
        return True

    def make(self, transition: int, name: str, goal: int) -> None:
        """Make a transition, ``name`` for people, that leads to the state ``goal``.

        Raises:
            InputError: when the node refuses.
        """
        answer = state = None
        until = time.monotonic() + TRANSITION_TIMEOUT_S
        while time.monotonic() < until and self._still_runs():
            # A request may be lost while the two ends still discover each other, though the service is said to be
            # ready. Asking again is harmless: the node refuses a transition that it has already made.
            if answer is None:
                answer = self._ask(self._change, ChangeState.Request(transition=Transition(id=transition)))
            state = self._ask(self._look, GetState.Request())
            if state is not None and (state.current_state.id == goal or answer is not None):
                break
        if self._still_runs() and (state is None or state.current_state.id != goal):
            reached = f", it is {state.current_state.label}" if state is not None else ""
            raise InputError(
                self._name,
                f"did not {name}{reached}",
                "the reason is in its output above; does one of that name run already?",
            )

    def _ask(self, client: Client, request: object) -> Any:
        future = client.call_async(request)
        until = time.monotonic() + ANSWER_TIMEOUT_S
        while not future.done() and time.monotonic() < until and self._still_runs():
            self._executor.spin_once(timeout_sec=POLL_S)
        return future.result() if future.done() else None
