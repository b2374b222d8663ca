import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from live import FakeMonitor, Spinner, until
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.errors import InputError
from msstan_core.vocabulary import Action
from msstan_msgs.msg import AcousticChunk, WeldAction, WeldAnomaly, WeldModelInfo, WeldMonitorState
from msstan_msgs.srv import ReloadModel, ResetMonitor, TakeSnapshot
from msstan_ros import qos
from msstan_ros.conversions import image_message, stamp_message, stamp_nanoseconds
from msstan_ros.monitor_parameters import MonitorSettings
from msstan_ros.weld_monitor_node import WeldMonitorNode

PERIOD_NS = 40_000_000


class Cell:
    """A monitor with a fake recogniser, and a peer that feeds and hears it."""

    def __init__(self, spinner: Spinner, folder: Path) -> None:
        self.spinner = spinner
        self.monitors: list[FakeMonitor] = []
        self.refuse = ""
        self.settings: list[MonitorSettings] = []
        given = [
            Parameter("model_dir", value=str(folder)),
            Parameter("snapshot.directory", value=str(folder)),
            Parameter("modalities", value=["camera", "acoustic"]),
        ]
        self.node = WeldMonitorNode(self.make, context=spinner.context, parameter_overrides=given)
        spinner.add(self.node)
        peer = self.peer = spinner.peer()
        self.actions: list[WeldAction] = []
        self.states: list[WeldMonitorState] = []
        self.anomalies: list[WeldAnomaly] = []
        self.infos: list[WeldModelInfo] = []
        peer.create_subscription(WeldAction, "weld/action", self.actions.append, qos.RESULT_READER)
        peer.create_subscription(WeldMonitorState, "weld/state", self.states.append, qos.RESULT_READER)
        peer.create_subscription(WeldAnomaly, "weld/anomaly", self.anomalies.append, qos.ANOMALY)
        peer.create_subscription(WeldModelInfo, "weld/model_info", self.infos.append, qos.MODEL_INFO)
        self.camera = peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
        self.sound = peer.create_publisher(AcousticChunk, "acoustic/chunk", qos.SOUND_SOURCE)
        self.next_stamp_ns = time.time_ns()

    def make(self, settings: MonitorSettings) -> FakeMonitor:
        if self.refuse:
            raise InputError(settings.model_dir, self.refuse, "repair it")
        self.settings.append(settings)
        self.monitors.append(FakeMonitor(f"model {len(self.monitors)}", settings.modalities))
        return self.monitors[-1]

    def activate(self) -> None:
        assert self.spinner.run(self.node.trigger_configure) == TransitionCallbackReturn.SUCCESS
        assert self.spinner.run(self.node.trigger_activate) == TransitionCallbackReturn.SUCCESS
        assert until(lambda: self.camera.get_subscription_count() > 0 and self.sound.get_subscription_count() > 0)
        publisher_count = self.peer.count_publishers
        assert until(lambda: publisher_count("weld/action") > 0 and publisher_count("weld/state") > 0)
        assert until(lambda: self.states)

    def send_image(self) -> int:
        stamp = self.next_stamp_ns
        self.next_stamp_ns += PERIOD_NS
        self.camera.publish(image_message(np.zeros((12, 16, 3), np.uint8), "bgr8", stamp, "weld_camera"))
        return stamp

    def send_images(self, count: int) -> list[int]:
        stamps = []
        for _ in range(count):
            before = len(self.actions)
            stamps.append(self.send_image())
            assert until(lambda before=before: len(self.actions) > before)
        return stamps

    def call(self, kind: type, name: str, **fields: object) -> object:
        client = self.peer.create_client(kind, f"weld_monitor/{name}")
        assert client.wait_for_service(10)
        future = client.call_async(kind.Request(**fields))
        assert until(future.done)
        return future.result()


@pytest.fixture
def cell(spinner: Spinner, tmp_path: Path) -> Iterator[Cell]:
    yield Cell(spinner, tmp_path)


