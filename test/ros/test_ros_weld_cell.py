import dataclasses
import itertools
import math

import pytest
from live import Spinner, until
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from msstan_core.advisory.advice import Advice
from msstan_core.closed_loop.cell_robot import CellRobot
from msstan_core.errors import InputError
from msstan_core.messages import TOPICS, TopicKind, sample_from_message
from msstan_core.simulation import ParameterDeltas, WeldCell, load_scenario, parse_scenario
from msstan_core.simulation.procedure import Step
from msstan_msgs.msg import AcousticChunk, WeldContext, WeldParameterAdvisory, WeldTelemetry
from msstan_ros import qos
from msstan_ros.advisory_messages import advisory_message
from msstan_ros.conversions import stamp_message, stamp_nanoseconds
from msstan_ros.weld_cell_node import WeldCellNode


def cell_node(spinner: Spinner, **given: object) -> WeldCellNode:
    overrides = [Parameter(name, value=value) for name, value in {"at_end": "idle", **given}.items()]
    return WeldCellNode(context=spinner.context, parameter_overrides=overrides)


def test_an_unknown_scenario_is_one_line(spinner: Spinner) -> None:
    with pytest.raises(InputError, match="no_such_weld"):
        cell_node(spinner, scenario="no_such_weld")


def test_all_sensors_deliver_well_formed_samples_with_rising_stamps(spinner: Spinner) -> None:
    peer = spinner.peer()
    kinds = {
        TopicKind.CAMERA: (Image, qos.SENSOR),
        TopicKind.THERMAL: (Image, qos.SENSOR),
        TopicKind.ACOUSTIC: (AcousticChunk, qos.SOUND),
        TopicKind.TELEMETRY: (WeldTelemetry, qos.SENSOR),
        TopicKind.CONTEXT: (WeldContext, qos.CONTEXT),
    }
    heard: dict[TopicKind, list] = {kind: [] for kind in kinds}
    for topic in TOPICS:
        if topic.kind in kinds:
            message_type, profile = kinds[topic.kind]
            peer.create_subscription(message_type, topic.name, heard[topic.kind].append, profile)
    spinner.add(cell_node(spinner))
    sensors = [kind for kind in kinds if kind is not TopicKind.CONTEXT]
    assert until(lambda: heard[TopicKind.CONTEXT] and all(len(heard[kind]) > 5 for kind in sensors), 60)
    for kind in sensors:
        stamps = [sample_from_message(kind, message).stamp_ns for message in list(heard[kind])]
        assert all(a < b for a, b in itertools.pairwise(stamps))


def test_only_the_chosen_sensors_are_published(spinner: Spinner) -> None:
    spinner.add(cell_node(spinner, modalities=["acoustic"]))
    peer = spinner.peer()
    assert until(lambda: peer.count_publishers("acoustic/chunk") == 1)
    assert peer.count_publishers("camera/image_raw") == 0


class Recorder(WeldCell):
    """A cell in the middle of its weld that notes what it is asked to change."""

    def __init__(self) -> None:
        content = load_scenario("gmaw_steel_lap").model_dump()
        content["procedure"].update(idle_s=0.0, placement_s=0.0, approach_s=0.2, pre_flow_s=0.0)
        for sensor in ("camera", "thermal", "microphone", "telemetry"):
            content[sensor]["enabled"] = False
        super().__init__(parse_scenario(content))
        self.applied: list[ParameterDeltas] = []
        self.robot = CellRobot(self)
        while self.state.step is not Step.WELD:
            self.run(0.05)

    def run(self, seconds: float) -> None:
        for _ in self.advance(self.time_s + seconds):
            pass

    def apply(self, deltas: ParameterDeltas) -> None:
        super().apply(deltas)
        self.applied.append(deltas)


