"""What all nodes that play the sensors' part share: their publishers, and the choice of sensors to play."""

from __future__ import annotations

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher

from msstan_core.messages import Topic, TopicKind
from msstan_core.parameters import ParameterSpec
from msstan_core.vocabulary import Modality, parse_modalities
from msstan_ros import qos
from msstan_ros.message_types import message_class
from msstan_ros.parameters import modality_names, value_of

_QOS = {TopicKind.CONTEXT: qos.CONTEXT, TopicKind.ACOUSTIC: qos.SOUND_SOURCE}


def sensor_publisher(node: Node, topic: Topic) -> Publisher:
    """A publisher of ``topic`` with its quality of service; readers that do not fit are logged as errors.

    Raises:
        InputError: when the message type is not installed.
    """
    report = qos.incompatibility_reporter(node.resolve_topic_name(topic.name), node.get_logger().error)
    return node.create_publisher(
        message_class(topic.type_name),
        topic.name,
        _QOS.get(topic.kind, qos.SENSOR_SOURCE),
        event_callbacks=PublisherEventCallbacks(incompatible_qos=report),
    )


def modalities_parameter(description: str) -> ParameterSpec:
    """The parameter ``modalities``: names of sensors, or none for all."""
    return ParameterSpec(
        "modalities",
        [""],
        description,
        check=lambda names: modality_names(names) if any(names) else "",
        read_only=True,
    )


def chosen_modalities(node: Node) -> frozenset[Modality]:
    """What the parameter ``modalities`` of ``node`` says; all where it names none."""
    names = ",".join(filter(None, value_of(node, "modalities")))
    return parse_modalities(names) if names else frozenset(Modality)