def test_every_image_becomes_one_action_with_its_own_stamp(cell: Cell) -> None:
    cell.activate()
    stamps = cell.send_images(20)
    assert [stamp_nanoseconds(m.header.stamp) for m in cell.actions] == stamps
    assert [m.sequence_id for m in cell.actions] == list(range(20))
    assert {m.header.frame_id for m in cell.actions} == {"weld_camera"}
    assert all(math.isfinite(m.inference_latency_s) for m in cell.actions)
    assert len({m.session_id for m in cell.actions}) == 1


def test_latency_is_filled_in_when_the_clocks_agree_and_nan_when_not(cell: Cell) -> None:
    cell.activate()
    cell.next_stamp_ns = time.time_ns() - PERIOD_NS
    cell.send_images(1)
    assert 0 <= cell.actions[-1].pipeline_latency_s < 10
    cell.next_stamp_ns = time.time_ns() + 3600 * 10**9
    cell.send_images(1)
    assert math.isnan(cell.actions[-1].pipeline_latency_s)


def test_a_model_that_cannot_be_loaded_leaves_the_node_unconfigured(cell: Cell) -> None:
    cell.refuse = "is corrupt"
    assert cell.spinner.run(cell.node.trigger_configure) == TransitionCallbackReturn.FAILURE
    assert cell.node._state_machine.current_state[0] == State.PRIMARY_STATE_UNCONFIGURED
    cell.refuse = ""
    cell.activate()  # and a second try works
    cell.send_images(1)


def test_a_model_that_answers_nan_is_refused_before_it_is_used(spinner: Spinner, tmp_path: Path) -> None:
    class Nonsense(FakeMonitor):
        def step(self, tick):  # type: ignore[no-untyped-def]
            decision = super().step(tick)
            decision.action_probabilities[:] = np.nan
            return decision

    given = [Parameter("model_dir", value=str(tmp_path))]
    node = WeldMonitorNode(lambda _: Nonsense(), context=spinner.context, parameter_overrides=given)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE


def test_a_missing_sensor_is_degraded_and_no_sensor_is_stale(cell: Cell) -> None:
    cell.activate()
    assert until(lambda: cell.states[-1].health == WeldMonitorState.STALE)
    assert cell.states[-1].action == Action.UNKNOWN
    cell.send_images(3)
    assert until(lambda: cell.states[-1].health == WeldMonitorState.DEGRADED)
    assert "acoustic" in cell.states[-1].message
    assert cell.states[-1].action == Action.MATERIAL_DEPOSITION
    assert list(cell.states[-1].input_valid) == [True, False, False, False]
    assert math.isnan(cell.states[-1].input_age_s[1])
    actions = len(cell.actions)
    assert until(lambda: cell.states[-1].health == WeldMonitorState.STALE)
    assert cell.states[-1].action == Action.UNKNOWN
    assert len(cell.actions) == actions, "actions without input"


def test_the_heartbeat_counts_without_gaps(cell: Cell) -> None:
    cell.activate()
    count = len(cell.states)
    assert until(lambda: len(cell.states) > count + 10)
    numbers = [s.sequence_id for s in cell.states]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_malformed_messages_are_refused_counted_and_said(cell: Cell) -> None:
    cell.activate()
    cell.send_images(1)
    broken = image_message(np.zeros((12, 16, 3), np.uint8), "bgr8", cell.next_stamp_ns, "weld_camera")
    broken.height = 4000  # more pixels than bytes
    cell.camera.publish(broken)
    chunk = AcousticChunk(sample_rate_hz=0, samples=[0.0])
    chunk.header.stamp = stamp_message(cell.next_stamp_ns)
    cell.sound.publish(chunk)
    assert until(lambda: cell.states[-1].dropped[0] == 1 and cell.states[-1].dropped[2] == 1)
    assert cell.states[-1].health in (WeldMonitorState.DEGRADED, WeldMonitorState.STALE)
    cell.send_images(2)  # and it goes on
    assert cell.actions[-1].sequence_id == 2


