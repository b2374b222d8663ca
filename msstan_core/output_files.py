"""Whether a result can be written where it is asked for: asked before the work, not after it. And files that are whole
or not there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.recordings.annotations import FILE_NAME
from msstan_core.recordings.bag_files import METADATA_FILE, STORAGE_SUFFIXES


def check_output_file(path: Path) -> None:
    """See that a file can be written, whose folder need not be there yet; nothing is made.

    Raises:
        InputError: where ``path`` is a folder, a device or a pipe (renaming onto it would replace it), a part of a
            recording, or where its folder cannot be made or written to.
    """
    if path.is_dir():
        raise InputError(path, "is a folder", "name a file in it")
    if path.exists() and not path.is_file():
        raise InputError(path, "is no regular file", "name another file")
    beside = path.name in (METADATA_FILE, FILE_NAME) and _holds_a_recording(path.parent)
    if path.suffix in STORAGE_SUFFIXES or beside:
        raise InputError(path, "is a recording, or a part of one", "name another file")
    check_output_folder(path.parent)


def _holds_a_recording(folder: Path) -> bool:
    return folder.is_dir() and any(file.suffix in STORAGE_SUFFIXES for file in folder.iterdir())


def check_output_folder(path: Path) -> None:
    """See that files can be written into a folder, which need not be there yet; nothing is made.

    Raises:
        InputError: where ``path``, or what of it is there, is no folder or cannot be written to.
    """
    there = next(p for p in (path, *path.absolute().parents) if p.exists() or p.is_symlink())
    if not there.is_dir():
        if there == path:
            raise InputError(path, "is no folder", "name another one, or one to be made")
        raise InputError(path, f"cannot be made: {there} is no folder", "name a folder elsewhere")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(
            path, f"cannot be written to ({error.strerror or error})", "check path, space and rights"
        ) from None


@contextmanager
def written_whole(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A file to write beside ``path``: takes its place when the block ends well, and is removed when it does not.

    Its name is this process's own, so that several may make the same file: the last one's stays. It ends as that of
    ``path`` does. The folder is made where it is missing.

    Args:
        path: the file that is meant. durable: on the disk when this returns, also where the power fails then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield partial
        if durable:
            _sync(partial)
        partial.replace(path)
        if durable:
            _sync(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
