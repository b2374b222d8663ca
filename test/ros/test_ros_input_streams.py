import itertools
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import rclpy
from hypothesis import given, settings
from hypothesis import strategies as st
from live import Spinner, until
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from msstan_core.image_encodings import SensorScaling
from msstan_core.messages import TopicKind, topic_of
from msstan_core.observation import Sample, TelemetrySample
from msstan_core.vocabulary import MODALITIES, Modality
from msstan_msgs.msg import AcousticChunk, WeldContext, WeldTelemetry
from msstan_ros import input_streams, qos
from msstan_ros.conversions import image_message, stamp_message
from msstan_ros.input_streams import InputStreams

ENCODINGS = ["bgr8", "mono8", "mono16", "32FC1", "bayer_rggb8", "bayer_gbrg8", "yuv422", "rgba8", "", "9UC9", "16UC1"]


def streams(spinner: Spinner) -> tuple[InputStreams, list[Sample]]:
    taken: list[Sample] = []
    return InputStreams(spinner.peer(), frozenset(MODALITIES), SensorScaling(), taken.append), taken


def test_only_the_wanted_modalities_and_the_context_are_subscribed(spinner: Spinner) -> None:
    node = spinner.peer()
    listening = InputStreams(node, frozenset({Modality.ACOUSTIC}), SensorScaling(), print)
    listening.open()
    assert node.count_subscribers("acoustic/chunk") == 1
    assert node.count_subscribers("weld/context") == 1
    assert node.count_subscribers("camera/image_raw") == 0
    listening.close()
    assert node.count_subscribers("acoustic/chunk") == 0


def test_no_image_whatever_it_holds_gets_past_as_an_exception(spinner: Spinner) -> None:
    listening, taken = streams(spinner)

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from([TopicKind.CAMERA, TopicKind.THERMAL]),
        st.sampled_from(ENCODINGS),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 40),
        st.binary(max_size=200),
        st.integers(0, 1),
    )
    def feed(kind: TopicKind, encoding: str, height: int, width: int, step: int, data: bytes, big_endian: int) -> None:
        message = Image(height=height, width=width, step=step, encoding=encoding, is_bigendian=big_endian, data=data)
        message.header.stamp = stamp_message(10**9)
        before = len(taken) + sum(a.malformed for a in listening.arrivals.values())
        listening._take(topic_of(kind), message)
        assert len(taken) + sum(a.malformed for a in listening.arrivals.values()) == before + 1

    feed()


def test_rubbish_of_every_kind_is_counted_with_its_reason(spinner: Spinner) -> None:
    listening, taken = streams(spinner)
    listening._take(topic_of(TopicKind.CAMERA_COMPRESSED), CompressedImage(format="jpeg", data=b"\xff\xd8\xff half"))
    listening._take(topic_of(TopicKind.ACOUSTIC), AcousticChunk(sample_rate_hz=16_000, samples=[0.0, math.nan]))
    backwards = WeldTelemetry()
    backwards.header.stamp.sec = -5
    listening._take(topic_of(TopicKind.TELEMETRY), backwards)
    assert not taken
    assert {m: a.malformed for m, a in listening.arrivals.items()} == {
        Modality.CAMERA: 1,
        Modality.THERMAL: 0,
        Modality.ACOUSTIC: 1,
        Modality.TELEMETRY: 1,
    }
    assert "NaN" in listening.arrivals[Modality.ACOUSTIC].reason
    assert all(entry.silent_s is None for entry in listening.health(dict.fromkeys(MODALITIES, 1.0)))


def test_a_sensor_without_a_stamp_is_refused_unless_time_begins_at_zero(spinner: Spinner) -> None:
    listening, taken = streams(spinner)
    listening._take(topic_of(TopicKind.TELEMETRY), WeldTelemetry())
    assert not taken
    assert "header.stamp is 0" in listening.arrivals[Modality.TELEMETRY].reason
    simulated = rclpy.create_node(
        "simulated", context=spinner.context, parameter_overrides=[Parameter("use_sim_time", value=True)]
    )
    spinner.add(simulated)
    InputStreams(simulated, frozenset(MODALITIES), SensorScaling(), taken.append)._take(
        topic_of(TopicKind.TELEMETRY), WeldTelemetry()
    )
    assert [sample.stamp_ns for sample in taken] == [0]


def test_good_messages_arrive_and_are_remembered(spinner: Spinner) -> None:
    listening, taken = streams(spinner)
    message = WeldTelemetry(current_a=180.0, voltage_v=22.0, wire_feed_speed_m_s=math.inf)
    message.header.stamp = stamp_message(3)
    listening._take(topic_of(TopicKind.TELEMETRY), message)
    listening._take(topic_of(TopicKind.CONTEXT), WeldContext(process=200))
    assert isinstance(taken[0], TelemetrySample)
    assert taken[0].current_a == np.float32(180)
    assert len(taken) == 2
    health = {entry.modality: entry for entry in listening.health(dict.fromkeys(MODALITIES, 1.0))}
    assert health[Modality.TELEMETRY].flows
    assert not health[Modality.CAMERA].flows
    listening.forget()
    assert listening.arrivals[Modality.TELEMETRY].last is None


