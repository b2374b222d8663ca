"""A domain for oneself: nobody on this machine is in it, and nobody else gets it."""

import math
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
import rclpy
from live import Spinner, until

from msstan_core.errors import InputError
from msstan_msgs.msg import WeldContext
from msstan_ros import own_domain as module
from msstan_ros import qos
from msstan_ros.node_description import NodeSpec
from msstan_ros.node_thread import BackgroundNode
from msstan_ros.own_domain import DOMAINS, FIRST_PORT, PORTS_PER_DOMAIN, own_domain
from msstan_ros.supervision import Supervisor


class Listener(BackgroundNode):
    def __init__(self, domain: int | None = None) -> None:
        super().__init__("listener", domain=domain)
        self.heard: list[WeldContext] = []
        self.node.create_subscription(WeldContext, "weld/context", self.heard.append, qos.CONTEXT)


def test_the_ports_of_all_domains_lie_below_those_of_outgoing_connections() -> None:
    assert FIRST_PORT + PORTS_PER_DOMAIN * (DOMAINS[-1] + 1) <= 32768 and 0 not in DOMAINS


def test_two_at_once_get_different_ones_and_a_released_one_comes_again() -> None:
    with own_domain() as first:
        with own_domain() as second:
            assert first != second
        with own_domain() as third:
            assert third == second


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
def test_a_domain_in_which_somebody_is_already_is_not_taken(reach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", reach)  # other ports are listened at
    with own_domain() as free:
        pass
    monkeypatch.setattr(module, "DOMAINS", range(free, free + 1))
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=free, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node("somebody", context=context, enable_rosout=False)
        with pytest.raises(InputError, match="in use"), own_domain():
            pass
        node.destroy_node()
    finally:
        context.try_shutdown()


def test_no_domain_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as held:
        for domain in (3, 4):
            shared = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as participants share it
            shared.bind(("", FIRST_PORT + PORTS_PER_DOMAIN * domain))
        monkeypatch.setattr(module, "DOMAINS", range(3, 5))
        with pytest.raises(InputError, match="in use"), own_domain():
            pass


def test_what_is_said_in_one_domain_is_not_heard_in_another(spinner: Spinner) -> None:
    jobs = spinner.peer().create_publisher(WeldContext, "weld/context", qos.CONTEXT)
    with own_domain() as domain, Listener(domain) as apart, Listener() as here:
        assert until(lambda: jobs.get_subscription_count() == 1)
        jobs.publish(WeldContext(thickness_a_m=math.nan, thickness_b_m=math.nan))
        assert until(lambda: here.heard)
        assert not apart.heard and jobs.get_subscription_count() == 1


def test_processes_are_started_and_brought_up_in_the_domain() -> None:
    said: list[str] = []
    gate = NodeSpec("advisory_gate", "advisory_gate_node", lifecycle=True)
    with own_domain() as domain, Supervisor((gate,), said.append, domain) as nodes:
        nodes.start()  # returns when it is active, and raises where it does not appear
        assert f"ROS_DOMAIN_ID={domain}" in Path(f"/proc/{nodes.process_id('advisory_gate')}/environ").read_text()


def test_a_domain_that_is_none_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "abc")
    with pytest.raises(InputError, match=r"ROS: cannot be started .*; check ROS_DOMAIN_ID") as error:
        Listener()
    assert "\n" not in str(error.value)
