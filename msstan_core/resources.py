"""Where installed files (models/, config/, launch/) are: the source tree, a pip prefix or a colcon install space."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from msstan_core.errors import InputError

PACKAGE = "msstan_ros"


def _candidates(package: str) -> Iterator[Path]:
    if package != PACKAGE:  # the source tree and a plain pip installation hold it below msstan_ros
        yield from (own / package for own in _candidates(PACKAGE))
    elif override := os.environ.get("MSSTAN_SHARE"):
        yield Path(override)
    source_tree = Path(__file__).resolve().parent.parent
    if package == PACKAGE and (source_tree / "package.xml").is_file():
        yield source_tree
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        yield Path(prefix) / "share" / package
    for prefix in (sys.prefix, sysconfig.get_path("data"), site.getuserbase()):
        yield Path(prefix) / "share" / package


def share_path(relative: str, package: str = PACKAGE) -> Path:
    """Absolute path of an installed file or folder, e.g. ``share_path("config/weld_monitor.yaml")``.

    Args:
        relative: path below the package's share folder (in the source tree: below the package).
        package: ROS package that installs it.

    Raises:
        InputError: when no installation holds it.
    """
    for root in _candidates(package):
        if (root / relative).exists():
            return root / relative
    raise InputError(
        relative, "not found in any installation", "reinstall msstan or set MSSTAN_SHARE to its share folder"
    )


def default_model_dir() -> Path:
    """Folder of the shipped default model."""
    return share_path("models/default")
