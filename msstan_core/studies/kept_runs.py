"""What a long study keeps: one JSON line per finished run. Killed at any moment, it goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.errors import InputError
from msstan_core.simulation.revision import files_sha256

if TYPE_CHECKING:
    from msstan_core.training.recording_features import Recording

Key = tuple[str | int, ...]


#: Packages and files that what a trained network says depends on, besides configuration and recordings.
_NETWORK_CODE = (
    "model/**/*.py",
    "preprocessing/**/*.py",
    "recordings/*.py",
    "training/**/*.py",
    "calibration/*.py",
    "adaptation/*.py",
    "decision/*.py",
    "peers/**/*.py",
    "alignment*.py",
)


@cache
def network_code_sha256() -> str:
    """Hash of the code that trains, calibrates and steadies a network: kept answers are of one revision."""
    package = Path(__file__).parents[1]
    return files_sha256(path for part in _NETWORK_CODE for path in package.glob(part))


@cache
def interaction_code_sha256() -> str:
    """The same of the code that recognises interactions in clips, which has files of its own."""
    return network_code_sha256()[:12] + files_sha256(Path(__file__).parent.glob("interaction_*.py"))[:12]


def run_names(recordings: Sequence[Recording]) -> list[str]:
    """Which welds these are and how they are labelled, in one order: a part of what makes runs comparable."""

    def named(recording: Recording) -> str:
        return f"{recording.attributes.get('run_id', recording.path.name)} {recording.labels_sha256}"

    return sorted(map(named, recordings))


class KeptRuns:
    """Finished runs of one study on disk, by key.

    Args:
        path: of the JSON lines; made when missing. recipe: what makes runs comparable (configuration, data, splits).

    Raises:
        InputError: when the file was written under another recipe, or is something else.
    """

    def __init__(self, path: Path, recipe: Mapping[str, Any]) -> None:
        self._path = path
        self._runs: dict[Key, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        head = json.loads(json.dumps(dict(recipe)))  # as it reads back: tuples are lists
        if not path.is_file() or path.stat().st_size == 0:
            path.write_text(json.dumps({"recipe": head}) + "\n", encoding="utf-8")
            return
        whole = path.read_bytes()
        complete = whole[: whole.rfind(b"\n") + 1]
        if complete != whole:  # killed in the middle of a line: that run is done again
            with path.open("r+b") as stream:
                stream.truncate(len(complete))
        try:
            first, *rest = (json.loads(line) for line in complete.splitlines())
            found = first["recipe"]
            self._runs = {tuple(line["run"]): line["figures"] for line in rest}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(path, f"cannot be continued ({error})", "remove it to begin anew") from None
        if found != head:
            differs = [k for k in {**found, **head} if found.get(k) != head.get(k)]
            raise InputError(path, f"holds runs of another {', '.join(differs)}", "remove it, or give another --json")

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, key: Key) -> bool:
        return key in self._runs

    def __getitem__(self, key: Key) -> dict[str, Any]:
        return self._runs[key]

    def add(self, key: Key, figures: Mapping[str, Any]) -> None:
        """Keep the figures of a finished run; on disk when this returns."""
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"run": key, "figures": figures}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._runs[key] = dict(figures)

    def matching(self, *beginning: str | int) -> list[dict[str, Any]]:
        """Figures of all runs whose key begins like this, in the order they were kept."""
        return [figures for key, figures in self._runs.items() if key[: len(beginning)] == beginning]
