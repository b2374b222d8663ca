"""Parameters that say what the counts of 16-bit images mean; the same for every node that reads images."""

from __future__ import annotations

import math
from dataclasses import replace

from rclpy.node import Node

from msstan_core.image_encodings import SensorScaling
from msstan_core.parameters import ParameterSpec
from msstan_ros.parameters import value_of

#: Used at configure.
SCALING_SPECS = (
    ParameterSpec("camera.bit_depth", 16, "significant bits of a mono16 camera image", 8, 16),
    ParameterSpec(
        "thermal.celsius_per_count",
        0.0,
        "16-bit thermal images: degC per count; 0: unknown, such images are refused",
        0,
        100,
    ),
    ParameterSpec("thermal.celsius_at_zero", -273.15, "16-bit thermal images: degC of count 0", -300, 1000),
)
#: The same for a node that takes up a change at any time.
SCALING_SPECS_ANY_TIME = tuple(replace(spec, while_active=True) for spec in SCALING_SPECS)


def read_scaling(node: Node) -> SensorScaling:
    """What the node's parameters say."""
    return SensorScaling(
        camera_bit_depth=value_of(node, "camera.bit_depth"),
        thermal_celsius_per_count=value_of(node, "thermal.celsius_per_count") or math.nan,
        thermal_celsius_at_zero=value_of(node, "thermal.celsius_at_zero"),
    )
