"""Message classes by the type names of bags and topic tables."""

from __future__ import annotations

import importlib
from typing import Any

from msstan_core.errors import InputError


def message_class(type_name: str) -> type[Any]:
    """``"sensor_msgs/msg/Image"`` -> the class that rclpy publishes.

    Raises:
        InputError: when its package is not installed or has no such message.
    """
    package, _, name = type_name.partition("/msg/")
    try:
        found: type[Any] = getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError):
        raise InputError(
            type_name, "this message type is not installed", f"install {package}, or leave its topic out"
        ) from None
    return found
