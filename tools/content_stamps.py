"""Stamps that say which set-up step has finished, and for which content."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(*parts: str | Path) -> str:
    """SHA-256 over texts, files and folders (names and contents of all files below, without caches)."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode() + b"\0")
            continue
        files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
        for file in files:
            if "__pycache__" not in file.parts and file.is_file():
                total.update(str(file.relative_to(part.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


class Stamps:
    """One file a step below ``folder``, holding the digest that the step was done for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, step: str) -> str:
        """Digest that ``step`` was last done for; empty when it never was."""
        file = self.folder / f"{step}.stamp"
        return file.read_text() if file.is_file() else ""

    def is_done(self, step: str, content: str) -> bool:
        """Whether ``step`` has finished with exactly this content."""
        return self.get(step) == content

    def mark_done(self, step: str, content: str) -> None:
        """Record that ``step`` has finished with this content."""
        (self.folder / f"{step}.stamp").write_text(content)
