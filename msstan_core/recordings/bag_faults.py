"""Why a bag cannot be read: no bag at all, metadata that are wrong, a file that is missing, or a damaged one."""

from __future__ import annotations

from pathlib import Path, PurePath

import yaml
from rosbags.rosbag2 import Reader

from msstan_core.errors import InputError
from msstan_core.recordings.bag_files import METADATA_FILE, STORAGE_SUFFIXES

_ANEW = "write it anew: ros2 bag reindex"


def check_bag(path: Path) -> None:
    """See that a path may be a bag: a folder with metadata, or a lone file of messages.

    Raises:
        InputError: when it is not.
    """
    if not path.exists():
        raise InputError(path, "no such bag", f"give a bag folder ({METADATA_FILE} and .mcap)")
    if path.is_dir() and not (path / METADATA_FILE).is_file():
        raise InputError(path, f"not a bag: {METADATA_FILE} is missing", "give a bag folder, or run ros2 bag reindex")
    if not path.is_dir() and path.suffix not in STORAGE_SUFFIXES:
        raise InputError(path, "not a bag", f"give a bag folder ({METADATA_FILE} and .mcap), or a lone .mcap file")


def unopened(path: Path, error: Exception) -> InputError:
    """What to say of a bag that could not be opened: names the part that is at fault.

    Args:
        path: of the bag. error: why it could not be opened.
    """
    if isinstance(error, PermissionError):
        return InputError(error.filename or path, f"cannot be read ({error.strerror})", "check its rights")
    if not path.is_dir():
        return broken(path, error)
    metadata = path / METADATA_FILE
    try:
        content = yaml.safe_load(metadata.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        return InputError(metadata, f"cannot be read ({one_line(reason)})", f"restore it, or {_ANEW}")
    described = content.get("rosbag2_bagfile_information") if isinstance(content, dict) else None
    if not isinstance(described, dict):
        return InputError(metadata, "describes no rosbag2 bag", f"give a bag folder, or {_ANEW}")
    named = described.get("relative_file_paths")
    files = [path / PurePath(str(name)).name for name in named] if isinstance(named, list) else []
    for file in files:
        if not file.exists():
            return InputError(file, f"is missing, but {METADATA_FILE} names it", "put it back beside that file")
    for file in files:
        try:
            with Reader(file):
                pass
        except Exception as reason:  # rosbags answers broken files with many types of exception
            return broken(path, reason)
    return InputError(metadata, f"does not fit its bag ({one_line(error)})", f"restore it, or {_ANEW}")


def broken(path: Path, error: Exception) -> InputError:
    """What to say of a bag whose messages cannot be read."""
    problem = f"damaged or cut bag ({one_line(error)})"
    return InputError(path, problem, "record it again, or recover it with `mcap recover`")


def one_line(error: Exception) -> str:
    """What an exception says, without line breaks; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