def gated(now_ns: int, sequence: int, **changes: object) -> WeldParameterAdvisory:
    """As the gate would say it: a volt more, travel as programmed, nothing else may be adjusted."""
    advice = Advice(
        stamp_ns=now_ns,
        valid_until_ns=now_ns + 250_000_000,
        session_id="gate",
        sequence_id=sequence,
        confidence=0.9,
        deltas=(math.nan, 1.0, math.nan, 0.0, math.nan),
        minimum=(math.nan, 18.0, math.nan, 0.006, math.nan),
        maximum=(math.nan, 22.0, math.nan, 0.010, math.nan),
        max_rate=(math.nan, 4.0, math.nan, 0.004, math.nan),
        check_gas=True,
    )
    return advisory_message(dataclasses.replace(advice, **changes))  # type: ignore[arg-type]


def welded(node: WeldCellNode, cell: Recorder, seconds: float, heard: bool) -> ParameterDeltas:
    """The cell goes on for a while, with or without a gate; what was applied last."""
    start = 10 * 10**9
    for step in range(round(seconds / 0.02)):
        now_ns = start + round(cell.time_s * 1e9)
        if heard:
            node._take_advice(gated(now_ns, round(cell.time_s * 1e3) + step))
        node._follow_advice(cell, cell.robot, start)
        cell.run(0.02)
    return cell.applied[-1]


def test_gated_advice_is_followed_at_its_rate_and_taken_back_when_the_gate_falls_silent(spinner: Spinner) -> None:
    node, cell = cell_node(spinner), Recorder()
    assert welded(node, cell, 0.2, heard=True).voltage_v == pytest.approx(0.72, abs=0.09)
    assert welded(node, cell, 0.4, heard=True) == ParameterDeltas(voltage_v=1.0, check_gas=True)
    assert welded(node, cell, 0.3 + 0.25 + 0.06, heard=False) == ParameterDeltas()
    steps = [abs(b.voltage_v - a.voltage_v) for a, b in itertools.pairwise(cell.applied)]
    assert max(steps) <= 4.0 * 0.02 * 1.001
    node.close()
    node.destroy_node()


def test_nothing_is_added_once_the_programme_fills_its_crater(spinner: Spinner) -> None:
    node, cell = cell_node(spinner), Recorder()
    assert welded(node, cell, 0.6, heard=True).voltage_v == 1.0
    while cell.state.step is Step.WELD:
        cell.run(0.5)
    assert welded(node, cell, 0.1, heard=True).voltage_v == 0.0
    node.close()
    node.destroy_node()


def test_advice_without_limits_is_not_applied(spinner: Spinner) -> None:
    node, cell = cell_node(spinner), Recorder()
    node._take_advice(WeldParameterAdvisory(voltage_delta_v=1.5, session_id="nobody", sequence_id=1))
    node._follow_advice(cell, cell.robot, 0)
    assert cell.applied[-1] == ParameterDeltas(), "a message that nobody filled in holds zeros, not limits"
    node.close()
    node.destroy_node()


def test_parts_that_follow_each_other_go_forward_in_time(spinner: Spinner) -> None:
    node = cell_node(spinner, real_time_factor=2.0)
    node._newest_ns = 50 * 10**9
    assert node._next_start_ns() > 50 * 10**9
    assert stamp_nanoseconds(stamp_message(node._next_start_ns())) == node._next_start_ns()
    node.close()
    node.destroy_node()


def test_a_cell_that_tells_the_time_goes_slower_where_it_cannot_keep_up(spinner: Spinner) -> None:
    content = load_scenario("gmaw_steel_lap").model_dump()
    content["joint"]["seam_length_m"] = 0.01
    content["procedure"].update(idle_s=0.0, placement_s=0.0, approach_s=0.2, pre_flow_s=0.0, cooling_s=0.5)
    for sensor in ("camera", "thermal", "microphone"):
        content[sensor]["enabled"] = False
    node = cell_node(spinner, real_time_factor=20.0)
    told_ns: list[int] = []
    node._tell_time = told_ns.append  # type: ignore[method-assign]
    cell = WeldCell(parse_scenario(content))
    node._weld(cell)
    assert cell.finished and len(told_ns) == pytest.approx(cell.time_s * 100, abs=2)
    assert all(0 < later - earlier <= 10_000_001 for earlier, later in itertools.pairwise(told_ns)), "no jumps"
    node.close()
    node.destroy_node()
