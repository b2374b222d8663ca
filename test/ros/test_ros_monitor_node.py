"""The monitor node: what it publishes, and how it takes missing, broken and late input."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live import Spinner, until
from monitor_cell import PERIOD_NS, Cell
from sensor_msgs.msg import Image

from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.vocabulary import Action
from msstan_msgs.msg import AcousticChunk, WeldAnomaly, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import image_message, stamp_message, stamp_nanoseconds


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
    cell.send_image()  # one alone might be a wrong stamp
    cell.send_images(1)
    assert math.isnan(cell.actions[-1].pipeline_latency_s)


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


@pytest.mark.parametrize(("offset_s", "said"), [(-3600, "s old at the ticks"), (3600, "enters few decisions")])
def test_a_sensor_whose_clock_is_wrong_is_degraded_though_it_delivers(cell: Cell, offset_s: int, said: str) -> None:
    cell.activate()

    def degraded() -> bool:
        cell.send_image()
        chunk = AcousticChunk(sample_rate_hz=16_000, samples=[0.0] * 640)
        chunk.header.stamp = stamp_message(cell.next_stamp_ns + offset_s * 10**9)
        cell.sound.publish(chunk)
        time.sleep(0.02)
        return said in cell.states[-1].message

    assert until(degraded), cell.states[-1]
    assert cell.states[-1].health == WeldMonitorState.DEGRADED
    right, wrong = ("camera", "acoustic") if offset_s < 0 else ("acoustic", "camera")
    assert f"{wrong}: enters" in cell.states[-1].message and f"{right}: enters" not in cell.states[-1].message
    assert sum(cell.states[-1].input_valid) == 1


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
    assert until(lambda: cell.states[-1].dropped[0] > 10)
    assert [m.sequence_id for m in cell.actions] == list(range(len(cell.actions)))
    assert any("does not keep up" in s.message for s in cell.states)


def test_time_that_jumps_back_restarts_the_stream_and_keeps_the_stamps(cell: Cell) -> None:
    cell.activate()
    cell.send_images(5)
    cell.next_stamp_ns -= 3600 * 10**9
    cell.send_image()  # one alone might be a straggler
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


def test_open_events_are_cleared_in_the_session_that_ends(cell: Cell) -> None:
    cell.activate()
    cell.monitors[-1].events = (AnomalyEvent(7, EventPhase.ONGOING, 602, "spatter", 0.9, 0.5, math.nan, 5, 5),)
    cell.send_images(2)
    assert until(lambda: len(cell.anomalies) == 2)
    cell.spinner.run(cell.node.trigger_deactivate)
    assert until(lambda: len(cell.anomalies) == 3)
    last = cell.anomalies[-1]
    assert (last.event_id, last.phase, last.sequence_id) == (7, WeldAnomaly.CLEARED, 2)
    assert last.session_id == cell.anomalies[0].session_id
    cell.monitors[-1].events = ()
    cell.spinner.run(cell.node.trigger_activate)
    assert until(lambda: cell.camera.get_subscription_count() > 0)
    cell.send_images(1)
    assert len(cell.anomalies) == 3


def test_attention_is_published_only_while_somebody_looks(cell: Cell) -> None:
    cell.activate()
    seen: list[Image] = []
    cell.send_images(2)
    cell.peer.create_subscription(Image, "weld/attention", seen.append, qos.OVERLAY)
    assert until(lambda: cell.peer.count_publishers("weld/attention") and cell.node.count_subscribers("weld/attention"))
    assert until(lambda: cell.send_images(1) and seen)
    assert (seen[0].height, seen[0].width, seen[0].encoding) == (4, 5, "32FC1")
