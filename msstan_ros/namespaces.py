"""Namespaces as people type them."""

from __future__ import annotations

from rclpy.exceptions import InvalidNamespaceException
from rclpy.validate_namespace import validate_namespace

from msstan_core.errors import InputError


def typed_namespace(text: str, where: str) -> str:
    """A namespace without slashes around it; "" for none.

    Args:
        text: as typed: ``cell_1``, ``/line_2/cell_1``, or "".
        where: the argument, for the error.

    Raises:
        InputError: where ROS does not allow it.
    """
    inner = text.strip("/")
    try:
        validate_namespace(f"/{inner}")
    except InvalidNamespaceException as error:
        rule = str(error).splitlines()[0].removeprefix("Invalid namespace: ").rstrip(":")
        raise InputError(f"{where} {text!r}", rule, "write it like cell_1") from None
    return inner
