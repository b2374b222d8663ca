"""The monitor node's own advice on weld/advisory."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live import FakeMonitor, Spinner, until
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from msstan_core.advisory.gate import AdvisoryGate
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.wps_files import WPS_FOLDER, load_wps
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.resources import share_path
from msstan_msgs.msg import WeldContext, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advice_from_message
from msstan_ros.conversions import image_message, stamp_nanoseconds
from msstan_ros.weld_monitor_node import WeldMonitorNode

PERIOD_NS = 40_000_000


class Cell:
    """A monitor with a fake recogniser that suspects what it is told to, and a peer that feeds and hears it."""

    def __init__(self, spinner: Spinner, folder: Path) -> None:
        self.recogniser = FakeMonitor()
        given = [Parameter("model_dir", value=str(folder)), Parameter("modalities", value=["camera"])]
        self.node = WeldMonitorNode(lambda _: self.recogniser, context=spinner.context, parameter_overrides=given)
        spinner.add(self.node)
        peer = spinner.peer()
        self.said: list[WeldParameterAdvisory] = []
        self.states: list[WeldMonitorState] = []
        peer.create_subscription(WeldParameterAdvisory, "weld/advisory", self.said.append, qos.RESULT_READER)
        peer.create_subscription(WeldMonitorState, "weld/state", self.states.append, qos.RESULT_READER)
        self.camera = peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
        self.context = peer.create_publisher(WeldContext, "weld/context", qos.CONTEXT)
        self.stamp_ns = time.time_ns()
        assert spinner.run(self.node.trigger_configure) == TransitionCallbackReturn.SUCCESS
        assert spinner.run(self.node.trigger_activate) == TransitionCallbackReturn.SUCCESS
        assert until(lambda: self.camera.get_subscription_count() > 0 and self.context.get_subscription_count() > 0)
        assert until(lambda: self.states)

    def weld(self, wps_id: str) -> None:
        unknown = {"thickness_a_m": math.nan, "thickness_b_m": math.nan}
        self.context.publish(WeldContext(wps_id=wps_id, **unknown))

    def suspect(self, code: int, phase: EventPhase = EventPhase.ONGOING) -> None:
        self.recogniser.events = (AnomalyEvent(8, phase, code, "", 0.9, 0.5, math.nan, 0, 0),)

    def see(self, frames: int) -> None:
        for _ in range(frames):
            ticks = len(self.recogniser.ticks)
            self.stamp_ns += PERIOD_NS
            self.camera.publish(image_message(np.zeros((12, 16, 3), np.uint8), "bgr8", self.stamp_ns, "weld_camera"))
            assert until(lambda ticks=ticks: len(self.recogniser.ticks) > ticks)


@pytest.fixture
def cell(spinner: Spinner, tmp_path: Path) -> Iterator[Cell]:
    yield Cell(spinner, tmp_path)


def until_context_counts(cell: Cell) -> None:
    """The context has reached the monitor when it advises."""
    assert until(lambda: (cell.see(4), cell.said)[1])


def test_a_suspicion_becomes_advice_within_the_procedure_of_the_job(cell: Cell) -> None:
    cell.suspect(506)
    cell.see(10)
    assert not cell.said, "no procedure, no advice"
    cell.weld("gmaw_steel_lap")
    until_context_counts(cell)
    cell.see(20)
    assert until(lambda: len(cell.said) > 4)
    first, last = cell.said[0], cell.said[-1]
    assert [m.sequence_id for m in cell.said] == list(range(len(cell.said)))
    assert {(m.session_id, m.model_revision) for m in cell.said} == {(cell.states[-1].session_id, 1)}
    assert last.header.frame_id == "weld_camera" and stamp_nanoseconds(last.header.stamp) % PERIOD_NS == (
        cell.stamp_ns % PERIOD_NS
    ), "the stamp is the frame's"
    assert last.cause_event_id == 8 and last.cause_iso_code == 506 and last.confidence == pytest.approx(0.9)
    assert last.voltage_delta_v >= first.voltage_delta_v > 0
    assert 20.0 + last.voltage_delta_v <= last.voltage_max_v <= 22.0
    assert "voltage up" in last.reason


def test_what_the_monitor_says_passes_a_gate_under_the_same_procedure(cell: Cell) -> None:
    cell.weld("gmaw_steel_lap")
    cell.suspect(502)
    until_context_counts(cell)
    message = cell.said[-1]
    gate = AdvisoryGate()
    gate.set_procedure(load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml")))
    moment = Moment(stamp_nanoseconds(message.header.stamp) + 50_000_000, 1.0)
    gate.step(moment)
    gate.heartbeat(Heartbeat(moment.now_ns, message.session_id, 0, message.model_revision, True), moment)
    assert gate.receive(advice_from_message(message), moment) is None
    assert gate.clamped == 0


def test_a_cleared_event_ends_with_one_zero_after_its_hold(cell: Cell) -> None:
    cell.weld("gmaw_steel_lap")
    cell.suspect(506)
    until_context_counts(cell)
    cell.suspect(506, EventPhase.CLEARED)
    cell.see(150)  # six seconds of stamps: held, then released
    assert until(lambda: cell.said[-1].reason.startswith("nothing is suspected"))
    assert cell.said[-1].voltage_delta_v == 0.0
    count = len(cell.said)
    cell.see(20)
    assert len(cell.said) == count
