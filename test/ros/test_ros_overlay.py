import math
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import Spinner, decision_for, until
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import MarkerArray

from msstan_core.decision.result import ImageRegion
from msstan_core.explain.overlay import (
    ACTION_COLOURS,
    ALARM,
    STRIP_PX,
    SUSPICION,
    WIDTH_PX,
    OpenAnomaly,
    OverlayContent,
    draw_overlay,
    thermal_picture,
)
from msstan_core.messages import TopicKind
from msstan_core.observation import Tick
from msstan_core.vocabulary import Action
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import action_message, image_message, stamp_message
from msstan_ros.overlay_node import OverlayNode, markers

GREY = np.full((120, 160), 90, np.uint8)


def content(**changes: object) -> OverlayContent:
    fields: dict[str, object] = {"action": Action.COOLING, "probability": 0.7, "weights": (0.5, 0.0, 0.5, 0.0)}
    return OverlayContent(**{**fields, "valid": (True, False, True, False), **changes})  # type: ignore[arg-type]


def test_the_picture_keeps_its_proportions_and_gets_a_strip() -> None:
    drawn = draw_overlay(GREY, content())
    assert drawn.shape == (480 + STRIP_PX, WIDTH_PX, 3)
    assert drawn.dtype == np.uint8


def test_the_bar_grows_with_the_probability() -> None:
    colour = np.array(ACTION_COLOURS[Action.COOLING])

    def bar(probability: float) -> int:
        strip = draw_overlay(GREY, content(probability=probability))[-STRIP_PX + 20, 362:558]
        return int((strip == colour).all(axis=-1).sum())

    assert bar(0.0) == 0
    assert bar(0.25) < bar(0.75) < bar(1.0)


def test_an_unknown_action_shows_no_bar() -> None:
    drawn = draw_overlay(None, OverlayContent())
    assert np.unique(drawn[-STRIP_PX + 20, 370:550].reshape(-1, 3), axis=0).shape[0] == 1


def test_attention_tints_where_it_is_high_and_leaves_the_rest() -> None:
    attention = np.zeros((6, 8), np.float32)
    attention[1, 1] = 1
    plain, tinted = draw_overlay(GREY, content()), draw_overlay(GREY, content(), attention)
    assert np.abs(tinted[80:160, 80:160].astype(int) - plain[80:160, 80:160]).max() > 40
    assert np.array_equal(tinted[300:480, 320:], plain[300:480, 320:])


def test_attention_that_prefers_nothing_changes_nothing() -> None:
    even = np.full((6, 8), 1 / 48, np.float32)
    assert np.array_equal(draw_overlay(GREY, content(), even), draw_overlay(GREY, content()))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.one_of(st.floats(0, 1), st.just(math.nan)),
    st.lists(st.text(max_size=200), max_size=6),
)
def test_any_picture_and_any_text_can_be_drawn(height: int, width: int, probability: float, texts: list[str]) -> None:
    drawn = draw_overlay(
        np.zeros((height, width, 3), np.uint8),
        content(
            probability=probability, anomalies=tuple(OpenAnomaly(t, region=ImageRegion(0, 0, 1, 1)) for t in texts)
        ),
    )
    assert drawn.shape[1:] == (WIDTH_PX, 3)


def test_region_of_an_open_anomaly_is_framed_in_the_picture() -> None:
    picture = np.full((360, 640), 100, np.uint8)
    region = ImageRegion(0.25, 0.5, 0.5, 0.75)
    suspected, alarm, nowhere = OpenAnomaly("", region=region), OpenAnomaly("", True, region), OpenAnomaly("", True)
    drawn = draw_overlay(picture, OverlayContent(anomalies=(nowhere, suspected)))
    alarmed = draw_overlay(picture, OverlayContent(anomalies=(alarm, suspected)))
    for shown, colour in ((drawn, SUSPICION), (alarmed, ALARM)):
        for stroke in (shown[177:184, 200], shown[200, 157:164]):
            assert (stroke == colour).all(axis=-1).any()
    assert tuple(drawn[225, 240]) == tuple(drawn[100, 240]) == (100, 100, 100), "inside and outside are left alone"
    nothing = draw_overlay(None, OverlayContent(anomalies=(suspected,)))
    assert not nothing[177:360].any(), "no picture, nothing to point at"


def test_thermal_colours_mean_the_same_in_every_image() -> None:
    cold = thermal_picture(np.full((4, 4), 400, np.float32))
    mixed = np.full((4, 4), 1900, np.float32)
    mixed[0, 0] = 400
    assert np.array_equal(thermal_picture(mixed)[0, 0], cold[0, 0])
    assert not thermal_picture(np.full((2, 2), np.nan, np.float32)).any(axis=-1).sum() > 4


