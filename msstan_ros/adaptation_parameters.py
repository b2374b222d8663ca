"""The parameters of the online adaptation: the fields of its settings, with their ranges and defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from rclpy.node import Node

from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.paths import typed_path
from msstan_ros.parameters import ParameterSpec, value_of


def _spec(name: str, field: FieldInfo) -> ParameterSpec:
    limits: dict[str, Any] = {
        kind: getattr(m, kind) for m in field.metadata for kind in ("ge", "le") if hasattr(m, kind)
    }
    return ParameterSpec(
        f"adaptation.{name}", field.default, field.description or "", limits.get("ge"), limits.get("le")
    )


ADAPTATION_SPECS: tuple[ParameterSpec, ...] = (
    *(_spec(name, field) for name, field in AdaptationSettings.model_fields.items()),
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
