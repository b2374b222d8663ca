"""The monitor's ears: subscriptions, what arrives on them, what is refused, and how long each has been silent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.subscription import Subscription

from msstan_core.errors import InputError
from msstan_core.image_encodings import SensorScaling
from msstan_core.messages import TOPICS, Topic, TopicKind, refuse_unset_stamp, sample_from_message
from msstan_core.observation import CameraFrame, Sample
from msstan_core.preprocessing.images import decoded
from msstan_core.vocabulary import MODALITIES, Modality
from msstan_ros import qos
from msstan_ros.health import InputHealth
from msstan_ros.message_types import message_class

#: A refused message is held against its modality for this long, s.
MALFORMED_MEMORY_S = 2.0
#: The same complaint is logged at most this often, s.
LOG_INTERVAL_S = 5.0
#: Least silence that makes a modality count as missing, s; shorter staleness limits apply to ticks all the same.
LEAST_SILENCE_S = 0.5

#: What ``camera.transport`` can be: one topic, or the first of the two that brings an image.
RAW, COMPRESSED, AUTO = "raw", "compressed", "auto"
_TRANSPORTS = {RAW: TopicKind.CAMERA, COMPRESSED: TopicKind.CAMERA_COMPRESSED}
#: In AUTO, a camera that was read and is silent for this long is looked for on both topics again, s.
TRANSPORT_SILENCE_S = 3.0

_QOS = {TopicKind.CONTEXT: qos.CONTEXT, TopicKind.ACOUSTIC: qos.SOUND}


@dataclass(slots=True)
class Arrivals:
    """What has come from one modality in this session; times by ``time.monotonic()``."""

    last: float | None = None
    stamp_ns: int | None = None  #: of the newest sample
    last_moved: float | None = None  #: when a sample came with another stamp than the one before it
    malformed: int = 0
    last_malformed: float | None = None
    reason: str = ""


class InputStreams:
    """Subscribes to the topics of ``modalities`` and hands each well-formed sample on.

    Args:
        node: creates the subscriptions; its logger hears of refused messages and QoS mismatches.
        modalities: sensors to listen to; the weld context always is.
        scaling: meaning of 16-bit images.
        accept: gets every sample, in the executor's thread; must be quick.
        transport: of the camera. A driver publishes raw and compressed images alike to whoever subscribes, and encodes
            the latter for that; read both, and every other decision would rest on another picture.
    """

    def __init__(
        self,
        node: Node,
        modalities: frozenset[Modality],
        scaling: SensorScaling,
        accept: Callable[[Sample], None],
        transport: str = AUTO,
    ) -> None:
        self._node = node
        self._scaling = scaling
        self._accept = accept
        self._transport = transport
        self._subscriptions: dict[TopicKind, Subscription] = {}
        self._settled: TopicKind | None = None  #: camera transport that images come by
        self._newest_frame: CameraFrame | None = None  #: newest image, where it came compressed
        self._forgotten_at: float | None = None
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self.arrivals = {m: Arrivals() for m in self.modalities}

    def open(self) -> None:
        """Subscribe. Publishers that wait for a reader see it from here on."""
        self._settled = None
        unwanted = {kind for name, kind in _TRANSPORTS.items() if self._transport not in (AUTO, name)}
        for topic in TOPICS:
            wanted = topic.kind not in unwanted and topic.kind not in self._subscriptions
            if wanted and (topic.modality is None or topic.modality in self.arrivals):
                self._subscriptions[topic.kind] = self._subscribe(topic)

    def close(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.popitem()[1])

    def look_for_camera(self, enters: bool = True) -> None:
        """In AUTO: listen to both transports again where the one that was read is of no use; cheap to ask.

        Args:
            enters: whether decisions rest on the camera's images. Where they do not, and the newest one cannot be
                decoded, that transport is given up as one that is silent is.
        """
        arrivals = self.arrivals.get(Modality.CAMERA)
        if self._transport != AUTO or arrivals is None or self._settled is None:
            return
        since = arrivals.last if arrivals.last is not None else self._forgotten_at
        silent = since is not None and time.monotonic() - since > TRANSPORT_SILENCE_S
        if silent or not (enters or _decodable(self._newest_frame)):
            self.open()

    def _settle_on(self, kind: TopicKind) -> None:
        """An image came this way: leave the other one, so that the driver need not serve it."""
        self._settled = kind
        for other in _TRANSPORTS.values():
            if other is not kind and other in self._subscriptions:
                self._node.destroy_subscription(self._subscriptions.pop(other))

    def listen_to(self, modalities: frozenset[Modality]) -> None:
        """Change the sensors; those that stay keep their counts. Nothing happens when all stay."""
        wanted = tuple(m for m in MODALITIES if m in modalities)
        if wanted == self.modalities:
            return
        self.close()
        self.modalities = wanted
        self.arrivals = {m: self.arrivals.get(m, Arrivals()) for m in wanted}
        self.open()

    def forget(self) -> None:
        """Start counting anew."""
        self.arrivals = {m: Arrivals() for m in self.modalities}
        self._forgotten_at = time.monotonic()

    def health(self, limits_s: dict[Modality, float]) -> list[InputHealth]:
        """State of every expected modality; ``limits_s``: silence from which it is missing."""
        now = time.monotonic()
        return [
            InputHealth(
                modality,
                None if arrivals.last is None else now - arrivals.last,
                max(limits_s[modality], LEAST_SILENCE_S),
                arrivals.last_malformed is not None and now - arrivals.last_malformed < MALFORMED_MEMORY_S,
                0.0 if arrivals.last_moved is None else now - arrivals.last_moved,
            )
            for modality, arrivals in self.arrivals.items()
        ]

    def _subscribe(self, topic: Topic) -> Subscription:
        name = self._node.resolve_topic_name(topic.name)
        events = SubscriptionEventCallbacks(
            incompatible_qos=qos.incompatibility_reporter(name, self._node.get_logger().error)
        )
        return self._node.create_subscription(
            message_class(topic.type_name),
            topic.name,
            lambda message: self._take(topic, message),
            _QOS.get(topic.kind, qos.SENSOR),
            event_callbacks=events,
        )

    def _take(self, topic: Topic, message: Any) -> None:
        try:
            sample = sample_from_message(topic.kind, message, self._scaling)
            refuse_unset_stamp(sample, self._node.get_clock().now().nanoseconds, topic.name)
        except InputError as error:
            self._refuse(topic, str(error))
            return
        except Exception as error:  # what the conversion did not foresee must not end the node either; it is said
            self._refuse(topic, f"{topic.name}: cannot be read ({type(error).__name__}: {error})")
            return
        if topic.modality is Modality.CAMERA:
            if self._settled not in (None, topic.kind):
                return  # was on its way when the other transport was settled on
            self._newest_frame = sample if isinstance(sample, CameraFrame) else None
            if self._settled is None and not _decodable(self._newest_frame):
                self._refuse(topic, f"{topic.name}: image cannot be decoded; send JPEG or PNG")
                return
            self._settle_on(topic.kind)
        if topic.modality is not None:
            arrivals = self.arrivals[topic.modality]
            arrivals.last = time.monotonic()
            if sample.stamp_ns != arrivals.stamp_ns:
                arrivals.stamp_ns, arrivals.last_moved = sample.stamp_ns, arrivals.last
        self._accept(sample)

    def _refuse(self, topic: Topic, reason: str) -> None:
        if topic.modality is not None:
            arrivals = self.arrivals[topic.modality]
            arrivals.malformed += 1
            arrivals.last_malformed = time.monotonic()
            arrivals.reason = reason
        self._node.get_logger().warning(f"message refused: {reason}", throttle_duration_sec=LOG_INTERVAL_S)


def _decodable(frame: CameraFrame | None) -> bool:
    """Whether it is an image; one that is not compressed is."""
    return frame is None or frame.encoded is None or decoded(frame, cv2.IMREAD_REDUCED_GRAYSCALE_8) is not None
