"""Result files: every figure in the documentation comes from one of these, written by a command."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msstan_core.output_files import written_whole

#: Of the source tree.
_ROOT = Path(__file__).resolve().parent.parent


def command_of(arguments: argparse.Namespace) -> str:
    """The ``msstan`` command that is running, as it was given, for :func:`write_result`."""
    return command_line("msstan", arguments.given)


def command_line(program: str, words: Iterable[str]) -> str:
    """A command with all its arguments, fit to be given again, quoted where a shell needs it.

    Of absolute paths only what lies below the working directory is told, or the last name: where else things lie on
    this machine helps nobody.
    """
    return shlex.join([program, *map(_anywhere, words)])


def _anywhere(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    path = Path(value)
    if not path.is_absolute():
        return word
    here = Path.cwd()
    return f"{option}{equals}{path.relative_to(here) if path.is_relative_to(here) else path.name}"


def write_result(
    path: Path,
    *,
    command: str,
    seeds: int,
    data: str,
    metrics: dict[str, Any],
    baselines: dict[str, Any],
    details: dict[str, Any] | None = None,
) -> None:
    """Write ``{"command", "revision", "machine", "seeds", "data", "metrics", "baselines"[, "details"]}`` atomically.

    Metrics are mappings: ``{"mean", "std"}`` over seeds, ``{"p50", "p99"}`` of times, or groups of such. A number alone
    is written as ``{"mean": number}``. A figure that is not defined (NaN) or not finite becomes null: JSON has neither.

    ``notes``, what people wrote into the file about reading its figures (a list of sentences), stay when it is written
    again.
    """
    content = {
        "command": command,
        "revision": source_revision(),
        "machine": machine(),
        "seeds": seeds,
        "data": data,
        "metrics": _finite({name: _figure(value) for name, value in metrics.items()}),
        "baselines": _finite(baselines),
    }
    if details:
        content["details"] = _finite(details)
    if notes := notes_of(path):
        content["notes"] = notes
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _figure(value: Any) -> Any:
    return {"mean": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def notes_of(path: Path) -> list[str]:
    """The notes in a result file; none where there is no file, or one that is no result file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return []
    notes = content.get("notes") if isinstance(content, dict) else None
    return [str(note) for note in notes] if isinstance(notes, list) else []


def source_revision(root: Path = _ROOT) -> str:
    """Git commit of the source tree, with "+changes" when it is modified; "unknown" outside a checkout.

    What a study has written below ``docs/`` before is no change of the source.
    """
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def machine() -> str:
    """Processor, cores and Python, for people who compare figures."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass  # not Linux: the name from platform stands
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
