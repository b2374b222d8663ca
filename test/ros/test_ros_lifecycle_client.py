"""A second system of one name in one domain is refused before it starts, and the first one is left as it is."""

import time

import pytest
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from live import Spinner, until
from rclpy.lifecycle import TransitionCallbackReturn

from msstan_core.errors import InputError
from msstan_ros.advisory_gate_node import AdvisoryGateNode
from msstan_ros.lifecycle_client import LIFE_SIGN_S, SEARCH_S, refuse_running
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
