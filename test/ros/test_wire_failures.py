"""Monitor, gate and robot as processes on one simulated clock, which the test moves on cycle by cycle: how long the way
back takes does not depend on how busy the machine is.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from live import Spinner, until
from played_monitor import PlayedMonitor
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Float64MultiArray
from wire import node_process

from msstan_core.advisory.advisor import AdvisorConfig
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.wps_files import WPS_FOLDER, load_wps
from msstan_core.closed_loop.failures import SLACK_S
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.resources import share_path
from msstan_msgs.msg import WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.conversions import stamp_message, stamp_nanoseconds
from msstan_ros.lifecycle_client import bring_up

pytestmark = [pytest.mark.wire, pytest.mark.slow]

LAP = load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml"))
PROGRAMMED = [20.0, 0.008]  #: V, m/s
BACK_S = Envelope(LAP).return_time_s + SLACK_S
CYCLE_S = 0.02
START_S = 1000.0
#: Simulated time in which processes find each other, s.
PATIENCE_S = 60.0


class Clockwork:
    """Tells the time, and listens to gate and robot."""

    def __init__(self, spinner: Spinner) -> None:
        node = spinner.peer("clockwork")
        self.gate_appeared = lambda: "advisory_gate" in node.get_node_names()
        self.now_s = START_S
        self.gated: list[WeldParameterAdvisory] = []
        self.commands: list[Float64MultiArray] = []
        self._clock = node.create_publisher(Clock, "/clock", qos.CLOCK)
        node.create_subscription(WeldParameterAdvisory, "weld/advisory_gated", self.gated.append, qos.ADVISORY_GATED)
        node.create_subscription(
            Float64MultiArray, "weld_parameter_controller/commands", self.commands.append, qos.RESULT_READER
        )

    @property
    def setpoints(self) -> list[float]:
        """As the robot last commanded them: V, m/s."""
        return list(self.commands[-1].data) if self.commands else []

    def cycle(self) -> None:
        """One cycle of gate and robot at the next moment."""
        self.now_s += CYCLE_S
        now_ns = round(self.now_s * NANOSECONDS_PER_SECOND)

        def gate_was_there() -> bool:
            self._clock.publish(Clock(clock=stamp_message(now_ns)))  # best effort: said until it has been heard
            return bool(self.gated) and stamp_nanoseconds(self.gated[-1].header.stamp) == now_ns

        assert until(gate_was_there, 60)
        heard = len(self.commands)
        assert until(lambda: len(self.commands) >= heard + 2, 60)

    def until_advised(self) -> None:
        """Cycles until the robot follows advice clearly."""
        began_s = self.now_s
        while not self.setpoints or self.setpoints[0] < PROGRAMMED[0] + 0.5:
            assert self.now_s - began_s < PATIENCE_S, "no advice got through"
            self.cycle()

    def back_within(self, seconds: float) -> None:
        """Cycles until the robot is at its programme, by the simulated clock in that time."""
        began_s = self.now_s
        while self.setpoints != PROGRAMMED:
            assert self.now_s - began_s <= seconds, f"still at {self.setpoints} after {seconds} s"
            self.cycle()


@pytest.fixture
def clockwork(spinner: Spinner) -> Iterator[Clockwork]:
    simulated = "use_sim_time:=true"
    with ExitStack() as stack:
        stack.enter_context(
            node_process(
                "advisory_follower_node", simulated, "programmed.voltage_v:=20.0", "programmed.travel_speed_m_s:=0.008"
            )
        )
        gate = stack.enter_context(node_process("advisory_gate_node", simulated, "wps:=gmaw_steel_lap"))
        clockwork = Clockwork(spinner)
        assert until(clockwork.gate_appeared, 300), "a process that imports gets little of a busy machine"
        bring_up("/advisory_gate", lambda: gate.poll() is None)
        yield clockwork
        assert clockwork.commands
        for command in clockwork.commands:
            assert LAP.voltage_v.min <= command.data[0] <= LAP.voltage_v.max
            assert LAP.travel_speed_m_s.min <= command.data[1] <= LAP.travel_speed_m_s.max


@contextmanager
def monitor_process(iso_code: int) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("played_monitor.py")
    with subprocess.Popen([sys.executable, str(script), str(iso_code)]) as running:
        try:
            yield running
        finally:
            running.kill()


def test_the_setpoints_are_back_in_time_when_the_monitor_is_killed(clockwork: Clockwork) -> None:
    with monitor_process(506) as monitor:
        clockwork.until_advised()
        os.kill(monitor.pid, signal.SIGKILL)
        monitor.wait(30)
        clockwork.back_within(AdvisorConfig().validity_s + BACK_S)
    with monitor_process(506):
        clockwork.until_advised()  # a restarted monitor is followed again


@pytest.mark.parametrize("jump_s", [-30.0, 30.0])
def test_the_setpoints_are_back_in_time_when_the_clock_is_set(
    spinner: Spinner, clockwork: Clockwork, jump_s: float
) -> None:
    monitor = PlayedMonitor(spinner, lambda: round(clockwork.now_s * NANOSECONDS_PER_SECOND))
    try:
        monitor.iso_code = 506
        clockwork.until_advised()
        clockwork.now_s += jump_s
        monitor.now_ns = lambda: round((clockwork.now_s - jump_s) * NANOSECONDS_PER_SECOND)  # goes by the old clock
        clockwork.back_within(BACK_S)
        for _ in range(20):
            clockwork.cycle()
            assert clockwork.setpoints == PROGRAMMED, "the monitor's stamps and the clock do not agree"
        monitor.now_ns = lambda: round(clockwork.now_s * NANOSECONDS_PER_SECOND)
        clockwork.until_advised()
    finally:
        monitor.close()