def images(spinner: Spinner) -> tuple[Callable[[], None], Callable[[], None]]:
    """Publishers of a raw and of a compressed image, as a driver with image_transport has them."""
    driver, stamps = spinner.peer(), itertools.count(10**9, 10**7)
    raw = driver.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
    compressed = driver.create_publisher(CompressedImage, "camera/image_raw/compressed", qos.SENSOR_SOURCE)
    jpeg = cv2.imencode(".jpg", np.zeros((12, 16, 3), np.uint8))[1].tobytes()

    def send_raw() -> None:
        raw.publish(image_message(np.zeros((12, 16, 3), np.uint8), "bgr8", next(stamps), "weld_camera"))

    def send_compressed() -> None:
        message = CompressedImage(format="jpeg", data=jpeg)
        message.header.stamp = stamp_message(next(stamps))
        compressed.publish(message)

    return send_raw, send_compressed


def listeners(spinner: Spinner, node: Node) -> tuple[int, int]:
    def count() -> tuple[int, int]:
        return node.count_subscribers("camera/image_raw"), node.count_subscribers("camera/image_raw/compressed")

    return spinner.run(count)


def test_one_camera_transport_is_kept_to_and_both_are_listened_for_when_it_falls_silent(
    spinner: Spinner, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, taken = spinner.peer(), []
    listening = InputStreams(node, frozenset({Modality.CAMERA}), SensorScaling(), taken.append)
    send_raw, send_compressed = images(spinner)
    spinner.run(listening.open)
    assert until(lambda: listeners(spinner, node) == (1, 1))
    assert until(lambda: [send_compressed()] and taken)
    assert until(lambda: listeners(spinner, node) == (0, 1)), "the raw topic is still served"
    spinner.run(listening.look_for_camera)
    assert listeners(spinner, node) == (0, 1)
    monkeypatch.setattr(input_streams, "TRANSPORT_SILENCE_S", 0.0)
    spinner.run(listening.look_for_camera)
    assert until(lambda: listeners(spinner, node) == (1, 1))
    taken.clear()
    assert until(lambda: [send_raw()] and taken)
    assert until(lambda: listeners(spinner, node) == (1, 0))
    late = CompressedImage(format="jpeg", data=b"of the other one")
    late.header.stamp = stamp_message(10**10)
    before = len(taken)
    spinner.run(lambda: listening._take(topic_of(TopicKind.CAMERA_COMPRESSED), late))
    assert len(taken) == before


def test_a_transport_whose_images_cannot_be_decoded_is_not_kept_to(
    spinner: Spinner, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, taken = spinner.peer(), []
    listening = InputStreams(node, frozenset({Modality.CAMERA}), SensorScaling(), taken.append)
    send_raw, send_compressed = images(spinner)
    spinner.run(listening.open)
    assert until(lambda: listeners(spinner, node) == (1, 1))
    broken = CompressedImage(format="jpeg", data=b"\xff\xd8\xff" + bytes(64) + b"\xff\xd9")
    broken.header.stamp = stamp_message(10**9)
    spinner.run(lambda: listening._take(topic_of(TopicKind.CAMERA_COMPRESSED), broken))
    assert not taken and "cannot be decoded" in listening.arrivals[Modality.CAMERA].reason
    assert listeners(spinner, node) == (1, 1), "settled on what nobody can read"
    assert until(lambda: [send_compressed()] and taken)
    assert until(lambda: listeners(spinner, node) == (0, 1))
    spinner.run(lambda: listening.look_for_camera(enters=False))
    assert listeners(spinner, node) == (0, 1), "it can be decoded: the fault lies elsewhere"
    spinner.run(lambda: listening._take(topic_of(TopicKind.CAMERA_COMPRESSED), broken))
    spinner.run(lambda: listening.look_for_camera(enters=True))
    assert listeners(spinner, node) == (0, 1), "one broken image among good ones"
    spinner.run(lambda: listening.look_for_camera(enters=False))
    assert until(lambda: listeners(spinner, node) == (1, 1))
    assert until(lambda: [send_raw()] and listeners(spinner, node) == (1, 0))


def test_a_camera_that_was_silent_at_a_reset_is_looked_for_again(
    spinner: Spinner, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, taken = spinner.peer(), []
    listening = InputStreams(node, frozenset({Modality.CAMERA}), SensorScaling(), taken.append)
    _, send_compressed = images(spinner)
    spinner.run(listening.open)
    assert until(lambda: [send_compressed()] and taken)
    spinner.run(listening.forget)
    spinner.run(listening.look_for_camera)
    assert until(lambda: listeners(spinner, node) == (0, 1))
    monkeypatch.setattr(input_streams, "TRANSPORT_SILENCE_S", 0.0)
    spinner.run(listening.look_for_camera)
    assert until(lambda: listeners(spinner, node) == (1, 1))


@pytest.mark.parametrize(("transport", "expected"), [("raw", (1, 0)), ("compressed", (0, 1))])
def test_a_named_transport_is_the_only_one(spinner: Spinner, transport: str, expected: tuple[int, int]) -> None:
    node = spinner.peer()
    listening = InputStreams(node, frozenset({Modality.CAMERA}), SensorScaling(), print, transport)
    spinner.run(listening.open)
    assert until(lambda: listeners(spinner, node) == expected)
