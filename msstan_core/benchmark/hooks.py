"""Measurements that other packages add: the library itself knows nothing of ROS."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

#: Entry points of this group are functions (model folder or None, seconds, out folder) -> figures.
GROUP = "msstan.benchmarks"
LIVE, SOAK = "live", "soak"

Measurement = Callable[..., dict[str, Any]]


def measurement(name: str) -> Measurement | None:
    """The measurement of this name; None where no installed package has it or what it needs is missing."""
    for entry_point in entry_points(group=GROUP, name=name):
        try:
            found: Measurement = entry_point.load()
        except ImportError:
            return None  # its package is there without ROS
        return found
    return None