def test_a_failing_inference_is_an_error_and_heals(cell: Cell) -> None:
    cell.activate()
    cell.send_images(1)
    cell.monitors[-1].fail = True
    cell.send_image()
    assert until(lambda: cell.states[-1].health == WeldMonitorState.ERROR)
    assert "this one is bad" in cell.states[-1].message
    assert cell.states[-1].action == Action.UNKNOWN
    cell.monitors[-1].fail = False
    cell.send_images(2)
    assert until(lambda: cell.states[-1].health == WeldMonitorState.DEGRADED)
    assert [m.sequence_id for m in cell.actions] == [0, 1, 2]


def test_a_slow_model_skips_to_the_newest_image_and_says_so(cell: Cell) -> None:
    cell.activate()
    cell.send_images(1)
    cell.monitors[-1].delay_s = 0.3
    for _ in range(40):
        newest = cell.send_image()
        time.sleep(0.03)
    assert until(lambda: stamp_nanoseconds(cell.actions[-1].header.stamp) == newest)
    assert len(cell.actions) < 20, "old images were worked off"
    assert cell.monitors[-1].ticks[-1].dropped[0] > 10
    assert [m.sequence_id for m in cell.actions] == list(range(len(cell.actions)))
    assert any("does not keep up" in s.message for s in cell.states)


def test_time_that_jumps_back_restarts_the_stream_and_keeps_the_stamps(cell: Cell) -> None:
    cell.activate()
    cell.send_images(5)
    cell.next_stamp_ns -= 3600 * 10**9
    stamps = cell.send_images(3)
    assert [stamp_nanoseconds(m.header.stamp) for m in cell.actions[-3:]] == stamps
    assert [m.sequence_id for m in cell.actions] == list(range(8))
    assert [t.restarted for t in cell.monitors[-1].ticks[-3:]] == [True, False, False]


def test_events_are_published_with_numbers_of_their_own(cell: Cell) -> None:
    cell.activate()
    cell.monitors[-1].events = (AnomalyEvent(1, EventPhase.ONSET, 602, "spatter", 0.9, 0.5, math.nan, 5, 5),)
    cell.send_images(3)
    assert until(lambda: len(cell.anomalies) == 3)
    assert [a.sequence_id for a in cell.anomalies] == [0, 1, 2]
    assert cell.anomalies[0].iso_6520_1_code == WeldAnomaly.SPATTER


def test_attention_is_published_only_while_somebody_looks(cell: Cell) -> None:
    cell.activate()
    seen: list[Image] = []
    cell.send_images(2)
    cell.peer.create_subscription(Image, "weld/attention", seen.append, qos.OVERLAY)
    assert until(lambda: cell.peer.count_publishers("weld/attention") and cell.node.count_subscribers("weld/attention"))
    assert until(lambda: cell.send_images(1) and seen)
    assert (seen[0].height, seen[0].width, seen[0].encoding) == (4, 5, "32FC1")


def test_reload_takes_the_new_model_without_losing_a_number(cell: Cell) -> None:
    cell.activate()
    cell.send_images(2)
    answer = cell.call(ReloadModel, "reload_model")
    assert answer.success, answer.message
    assert answer.model_revision == 2
    cell.send_images(2)
    assert [m.model_revision for m in cell.actions] == [1, 1, 2, 2]
    assert [m.sequence_id for m in cell.actions] == [0, 1, 2, 3]
    assert len(cell.monitors[1].ticks) > 2
    assert until(lambda: cell.infos and cell.infos[-1].model_revision == 2), cell.infos
    assert cell.infos[-1].weights_sha256 == answer.weights_sha256


def test_a_failed_reload_keeps_the_old_model(cell: Cell) -> None:
    cell.activate()
    cell.refuse = "is corrupt"
    answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success
    assert "is corrupt" in answer.message
    assert answer.model_revision == 1
    answer = cell.call(ReloadModel, "reload_model", model_dir="/no/such/model")
    assert not answer.success
    assert "/no/such/model" in answer.message
    cell.send_images(1)
    assert cell.actions[-1].model_revision == 1


