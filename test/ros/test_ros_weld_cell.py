import itertools
import math

import pytest
from live import Spinner, until
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from msstan_core.errors import InputError
from msstan_core.messages import TOPICS, TopicKind, sample_from_message
from msstan_core.simulation import ParameterDeltas, WeldCell, load_scenario
from msstan_msgs.msg import AcousticChunk, WeldContext, WeldParameterAdvisory, WeldTelemetry
from msstan_ros import qos
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
    """A cell that notes what it is asked to change."""

    def __init__(self) -> None:
        super().__init__(load_scenario("gmaw_steel_lap"))
        self.applied: list[ParameterDeltas] = []

    def apply(self, deltas: ParameterDeltas) -> None:
        super().apply(deltas)
        self.applied.append(deltas)


def test_advice_is_applied_while_valid_and_taken_back_after(spinner: Spinner) -> None:
    node, cell, start = cell_node(spinner), Recorder(), 10 * 10**9
    advice = WeldParameterAdvisory(voltage_delta_v=1.5, current_delta_a=math.nan, check_gas=True)
    for name in ("wire_feed_speed_delta_m_s", "travel_speed_delta_m_s", "stick_out_delta_m"):
        setattr(advice, name, math.nan)
    advice.valid_until = stamp_message(start + 500_000_000)
    node._take_advice(advice)
    node._apply_advice(cell, start)
    assert cell.applied[-1] == ParameterDeltas(voltage_v=1.5, check_gas=True), "NaN means no advice, not a number"
    for _ in cell.advance(0.6):
        pass
    node._apply_advice(cell, start)
    assert cell.applied[-1] == ParameterDeltas()
    count = len(cell.applied)
    node._apply_advice(cell, start)
    assert len(cell.applied) == count, "expired advice is forgotten"
    node.close()
    node.destroy_node()


def test_parts_that_follow_each_other_go_forward_in_time(spinner: Spinner) -> None:
    node = cell_node(spinner, real_time_factor=2.0)
    node._newest_ns = 50 * 10**9
    assert node._next_start_ns() > 50 * 10**9
    assert stamp_nanoseconds(stamp_message(node._next_start_ns())) == node._next_start_ns()
    node.close()
    node.destroy_node()
