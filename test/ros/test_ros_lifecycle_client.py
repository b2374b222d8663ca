"""Managed nodes from outside: brought up, and a second system of one name refused before it starts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from live import Spinner, until
from rclpy.lifecycle import TransitionCallbackReturn

from msstan_core.errors import InputError
from msstan_ros import lifecycle_client
from msstan_ros.advisory_gate_node import AdvisoryGateNode
from msstan_ros.lifecycle_client import LIFE_SIGN_S, SEARCH_S, bring_up, refuse_running
from msstan_ros.node_description import NodeSpec
from msstan_ros.supervision import Supervisor

GATE = NodeSpec("advisory_gate", "advisory_gate_node", lifecycle=True)
#: For contexts that start and end on a busy machine, s.
AROUND_S = 1.0


def test_a_second_system_is_refused_and_the_first_one_left_as_a_person_set_it(spinner: Spinner) -> None:
    gate = spinner.add(AdvisoryGateNode(context=spinner.context))
    assert spinner.run(gate.trigger_configure) == TransitionCallbackReturn.SUCCESS
    said: list[str] = []
    with Supervisor((GATE,), said.append) as second:
        with pytest.raises(InputError, match=r"/advisory_gate: runs already in ROS domain .*namespace:="):
            second.start()
        assert second.poll() is None and not second._running
    assert gate._state_machine.current_state[0] == State.PRIMARY_STATE_INACTIVE
    refuse_running(["/cell_2/advisory_gate"])  # another namespace


def test_where_nobody_runs_the_search_is_short() -> None:
    began = time.monotonic()
    refuse_running([])
    assert time.monotonic() - began < 0.1
    refuse_running(["/weld_monitor", "/advisory_gate"])
    assert time.monotonic() - began < SEARCH_S + AROUND_S


def test_what_is_left_of_a_killed_node_is_in_nobodys_way(spinner: Spinner) -> None:
    ghost = spinner.peer("advisory_gate")
    ghost.create_service(GetState, "advisory_gate/get_state", lambda *_: pytest.fail("it is dead"))
    watcher = spinner.peer("watcher")
    assert until(lambda: dict(watcher.get_service_names_and_types()).get("/advisory_gate/get_state"))
    spinner.executor.remove_node(ghost)  # it is seen, and nobody is there who answers
    began = time.monotonic()
    refuse_running(["/advisory_gate"])
    assert LIFE_SIGN_S <= time.monotonic() - began < SEARCH_S + LIFE_SIGN_S + AROUND_S


def test_a_participant_that_discovers_nobody_is_replaced(spinner: Spinner, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = spinner.add(AdvisoryGateNode(context=spinner.context))
    own_node, domains = lifecycle_client._own_node, []

    @contextmanager
    def deaf_at_first(purpose: str, domain: int | None) -> Iterator[object]:
        domains.append(domain if domains else 101)  # where nobody is
        with own_node(purpose, domains[-1]) as made:
            yield made

    monkeypatch.setattr(lifecycle_client, "_own_node", deaf_at_first)
    monkeypatch.setattr(lifecycle_client, "PARTICIPANT_PATIENCE_S", 0.5)
    bring_up("/advisory_gate", lambda: True)
    assert domains[0] == 101 and set(domains[1:]) == {None}
    assert gate._state_machine.current_state[0] == State.PRIMARY_STATE_ACTIVE


def test_a_node_that_does_not_appear_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle_client, "APPEARANCE_TIMEOUT_S", 0.6)
    monkeypatch.setattr(lifecycle_client, "PARTICIPANT_PATIENCE_S", 0.2)
    with pytest.raises(InputError, match="/nobody: the node does not appear"):
        bring_up("/nobody", lambda: True)
    bring_up("/nobody", lambda: False)  # its process has ended, which is said elsewhere
