"""The parameters of the monitor's decisions: steadying of the action, and when a score becomes an event."""

from __future__ import annotations

from rclpy.node import Node

from msstan_core.decision.action_smoothing import METHODS, SmoothingConfig
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.parameters import ParameterSpec
from msstan_ros.parameters import value_of

_SMOOTHING, _EVENTS = SmoothingConfig(), AnomalyConfig()

DECISION_SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "smoothing.method",
        _SMOOTHING.method,
        "what steadies the action: duration (filter with durations), markov (without), window (equation 49), none; "
        "card: duration or none, whichever the model card found better for the sensors of the moment",
        choices=METHODS,
    ),
    ParameterSpec("smoothing.window_s", _SMOOTHING.window_s, "window: time constant of the weights, s", 0.01, 10),
    ParameterSpec(
        "smoothing.lead",
        _SMOOTHING.lead,
        "probability by which another action must lead the one said before",
        0,
        0.99,
    ),
    ParameterSpec("smoothing.hold_s", _SMOOTHING.hold_s, "how long it must lead, s", 0, 5),
    ParameterSpec(
        "events.imperfection_threshold",
        _EVENTS.imperfection_threshold,
        "probability from which an imperfection counts where the model has no calibrated threshold",
        0.01,
        0.99,
    ),
    ParameterSpec(
        "events.clear_ratio", _EVENTS.clear_ratio, "an event is cleared below its threshold times this", 0.01, 1
    ),
    ParameterSpec("events.onset_s", _EVENTS.onset_s, "time above the threshold before an onset is said, s", 0, 30),
    ParameterSpec(
        "events.alarm_onset_s",
        _EVENTS.alarm_onset_s,
        "time at its limit before a suspicion becomes an alarm, s; limits are calibrated with the default, and a "
        "shorter time breaks what they promise",
        0,
        30,
    ),
    ParameterSpec("events.clear_s", _EVENTS.clear_s, "time below before it is cleared, s", 0, 30),
    ParameterSpec("events.unknown_s", _EVENTS.unknown_s, "time without a score after which it is cleared, s", 0.5, 600),
)


def read_smoothing(node: Node) -> SmoothingConfig:
    """How the node's action is steadied."""
    return SmoothingConfig(**{name: value_of(node, f"smoothing.{name}") for name in SmoothingConfig.model_fields})


def read_events(node: Node) -> AnomalyConfig:
    """When the node's scores become events."""
    return AnomalyConfig(**{name: value_of(node, f"events.{name}") for name in AnomalyConfig.model_fields})
