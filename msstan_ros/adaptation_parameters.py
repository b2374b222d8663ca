"""The parameters of the online adaptation: the fields of its settings, with their ranges and defaults."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.parameters import ParameterSpec
from msstan_core.paths import typed_path
from msstan_ros.parameters import value_of

ADAPTATION_SPECS: tuple[ParameterSpec, ...] = (
    *ParameterSpec.of_settings("adaptation", AdaptationSettings),
    ParameterSpec(
        "adaptation.folder",
        "",
        "folder for revisions and feedback, made when missing, restored from after a restart; empty: memory only",
    ),
)


def read_adaptation(node: Node) -> AdaptationSettings:
    """How much the node's model may adapt."""
    return AdaptationSettings(
        **{name: value_of(node, f"adaptation.{name}") for name in AdaptationSettings.model_fields}
    )


def read_adaptation_folder(node: Node) -> Path | None:
    """Where revisions are kept; None: nowhere but in memory."""
    text = value_of(node, "adaptation.folder")
    return typed_path(text).resolve() if text else None
