"""Whether a result can be written where it is asked for: asked before the work, not after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from msstan_core.errors import InputError


def check_output_file(path: Path) -> None:
    """Make the folder of a file that will be written, and see that the file can be.

    Raises:
        InputError: where ``path`` is a folder, a device or a pipe (renaming onto it would replace it), or where its
            folder cannot be made or written to.
    """
    if path.is_dir():
        raise InputError(path, "is a folder", "name a file in it")
    if path.exists() and not path.is_file():
        raise InputError(path, "is no regular file", "name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(
            path, f"cannot be written ({error.strerror or error})", "check path, space and rights"
        ) from None
