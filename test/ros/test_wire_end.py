"""What a node says as its process is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from live import Spinner, until
from monitor_cell import PERIOD_NS
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Float64MultiArray
from wire import REPOSITORY, node_process

from msstan_core.advisory.advice import Advice
from msstan_msgs.msg import WeldAnomaly, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advisory_message
from msstan_ros.conversions import image_message
from msstan_ros.lifecycle_client import bring_up
from msstan_ros.node_process import run_node

NAN = float("nan")
PROGRAMMED_V = 20.0
RATE_V_PER_S = 2.0
SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: A monitor that suspects pores at every tick.
MONITOR = """
import sys
from live import FakeMonitor
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_ros.node_process import run_node
from msstan_ros.weld_monitor_node import WeldMonitorNode
monitor = FakeMonitor()
monitor.events = (AnomalyEvent(1, EventPhase.ONSET, 2011, "gas pore", 0.9, 0.5, 0.5, 0, 0),)
sys.exit(run_node(lambda: WeldMonitorNode(lambda _: monitor)))
"""


def interrupt(number: signal.Signals, times: int = 1) -> None:
    def send() -> None:
        for _ in range(times):
            time.sleep(0.3)
            os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


@pytest.mark.parametrize("number", SIGNALS)
def test_ros_still_runs_while_a_node_that_was_told_to_end_closes(number: signal.Signals) -> None:
    closed: list[bool] = []

    class Closing(Node):
        def __init__(self) -> None:
            super().__init__("closing")
            interrupt(number)

        def close(self) -> None:
            os.kill(os.getpid(), number)  # impatience changes nothing
            closed.append(self.context.ok())

    handler = signal.getsignal(number)
    assert run_node(Closing, []) == 0
    assert closed == [True]
    assert signal.getsignal(number) is handler


def test_a_second_signal_interrupts_a_callback_that_does_not_end() -> None:
    seen: list[str] = []

    class Hanging(Node):
        def __init__(self) -> None:
            super().__init__("hanging")
            self.create_timer(0.0, self._hang)

        def _hang(self) -> None:
            interrupt(signal.SIGINT, times=2)
            time.sleep(60)
            seen.append("all of it")

        def close(self) -> None:
            seen.append("closed")

    assert run_node(Hanging, []) == 0
    assert seen == ["closed"]


@pytest.mark.parametrize("number", SIGNALS)
def test_open_events_are_cleared_when_the_monitor_is_told_to_end(
    number: signal.Signals, spinner: Spinner, tmp_path: Path
) -> None:
    peer, heard = spinner.peer(), []
    peer.create_subscription(WeldAnomaly, "weld/anomaly", heard.append, qos.ANOMALY)
    camera = peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
    given = ["--ros-args", "-p", f"model_dir:={tmp_path}", "-p", "modalities:=[camera]"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", MONITOR, *given], cwd=REPOSITORY, env=environment) as monitor:
        try:
            bring_up("/weld_monitor", lambda: monitor.poll() is None)
            stamp_ns, patience_ends = time.time_ns(), time.monotonic() + 60
            while not heard:
                assert monitor.poll() is None and time.monotonic() < patience_ends
                camera.publish(image_message(np.zeros((12, 16, 3), np.uint8), "bgr8", stamp_ns, "weld_camera"))
                stamp_ns += PERIOD_NS
                time.sleep(PERIOD_NS / 1e9)
            monitor.send_signal(number)
            assert monitor.wait(30) == 0
        finally:
            monitor.kill()
    assert until(lambda: heard[-1].phase == WeldAnomaly.CLEARED, 5.0)
    assert heard[-1].event_id == 1 and heard[-1].session_id == heard[0].session_id


class Gate:
    """Advises 1 V more, and hears what the follower commands."""

    def __init__(self, spinner: Spinner) -> None:
        node = spinner.peer()
        self.commands: list[tuple[float, float]] = []  #: steady clock, V
        self._out = node.create_publisher(WeldParameterAdvisory, "weld/advisory_gated", qos.ADVISORY_GATED)
        node.create_subscription(
            Float64MultiArray,
            "weld_parameter_controller/commands",
            lambda message: self.commands.append((time.monotonic(), message.data[0])),
            qos.RESULT_READER,
        )
        self._sent = 0
        node.create_timer(0.02, self._say)

    def _say(self) -> None:
        now_ns = time.time_ns()
        advice = Advice(
            stamp_ns=now_ns,
            valid_until_ns=now_ns + 250_000_000,
            session_id="gate",
            sequence_id=self._sent,
            confidence=0.8,
            deltas=(NAN, 1.0, NAN, NAN, NAN),
            minimum=(NAN, 18.0, NAN, NAN, NAN),
            maximum=(NAN, 22.0, NAN, NAN, NAN),
            max_rate=(NAN, RATE_V_PER_S, NAN, NAN, NAN),
        )
        self._out.publish(advisory_message(advice))
        self._sent += 1


def test_the_follower_leads_back_to_the_programme_at_the_stated_rate_before_it_ends(spinner: Spinner) -> None:
    gate = Gate(spinner)
    with node_process("advisory_follower_node", f"programmed.voltage_v:={PROGRAMMED_V}") as follower:
        assert until(lambda: gate.commands and gate.commands[-1][1] == PROGRAMMED_V + 1.0, 120)
        follower.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert follower.wait(30) == 0
    assert until(lambda: gate.commands[-1][1] == PROGRAMMED_V, 5.0)
    way = [(at - told, volts) for at, volts in gate.commands if at > told]
    assert way[-1][0] > 0.9 * 1.0 / RATE_V_PER_S, "faster than the stated rate"
    assert all(later <= earlier for (_, earlier), (_, later) in pairwise(way))


@pytest.mark.parametrize("heeded", [True, False])
def test_a_closed_terminal_ends_a_node_in_order_unless_it_was_told_not_to_mind(heeded: bool) -> None:
    closed: list[bool] = []

    class Closing(Node):
        def __init__(self) -> None:
            super().__init__("closing")
            interrupt(signal.SIGHUP)
            self.create_timer(1.0, self.context.try_shutdown)

        def close(self) -> None:
            closed.append(self.context.ok())

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL if heeded else signal.SIG_IGN)
    try:
        assert run_node(Closing, []) == 0
        assert closed == [heeded], "the context still runs where the signal came first"
        assert signal.getsignal(signal.SIGHUP) is (signal.SIG_DFL if heeded else signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGHUP, before)
