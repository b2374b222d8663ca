"""Which simulator this is: what was found on another one's welds is not to be mixed with this one's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def simulator_sha256() -> str:
    """Hash of the simulator's source files: equal hashes, equal welds of a scenario and seed."""
    return files_sha256(Path(__file__).parent.glob("*.py"))


def files_sha256(paths: Iterable[Path]) -> str:
    """Hash of the names and contents of files, in whatever order they are named."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
