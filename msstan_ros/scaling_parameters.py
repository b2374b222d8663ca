"""Parameters that say what the counts of 16-bit images mean, for a node that takes up a change at any time."""

from __future__ import annotations

from dataclasses import replace

from rclpy.node import Node

from msstan_core.image_encodings import SensorScaling
from msstan_core.sensor_settings import SCALING_SPECS, SensorSettings
from msstan_ros.parameters import value_of

SCALING_SPECS_ANY_TIME = tuple(replace(spec, while_active=True) for spec in SCALING_SPECS)


def read_scaling(node: Node) -> SensorScaling:
    """What the node's parameters say."""
    return SensorSettings({spec.name: value_of(node, spec.name) for spec in SCALING_SPECS}).scaling
