"""A YAML file of fields that builds on another: ``extends: default.yaml``.

The name is that of a file beside it, or a path from its folder; that file may extend another in turn. The file that
extends has the last word: mappings are merged key by key at every depth, everything else, lists too, is replaced as a
whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from msstan_core.errors import InputError

EXTENDS = "extends"


@dataclass(frozen=True, slots=True)
class ExtendedFile:
    """What a file says, together with those that it builds on."""

    files: tuple[tuple[Path, dict[str, Any]], ...]  #: each with its own fields, the one that was asked for last

    @property
    def content(self) -> dict[str, Any]:
        """All fields, merged."""
        fields: dict[str, Any] = {}
        for _, own in self.files:
            fields = merged(fields, own)
        return fields

    def file_of(self, field: Sequence[object]) -> Path:
        """The file that has the last word on a field, or the last file where none has.

        ``field``: the keys that lead to it.
        """
        return next((path for path, own in reversed(self.files) if _states(own, field)), self.files[-1][0])


def read_extended(path: Path, example: str) -> ExtendedFile:
    """Read a file and those that it builds on.

    Args:
        path: of the file. example: of one that is right, for messages.

    Raises:
        InputError: naming the file that is missing, holds no fields, or builds on itself.
    """
    files: list[tuple[Path, dict[str, Any]]] = []
    seen: list[Path] = []
    following: Path | None = path
    while following is not None:
        if following.resolve() in seen:
            raise InputError(files[-1][0], f"{EXTENDS}: {following.name} builds on this file itself", "leave one out")
        seen.append(following.resolve())
        content = _read(following, files[-1][0] if files else None, example)
        base = content.pop(EXTENDS, None)
        if base is not None and not (isinstance(base, str) and base):
            raise InputError(following, f"{EXTENDS}: is no file name (got {base!r})", f"name one file, e.g. {example}")
        files.append((following, content))
        following = None if base is None else following.parent / base
    return ExtendedFile(tuple(reversed(files)))


def _read(path: Path, extending: Path | None, example: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        if extending is None:
            raise InputError(path, "no such file", f"give a training YAML, e.g. {example}") from None
        raise InputError(extending, f"{EXTENDS}: {path}: no such file", "name a file beside this one") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML ({' '.join(str(error).split())})", "correct the line named") from None
    if not isinstance(content, dict):
        raise InputError(path, "holds no mapping of fields", f"see {example}")
    return content


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``below`` with ``above``: mappings are merged key by key at every depth, everything else is replaced."""
    both = dict(below)
    for key, value in above.items():
        known = below.get(key)
        both[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both


def _states(content: Any, field: Sequence[object]) -> bool:
    """Whether these fields hold this one, as far as keys of mappings lead."""
    for key in field:
        if not isinstance(content, dict):
            return True
        if key not in content:
            return False
        content = content[key]
    return True