def test_reset_forgets_counters_and_state_but_not_the_numbering(cell: Cell) -> None:
    cell.activate()
    cell.send_images(3)
    before = cell.monitors[-1].resets
    assert cell.call(ResetMonitor, "reset", reason="new part").success
    assert cell.monitors[-1].resets > before
    assert until(lambda: cell.states[-1].received[0] == 0)
    cell.send_images(1)
    assert cell.actions[-1].sequence_id == 3


def test_a_snapshot_holds_the_last_decisions_and_the_newest_image(cell: Cell, tmp_path: Path) -> None:
    cell.activate()
    early = cell.call(TakeSnapshot, "snapshot")
    assert not early.success
    assert "no decision" in early.message
    stamps = cell.send_images(5)
    answer = cell.call(TakeSnapshot, "snapshot", duration_s=0.09)
    assert answer.success, answer.message
    folder = Path(answer.path)
    assert folder.parent == tmp_path
    lines = (folder / "decisions.csv").read_text().splitlines()
    assert [int(text.split(",")[0]) for text in lines[1:]] == stamps[-3:]
    assert "MATERIAL_DEPOSITION" in lines[-1]
    assert (folder / "camera.png").is_file()
    assert json.loads((folder / "about.json").read_text())["stamp_ns"] == stamps[-1]
    answer = cell.call(TakeSnapshot, "snapshot", directory="/no/such/folder")
    assert not answer.success


def test_services_of_an_inactive_monitor_say_so(cell: Cell) -> None:
    cell.spinner.run(cell.node.trigger_configure)
    for kind, name in ((ResetMonitor, "reset"), (TakeSnapshot, "snapshot")):
        answer = cell.call(kind, name)
        assert not answer.success
        assert "activate" in answer.message


def test_each_activation_is_a_session_of_its_own(cell: Cell) -> None:
    cell.activate()
    cell.send_images(2)
    cell.spinner.run(cell.node.trigger_deactivate)
    heartbeats = len(cell.states)
    cell.send_image()
    time.sleep(0.5)
    assert len(cell.actions) == 2, "an inactive monitor speaks"
    assert len(cell.states) <= heartbeats + 1
    cell.spinner.run(cell.node.trigger_activate)
    assert until(lambda: cell.camera.get_subscription_count() > 0)
    cell.send_images(1)
    assert cell.actions[-1].sequence_id == 0
    assert cell.actions[-1].session_id != cell.actions[0].session_id
    cell.spinner.run(cell.node.trigger_deactivate)
    cell.spinner.run(cell.node.trigger_cleanup)
    cell.activate()
    cell.send_images(1)
    assert len({m.session_id for m in cell.actions}) == 3
    assert len(cell.settings) == 2


def test_an_impossible_transition_is_refused_and_the_node_lives(cell: Cell) -> None:
    cell.activate()
    for transition in (
        Transition(id=Transition.TRANSITION_CONFIGURE),
        Transition(label="configure"),
        Transition(id=77),
    ):
        assert not cell.call(ChangeState, "change_state", transition=transition).success
    cell.send_images(2)
    assert cell.call(ChangeState, "change_state", transition=Transition(label="deactivate")).success
    assert cell.call(ChangeState, "change_state", transition=Transition(id=Transition.TRANSITION_ACTIVATE)).success
    assert until(lambda: cell.camera.get_subscription_count() > 0)
    cell.send_images(1)


def test_an_unforeseen_failure_of_a_transition_is_said_and_can_be_tried_again(
    cell: Cell, capfd: pytest.CaptureFixture[str]
) -> None:
    make, cell.node._make_monitor = cell.node._make_monitor, lambda _: 1 / 0
    assert cell.spinner.run(cell.node.trigger_configure) == TransitionCallbackReturn.ERROR
    assert "ZeroDivisionError" in capfd.readouterr().err
    cell.node._make_monitor = make
    cell.activate()
    cell.send_images(1)
