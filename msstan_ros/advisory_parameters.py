"""The parameters of the advice: the fields of the advisor's settings, with their ranges and defaults."""

from __future__ import annotations

from rclpy.node import Node

from msstan_core.advisory.advisor import AdvisorConfig
from msstan_core.parameters import ParameterSpec
from msstan_ros.parameters import value_of

ADVISORY_SPECS: tuple[ParameterSpec, ...] = ParameterSpec.of_settings("advisory", AdvisorConfig)


def read_advisory(node: Node) -> AdvisorConfig:
    """How strongly and how long the node advises."""
    return AdvisorConfig(**{name: value_of(node, f"advisory.{name}") for name in AdvisorConfig.model_fields})
