"""Draws what the monitor says over what it sees, and markers for RViz. Works only while somebody looks."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray

from msstan_core.decision.result import ImageRegion
from msstan_core.errors import InputError
from msstan_core.explain.overlay import (
    ACTION_COLOURS,
    ALARM,
    SUSPICION,
    Colour,
    OpenAnomaly,
    OverlayContent,
    anomaly_words,
    draw_overlay,
    thermal_picture,
)
from msstan_core.messages import Topic, TopicKind, sample_from_message, topic_of
from msstan_core.observation import CameraFrame, ThermalFrame
from msstan_core.parameters import ParameterSpec
from msstan_core.preprocessing.images import decoded
from msstan_core.vocabulary import Action, known
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import image_message, image_region, stamp_nanoseconds
from msstan_ros.health import Health
from msstan_ros.message_types import message_class
from msstan_ros.node_process import run_node
from msstan_ros.open_events import OpenEvents
from msstan_ros.parameters import declare, value_of
from msstan_ros.scaling_parameters import SCALING_SPECS_ANY_TIME, read_scaling

#: A picture that arrived longer ago, s, shows another moment than the decision.
OLDEST_PICTURE_S = 1.0
#: Images held while their decision is on its way; 10 at 30 Hz are a third of a second.
HELD_IMAGES = 10
#: Frame of the markers where neither parameter nor messages name one.
DEFAULT_FRAME = "weld_camera"
#: RViz removes a marker that is not renewed for this long, s.
MARKER_LIFETIME_S = 2
#: The same complaint is logged at most this often, s.
LOG_INTERVAL_S = 5.0

SPECS = (
    ParameterSpec(
        "marker_frame", "", "frame of the markers; empty: the camera's, as the messages name it", while_active=True
    ),
    ParameterSpec("attention", True, "tint the picture where the model looks", while_active=True),
    *SCALING_SPECS_ANY_TIME,
)


_PICTURES = (TopicKind.CAMERA, TopicKind.CAMERA_COMPRESSED, TopicKind.THERMAL)


class OverlayNode(Node):
    """Publishes ``weld/overlay/image`` (bgr8) and ``weld/markers``; listens only while these are read."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("weld_overlay", **arguments)
        declare(self, SPECS)
        self._image_out = self._publisher(Image, "weld/overlay/image")
        self._markers_out = self._publisher(MarkerArray, "weld/markers")
        self._inputs: list[Subscription] = []
        self._picture_inputs: list[Subscription] = []
        self._attention_input: list[Subscription] = []
        self._scaling = read_scaling(self)
        self._forget()
        self.add_post_set_parameters_callback(lambda _parameters: self._parameters_set())

    def _parameters_set(self) -> None:
        self._scaling = read_scaling(self)
        self._listen_as_needed()

    def _forget(self) -> None:
        self._camera: deque[CameraFrame] = deque(maxlen=HELD_IMAGES)
        self._camera_arrived_s = -math.inf  # of the newest, by the steady clock
        self._thermal: ThermalFrame | None = None
        self._attention: NDArray[np.float32] | None = None
        self._session_id = ""
        self._open: dict[int, WeldAnomaly] = {}  #: of this session, by event id
        self._spoken_of: OpenEvents[int] = OpenEvents()
        self._warning = ""

    def _publisher(self, kind: type[Any], topic: str) -> Publisher:
        report = qos.incompatibility_reporter(self.resolve_topic_name(topic), self.get_logger().error)
        matched = self._guarded(topic, lambda _event: self._listen_as_needed())
        events = PublisherEventCallbacks(matched=matched, incompatible_qos=report)
        return self.create_publisher(kind, topic, qos.OVERLAY, event_callbacks=events)

    # -- subscribe only while somebody looks ----------------------------------------------------------------------

    def _listen_as_needed(self) -> None:
        image_read = self._image_out.get_subscription_count() > 0
        read = image_read or self._markers_out.get_subscription_count() > 0
        if read and not self._inputs:
            self._inputs = [
                self._listen(WeldAction, "weld/action", qos.RESULT_READER, self._decided),
                self._listen(WeldAnomaly, "weld/anomaly", qos.ANOMALY, self._anomaly),
                self._listen(WeldMonitorState, "weld/state", qos.RESULT_READER, self._state),
            ]
        if image_read and not self._picture_inputs:
            self._picture_inputs = [self._listen_to_picture(topic_of(kind)) for kind in _PICTURES]
        tinted = image_read and value_of(self, "attention")
        if tinted and not self._attention_input:
            self._attention_input = [self._listen(Image, "weld/attention", qos.OVERLAY, self._attended)]
        if not tinted:
            self._stop_listening(self._attention_input)
            self._attention = None
        if not image_read:
            self._stop_listening(self._picture_inputs)
        if not read:
            self._stop_listening(self._inputs)
            self._forget()

    def _listen(self, kind: type[Any], topic: str, profile: QoSProfile, callback: Any) -> Subscription:
        return self.create_subscription(kind, topic, self._guarded(topic, callback), profile)

    def _guarded(self, topic: str, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """``callback``, whose failure is said and costs this one drawing: rubbish on a topic must not end the node."""

        def run(message: Any) -> None:
            try:
                callback(message)
            except InputError as error:
                self._complain(str(error))
            except Exception as error:
                self._complain(f"{topic}: {type(error).__name__}: {error}")

        return run

    def _complain(self, text: str) -> None:
        self.get_logger().warning(f"not drawn: {text}", throttle_duration_sec=LOG_INTERVAL_S)

    def _listen_to_picture(self, topic: Topic) -> Subscription:
        kind = message_class(topic.type_name)
        return self._listen(kind, topic.name, qos.SENSOR, lambda message: self._picture(topic.kind, message))

    def _stop_listening(self, subscriptions: list[Subscription]) -> None:
        for subscription in subscriptions:
            self.destroy_subscription(subscription)
        subscriptions.clear()

    # -- inputs ---------------------------------------------------------------------------------------------------

    def _picture(self, kind: TopicKind, message: Any) -> None:
        sample = sample_from_message(kind, message, self._scaling)
        if isinstance(sample, CameraFrame):
            self._camera.append(sample)
            self._camera_arrived_s = time.monotonic()
        elif isinstance(sample, ThermalFrame):
            self._thermal = sample

    def _attended(self, message: Image) -> None:
        self._attention = np.frombuffer(message.data, np.float32).reshape(message.height, message.width)

    def _anomaly(self, message: WeldAnomaly) -> None:
        self._of_session(message.session_id)
        if message.phase == WeldAnomaly.CLEARED:
            self._open.pop(message.event_id, None)
            self._spoken_of.end(message.event_id)
        else:
            self._open[message.event_id] = message
            self._spoken_of.renew(message.event_id)

    def _state(self, message: WeldMonitorState) -> None:
        health = known(Health, message.health)
        self._warning = "" if health is Health.OK else f"{health.name}: {message.message}"
        if health in (Health.STALE, Health.ERROR):  # no decision will come that would say it
            self._publish(OverlayContent(warning=self._warning), self.get_clock().now().nanoseconds, "", None)

    def _of_session(self, session_id: str) -> None:
        """Another session, after a restart of the monitor, knows nothing of the events of the one before it."""
        if session_id != self._session_id:
            self._session_id = session_id
            self._open.clear()
            self._spoken_of = OpenEvents()

    def _decided(self, message: WeldAction) -> None:
        self._of_session(message.session_id)
        for event_id in self._spoken_of.lost():
            self._open.pop(event_id, None)
        shown = sorted(self._open.values(), key=lambda anomaly: not anomaly.alarm)  # few are shown: alarms first
        content = OverlayContent(
            action=known(Action, message.action),
            probability=message.probability,
            weights=tuple(float(w) for w in message.modality_weights),
            valid=tuple(bool(v) for v in message.modality_valid),
            anomalies=tuple(OpenAnomaly(_in_words(a), a.alarm, self._region(a)) for a in shown),
            warning=self._warning,
            latency_s=message.pipeline_latency_s,
        )
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        self._publish(content, stamp_ns, message.header.frame_id, self._seen_at(stamp_ns))

    # -- outputs --------------------------------------------------------------------------------------------------

    def _seen_at(self, stamp_ns: int) -> NDArray[np.uint8] | None:
        """The camera image the decision is about, the newest one if that is gone, or else the thermal image."""
        if self._camera and time.monotonic() - self._camera_arrived_s > OLDEST_PICTURE_S:
            self._camera.clear()  # a camera that has died must not seem to watch
        if self._camera:
            frame = next((f for f in reversed(self._camera) if f.stamp_ns == stamp_ns), self._camera[-1])
            if frame.image is not None:
                return frame.image
            return decoded(frame, cv2.IMREAD_REDUCED_COLOR_2)
        return thermal_picture(self._thermal.celsius) if self._thermal is not None else None

    def _region(self, anomaly: WeldAnomaly) -> ImageRegion | None:
        """What an anomaly points at; nothing in a thermal picture, which is another camera's."""
        return image_region(anomaly) if self._camera else None

    def _publish(
        self, content: OverlayContent, stamp_ns: int, frame_id: str, picture: NDArray[np.uint8] | None
    ) -> None:
        if self._image_out.get_subscription_count() > 0:
            drawn = draw_overlay(picture, content, self._attention)
            self._image_out.publish(image_message(drawn, "bgr8", stamp_ns, frame_id))
        if self._markers_out.get_subscription_count() > 0:
            frame = value_of(self, "marker_frame") or frame_id or DEFAULT_FRAME
            self._markers_out.publish(markers(content, frame))


def markers(content: OverlayContent, frame_id: str) -> MarkerArray:
    """A sphere and above it the action in words, at the frame's origin.

    The sphere has the action's colour, amber while something is suspected, red while an alarm is open. They carry no
    stamp, so RViz shows them without a transform history.
    """
    sphere = _marker(0, Marker.SPHERE, frame_id, _colour(content))
    sphere.scale.x = sphere.scale.y = sphere.scale.z = 0.02
    text = _marker(1, Marker.TEXT_VIEW_FACING, frame_id, (235, 235, 235))
    text.pose.position.z = 0.04
    text.scale.z = 0.012
    probability = f" {content.probability:.0%}" if content.action is not Action.UNKNOWN else ""
    text.text = "\n".join(
        [f"{content.action.name}{probability}", *(a.text for a in content.anomalies), *filter(None, [content.warning])]
    )
    return MarkerArray(markers=[sphere, text])


def _colour(content: OverlayContent) -> Colour:
    if content.alarm:
        return ALARM
    return SUSPICION if content.anomalies else ACTION_COLOURS[content.action]


def _marker(number: int, kind: int, frame_id: str, colour: Colour) -> Marker:
    marker = Marker(ns="weld", id=number, type=kind, action=Marker.ADD)
    marker.header.frame_id = frame_id
    marker.pose.orientation.w = 1.0
    marker.lifetime.sec = MARKER_LIFETIME_S
    blue, green, red = (part / 255 for part in colour)
    marker.color.r, marker.color.g, marker.color.b, marker.color.a = red, green, blue, 1.0
    return marker


def _in_words(anomaly: WeldAnomaly) -> str:
    return anomaly_words(
        anomaly.iso_6520_1_code,
        anomaly.name,
        anomaly.score,
        anomaly.threshold,
        alarm=anomaly.alarm,
        alarm_threshold=anomaly.alarm_threshold,
    )


def main() -> None:
    """Entry point of the executable ``overlay_node``."""
    sys.exit(run_node(OverlayNode))


if __name__ == "__main__":
    main()
