"""Where installed files (models/, config/, launch/) are: the source tree, a pip prefix or a colcon install space."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from msstan_core.errors import InputError

PACKAGE = "msstan_ros"


def _candidates() -> Iterator[Path]:
    if override := os.environ.get("MSSTAN_SHARE"):
        yield Path(override)
    source_tree = Path(__file__).resolve().parent.parent
    if (source_tree / "package.xml").is_file():
        yield source_tree
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        yield Path(prefix) / "share" / PACKAGE
    yield Path(sys.prefix) / "share" / PACKAGE


def share_path(relative: str) -> Path:
    """Absolute path of an installed file or folder, e.g. ``share_path("config/weld_monitor.yaml")``.

    Raises:
        InputError: when no installation holds it.
    """
    for root in _candidates():
        if (root / relative).exists():
            return root / relative
    raise InputError(relative, "not found in any installation", "reinstall msstan or set MSSTAN_SHARE to its share folder")


def default_model_dir() -> Path:
    """Folder of the shipped default model."""
    return share_path("models/default")