def test_markers_turn_amber_for_a_suspicion_and_red_for_an_alarm() -> None:
    calm = markers(content(), "weld_camera").markers
    suspected = markers(content(anomalies=(OpenAnomaly("suspected 602 spatter"),)), "weld_camera").markers
    alarmed = markers(content(anomalies=(OpenAnomaly("ALARM 602 spatter", True),)), "weld_camera").markers
    assert suspected[0].color.r > 0.8 and suspected[0].color.g > 0.6 > alarmed[0].color.g
    assert {m.header.frame_id for m in calm} == {"weld_camera"}
    assert alarmed[0].color.r > 0.8 > calm[0].color.r
    assert "COOLING 70%" in calm[1].text
    assert "602" in alarmed[1].text
    assert calm[0].id != calm[1].id


@pytest.fixture
def overlay(spinner: Spinner) -> OverlayNode:
    node = OverlayNode(context=spinner.context)
    spinner.add(node)
    return node


def test_nothing_is_subscribed_until_somebody_looks(spinner: Spinner, overlay: OverlayNode) -> None:
    peer = spinner.peer()
    camera = peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
    actions = peer.create_publisher(WeldAction, "weld/action", qos.action(1.0))
    assert until(lambda: peer.count_publishers("weld/overlay/image"))
    time.sleep(0.3)
    assert camera.get_subscription_count() == 0
    looker = peer.create_subscription(Image, "weld/overlay/image", lambda _: None, qos.OVERLAY)
    assert until(lambda: camera.get_subscription_count() == 1 and actions.get_subscription_count() == 1)
    spinner.run(lambda: peer.destroy_subscription(looker))
    assert until(lambda: camera.get_subscription_count() == 0 and actions.get_subscription_count() == 0)
    peer.create_subscription(MarkerArray, "weld/markers", lambda _: None, qos.OVERLAY)
    assert until(lambda: actions.get_subscription_count() == 1)
    assert camera.get_subscription_count() == 0, "markers need no images"


def test_the_image_of_the_decision_is_drawn_with_its_stamp_and_the_open_anomaly(
    spinner: Spinner, overlay: OverlayNode
) -> None:
    peer, seen = spinner.peer(), []
    camera = peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
    actions = peer.create_publisher(WeldAction, "weld/action", qos.action(1.0))
    anomalies = peer.create_publisher(WeldAnomaly, "weld/anomaly", qos.ANOMALY)
    peer.create_subscription(Image, "weld/overlay/image", seen.append, qos.OVERLAY)
    assert until(lambda: all(p.get_subscription_count() for p in (camera, actions, anomalies)))
    stamp = 5_000_000_000
    for offset, brightness in ((-40_000_000, 0), (0, 200), (40_000_000, 0)):
        camera.publish(image_message(np.full((48, 64), brightness, np.uint8), "mono8", stamp + offset, "weld_camera"))
    anomaly = WeldAnomaly(event_id=1, phase=WeldAnomaly.ONSET, iso_6520_1_code=602, name="spatter")
    anomaly.alarm, anomaly.session_id = True, "s"
    anomaly.image_region = [0.25, 0.5, 0.4, 0.75]
    anomalies.publish(anomaly)
    assert until(lambda: len(overlay._camera) == 3 and overlay._open)
    tick = Tick(0, stamp, frame_id="weld_camera", valid=np.array([True, False, False, False]))
    actions.publish(action_message(decision_for(tick), "s", 0, 0.01))
    assert until(lambda: seen)
    picture = np.frombuffer(seen[0].data, np.uint8).reshape(seen[0].height, seen[0].width, 3)
    assert seen[0].header.stamp == stamp_message(stamp)
    assert seen[0].header.frame_id == "weld_camera"
    assert picture[300, 320, 0] == 200, "another image than the decision's"
    assert picture[2, 2, 2] > 200, "no red banner"
    assert (picture[300, 157:164] == ALARM).all(axis=-1).any(), "the region is not framed"
    seen.clear()
    actions.publish(action_message(decision_for(tick), "session of a restarted monitor", 0, 0.01))
    assert until(lambda: seen)
    picture = np.frombuffer(seen[0].data, np.uint8).reshape(seen[0].height, seen[0].width, 3)
    assert picture[2, 2, 2] == 200, "the banner of an event that nobody will ever clear"


