"""The load of the live benchmark: right stamps at the right rate; and what the probe makes of what it hears."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from live import Spinner, until
from rclpy.parameter import Parameter

from msstan_core.messages import TopicKind, sample_from_message, topic_of
from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk
from msstan_core.vocabulary import Modality
from msstan_ros import qos
from msstan_ros.latency_probe import Heard
from msstan_ros.live_benchmark import Stretch, _growth_per_hour
from msstan_ros.load_source_node import LoadSourceNode
from msstan_ros.message_types import message_class

KINDS = {
    "camera": TopicKind.CAMERA,
    "thermal": TopicKind.THERMAL,
    "acoustic": TopicKind.ACOUSTIC,
    "telemetry": TopicKind.TELEMETRY,
}


@pytest.mark.parametrize("modality", KINDS)
def test_a_source_publishes_well_formed_samples_stamped_now(spinner: Spinner, modality: str) -> None:
    topic = topic_of(KINDS[modality])
    heard: list = []
    spinner.peer().create_subscription(message_class(topic.type_name), topic.name, heard.append, qos.SENSOR)
    overrides = [Parameter("modality", value=modality), Parameter("sample_rate_hz", value=48_000)]
    spinner.add(LoadSourceNode(context=spinner.context, parameter_overrides=overrides))
    assert until(lambda: len(heard) > 8)
    samples = [sample_from_message(KINDS[modality], message) for message in heard[:8]]
    assert all(a.stamp_ns < b.stamp_ns for a, b in itertools.pairwise(samples))
    assert abs(time.time_ns() - samples[-1].stamp_ns) < 30 * NANOSECONDS_PER_SECOND
    if isinstance(samples[0], AudioChunk):
        assert samples[0].sample_rate_hz == 48_000
        assert all(abs(b.stamp_ns - a.end_stamp_ns) < 1_000 for a, b in itertools.pairwise(samples))


def heard(frames: list[int], sequence: list[int], late_ns: int = 9_000_000) -> Heard:
    """Results about these frames of a camera of 30 Hz."""
    stamps = np.array([round(n * NANOSECONDS_PER_SECOND / 30) for n in frames])
    return Heard(stamps + late_ns, stamps, np.array(sequence), np.full(len(frames), 0.003))


def test_holes_between_stamps_are_frames_without_result() -> None:
    whole = heard([0, 1, 2, 3], [7, 8, 9, 10])
    assert (whole.frames_without_result(30.0), whole.lost_results()) == (0, 0)
    assert whole.latency_ms() == pytest.approx([9.0] * 4)
    holed = heard([0, 1, 4, 5], [7, 8, 9, 12])
    assert (holed.frames_without_result(30.0), holed.lost_results()) == (2, 2)


def stretch(rss_mb: float, dropped: tuple[int, ...] = (0, 0, 0, 0), frames: list[int] | None = None) -> Stretch:
    frames = frames or [0, 1, 2]
    return Stretch(heard(frames, list(range(len(frames)))), 60.0, 0.2, rss_mb, dropped, (3, 3, 3, 3))


def test_a_frame_that_was_dropped_is_lost_once() -> None:
    dropped = [0, 0, 0, 0]
    dropped[Modality.CAMERA] = 1
    assert stretch(100.0, tuple(dropped), [0, 2, 3]).lost == 1
    assert stretch(100.0, frames=[0, 2, 3]).lost == 1  # it never reached the monitor
    dropped[Modality.THERMAL] = 2
    assert stretch(100.0, tuple(dropped), [0, 2, 3]).lost == 3


def test_growth_is_the_slope_of_the_memory() -> None:
    assert _growth_per_hour([stretch(100.0 + minute) for minute in range(10)]) == pytest.approx(60.0)
    assert _growth_per_hour([stretch(100.0)]) == 0.0
