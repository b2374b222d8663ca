"""Gate, follower and monitor as processes of their own: what the robot does when one of them dies or freezes."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from live import Spinner, until
from played_monitor import PlayedMonitor
from std_msgs.msg import Float64MultiArray
from wire import node_process, up, wait_for

from msstan_msgs.msg import WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.lifecycle_client import bring_up

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def test_a_robot_returns_when_its_gate_freezes_or_is_killed(spinner: Spinner) -> None:
    commands: list[Float64MultiArray] = []
    monitor = PlayedMonitor(spinner)
    monitor.node.create_subscription(
        Float64MultiArray, "weld_parameter_controller/commands", commands.append, qos.RESULT_READER
    )
    programmed = ("programmed.voltage_v:=20.0", "programmed.travel_speed_m_s:=0.008")

    def start(running: subprocess.Popen[bytes]) -> None:
        bring_up("/advisory_gate", lambda: running.poll() is None)
        monitor.iso_code = 506
        assert until(lambda: commands and commands[-1].data[0] > 20.5, 60)

    def returned() -> bool:
        return list(commands[-1].data) == [20.0, 0.008]

    try:
        with node_process("advisory_follower_node", *programmed):
            with node_process("advisory_gate_node", "wps:=gmaw_steel_lap") as gate:
                start(gate)
                os.kill(gate.pid, signal.SIGSTOP)
                assert until(returned)
                os.kill(gate.pid, signal.SIGCONT)
                assert until(lambda: commands[-1].data[0] > 20.5), "the same gate goes on where its monitor is"
                os.kill(gate.pid, signal.SIGKILL)
                assert until(returned)
            with node_process("advisory_gate_node", "wps:=gmaw_steel_lap") as gate:
                start(gate)  # a restarted gate is followed again
        heard = list(commands)
        assert all(18.0 <= c.data[0] <= 22.0 and 0.006 <= c.data[1] <= 0.010 for c in heard)
    finally:
        monitor.close()


def test_the_simulated_cell_runs_behind_its_gate_and_a_frozen_monitor_is_noticed(
    spinner: Spinner, model_dir: Path
) -> None:
    gated: list[WeldParameterAdvisory] = []
    said: dict[str, str] = {}
    peer = spinner.peer("robot")

    def diagnosed(message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith("advisory_gate: gate"):
                said.update({v.key: v.value for v in status.values}, message=status.message)

    peer.create_subscription(WeldParameterAdvisory, "weld/advisory_gated", gated.append, qos.ADVISORY_GATED)
    peer.create_subscription(DiagnosticArray, "/diagnostics", diagnosed, qos.DIAGNOSTICS)
    with up("simulated_cell", f"model:={model_dir}", "overlay:=false", "modalities:=telemetry,acoustic") as running:
        wait_for(running.lines, "WPS gmaw_steel_lap is in force", 90)
        assert until(lambda: said.get("monitor session", "none") != "none", 60), running.output()
        assert until(lambda: said["WPS"] == "gmaw_steel_lap"), said
        assert until(lambda: gated and gated[-1].voltage_max_v == pytest.approx(22.0))
        os.kill(running.node_process("weld_monitor_node"), signal.SIGSTOP)
        assert until(lambda: said["message"] == "the monitor is silent", 30), said
        assert until(lambda: gated[-1].voltage_delta_v == gated[-1].travel_speed_delta_m_s == 0.0, 30)
        os.kill(running.node_process("weld_monitor_node"), signal.SIGCONT)
        assert until(lambda: said["message"] != "the monitor is silent", 30), said
        os.kill(running.node_process("advisory_gate_node"), signal.SIGKILL)
        assert running.wait(30) == 1
    assert "advisory_gate ended unasked with signal SIGKILL" in running.output()
    assert "Traceback" not in running.output()