def test_rubbish_on_any_input_is_said_and_the_next_good_decision_is_drawn(
    spinner: Spinner, overlay: OverlayNode
) -> None:
    peer, seen = spinner.peer(), []
    frames = peer.create_publisher(CompressedImage, "camera/image_raw/compressed", qos.SENSOR_SOURCE)
    actions = peer.create_publisher(WeldAction, "weld/action", qos.action(1.0))
    states = peer.create_publisher(WeldMonitorState, "weld/state", qos.STATE)
    attention = peer.create_publisher(Image, "weld/attention", qos.OVERLAY)
    peer.create_subscription(Image, "weld/overlay/image", seen.append, qos.OVERLAY)
    assert until(lambda: all(p.get_subscription_count() for p in (frames, actions, states, attention)))
    fields = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    header = struct.pack(">I4s", 13, b"IHDR") + fields + struct.pack(">I", zlib.crc32(b"IHDR" + fields))
    content = b"\x89PNG\r\n\x1a\n" + header + bytes(8) + b"IEND\xaeB`\x82"
    enormous = CompressedImage(format="png", data=content)
    enormous.header.stamp = stamp_message(5_000_000_000)
    frames.publish(enormous)
    states.publish(WeldMonitorState(health=99, message="from the future"))
    attention.publish(Image(height=7, width=9, encoding="32FC1", step=36, data=bytes(12)))
    assert until(lambda: overlay._camera and "UNKNOWN: from the future" in overlay._warning)
    tick = Tick(0, 5_000_000_000, frame_id="weld_camera", valid=np.array([True, False, False, False]))
    unknown = action_message(decision_for(tick), "s", 0, 0.01)
    unknown.action = 200
    actions.publish(unknown)
    undrawable = action_message(decision_for(tick), "s", 1, 0.01)
    undrawable.modality_weights = [math.nan] * 4
    actions.publish(undrawable)
    last = action_message(decision_for(tick), "s", 2, 0.01)
    last.header.stamp = stamp_message(6_000_000_000)
    actions.publish(last)
    assert until(lambda: seen and seen[-1].header.stamp == last.header.stamp)


def test_counts_of_a_thermal_camera_are_drawn_as_temperatures_once_their_scale_is_known(
    spinner: Spinner, overlay: OverlayNode
) -> None:
    peer, seen = spinner.peer(), []
    thermal = peer.create_publisher(Image, "thermal/image_raw", qos.SENSOR_SOURCE)
    actions = peer.create_publisher(WeldAction, "weld/action", qos.action(1.0))
    peer.create_subscription(Image, "weld/overlay/image", seen.append, qos.OVERLAY)
    assert until(lambda: thermal.get_subscription_count() and actions.get_subscription_count())
    scale = Parameter("thermal.celsius_per_count", value=0.04)
    assert spinner.run(lambda: overlay.set_parameters([scale]))[0].successful
    stamp = 5_000_000_000
    counts = np.full((48, 64), 30_000, np.uint16)
    thermal.publish(image_message(counts, "mono16", stamp, "weld_thermal"))
    assert until(lambda: overlay._thermal is not None)
    assert overlay._thermal.celsius[0, 0] == pytest.approx(30_000 * 0.04 - 273.15)
    tick = Tick(0, stamp, frame_id="weld_thermal", valid=np.array([False, True, False, False]))
    actions.publish(action_message(decision_for(tick), "s", 0, 0.01))
    assert until(lambda: seen)
    picture = np.frombuffer(seen[0].data, np.uint8).reshape(seen[0].height, seen[0].width, 3)
    assert picture[300, 320].any(), "black"


def test_the_tint_is_switched_while_somebody_looks(spinner: Spinner, overlay: OverlayNode) -> None:
    peer = spinner.peer()
    attention = peer.create_publisher(Image, "weld/attention", qos.OVERLAY)
    peer.create_subscription(Image, "weld/overlay/image", lambda _: None, qos.OVERLAY)
    assert until(lambda: attention.get_subscription_count() == 1)
    for tinted in (False, True):
        spinner.run(lambda: overlay.set_parameters([Parameter("attention", value=tinted)]))  # noqa: B023
        assert until(lambda: attention.get_subscription_count() == int(tinted))  # noqa: B023


def test_a_camera_that_died_does_not_seem_to_watch(
    spinner: Spinner, overlay: OverlayNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("msstan_ros.overlay_node.time.monotonic", lambda: now[0])
    overlay._picture(TopicKind.CAMERA, image_message(np.full((48, 64), 90, np.uint8), "mono8", 1, "weld_camera"))
    seen = overlay._seen_at(1)
    assert seen is not None and (seen == 90).all()
    now[0] += 5.0
    assert overlay._seen_at(1) is None, "and there is no thermal camera"
    overlay._picture(TopicKind.THERMAL, image_message(np.full((30, 30), 900, np.float32), "32FC1", 1, "thermal"))
    assert overlay._seen_at(1) is not None
