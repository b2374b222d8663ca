"""Everything a training run needs to go on where it was killed, in one file that is replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from msstan_core.errors import InputError
from msstan_core.output_files import written_whole

CHECKPOINT_FILE = "checkpoint.pt"


class Part(NamedTuple):
    """One thing that has state."""

    save: Callable[[], Any]  #: -> tensors, numbers, strings, and dicts and lists of them
    restore: Callable[[Any], object]


class Checkpoint:
    """The checkpoint of one run.

    Args:
        directory: of the run; None: nothing is kept. configuration, recordings: texts that must be equal for a run to
            be resumed. parts: by name.
    """

    def __init__(self, directory: Path | None, configuration: str, recordings: str, parts: Mapping[str, Part]) -> None:
        self._path = None if directory is None else directory / CHECKPOINT_FILE
        self._configuration, self._recordings, self._parts = configuration, recordings, dict(parts)

    def restore(self) -> int:
        """Restore the parts; returns the step to go on with (0 without a checkpoint).

        Raises:
            InputError: when it cannot be read, or belongs to another configuration or other recordings.
        """
        if self._path is None or not self._path.is_file():
            return 0
        try:
            saved = torch.load(self._path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many types for damaged files
            raise InputError(self._path, f"cannot be read ({error})", "delete it to start this run over") from error
        if not isinstance(saved, dict) or not {"config", "step"} <= saved.keys():
            raise InputError(self._path, "is no checkpoint of a training", "delete it to start this run over")
        if saved["config"] != self._configuration:
            raise InputError(
                self._path, "belongs to another configuration", "choose another --out, or delete it to start over"
            )
        if saved.get("recordings") != self._recordings:
            raise InputError(
                self._path,
                "belongs to other recordings, or to other labels or --params of these",
                "choose another --out, or delete it to start over",
            )
        if missing := [name for name in self._parts if name not in saved]:
            raise InputError(self._path, f"lacks {', '.join(missing)}", "delete it to start this run over")
        try:
            for name, part in self._parts.items():
                part.restore(saved[name])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # of another version, whose parts differ
            said = " ".join(str(error).split())
            raise InputError(self._path, f"does not fit this version ({said})", "delete it to start over") from None
        return int(saved["step"])

    def save(self, step: int) -> None:
        """Write all parts. A kill at any moment leaves the last complete checkpoint."""
        if self._path is None:
            return
        content = {name: part.save() for name, part in self._parts.items()}
        with written_whole(self._path, durable=True) as file:
            torch.save({"config": self._configuration, "recordings": self._recordings, "step": step, **content}, file)
