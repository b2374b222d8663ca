"""The parameters of the monitor's decisions: steadying of the action, and when a score becomes an event."""

from __future__ import annotations

from rclpy.node import Node

from msstan_core.decision.action_smoothing import SmoothingConfig
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.parameters import ParameterSpec
from msstan_ros.parameters import value_of

DECISION_SPECS: tuple[ParameterSpec, ...] = (
    *ParameterSpec.of_settings("smoothing", SmoothingConfig),
    *ParameterSpec.of_settings("events", AnomalyConfig),
)


def read_smoothing(node: Node) -> SmoothingConfig:
    """How the node's action is steadied."""
    return SmoothingConfig(**{name: value_of(node, f"smoothing.{name}") for name in SmoothingConfig.model_fields})


def read_events(node: Node) -> AnomalyConfig:
    """When the node's scores become events."""
    return AnomalyConfig(**{name: value_of(node, f"events.{name}") for name in AnomalyConfig.model_fields})
