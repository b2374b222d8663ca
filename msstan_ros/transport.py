"""The transport settings that every process of the system is started with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.resources import share_path

#: Shared memory that must be free for the large segments (one per process, and some room), bytes.
SHARED_MEMORY_NEEDED = 512 * 1024 * 1024
#: Where Linux keeps it.
SHARED_MEMORY_FOLDER = Path("/dev/shm")
#: Names under which Fast DDS looks for a profile file; a user's own choice is respected.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def environment(base: Mapping[str, str] | None = None) -> tuple[dict[str, str], str]:
    """Variables that every process of the system is started with, and what a person should know about them.

    The shared-memory profile is left out where the user names a profile or where shared memory is too small for it.

    Returns:
        Additional variables; one line of remark, or "".
    """
    base = os.environ if base is None else base
    if any(base.get(name) for name in PROFILE_VARIABLES):
        return {}, ""
    free = shutil.disk_usage(SHARED_MEMORY_FOLDER).free if SHARED_MEMORY_FOLDER.is_dir() else 0
    if free < SHARED_MEMORY_NEEDED:
        return {}, (
            f"only {free // 2**20} MiB free in {SHARED_MEMORY_FOLDER}: images go over UDP and may be lost; "
            "give the container more (docker run --shm-size=1g)"
        )
    return {PROFILE_VARIABLES[0]: str(share_path("config/fastdds_shared_memory.xml"))}, ""


def environment_for(systems: int, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for several systems at once on this machine that keep to it.

    Raises:
        InputError: when shared memory is enough for some of them but not for all: a segment that does not fit ends the
            process that writes into it.
    """
    base = os.environ if base is None else base
    variables, _ = environment(base)
    if variables:
        free = shutil.disk_usage(SHARED_MEMORY_FOLDER).free
        needed = systems * SHARED_MEMORY_NEEDED
        if free < needed:
            raise InputError(
                f"--jobs {systems}",
                f"needs {needed // 2**20} MiB in {SHARED_MEMORY_FOLDER}, {free // 2**20} are free",
                "give fewer, or the container more (docker run --shm-size=)",
            )
    return {**variables, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
