"""Welds of a study that are done, kept in a file line by line, so that the study can be interrupted at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.tasks import Task
from msstan_core.errors import InputError

#: Follows the name of the result file.
SUFFIX = ".welds.jsonl"


class KeptWelds:
    """The file of the welds that are done; a context manager that holds it open for more.

    Args:
        path: JSON lines; the first says what the welds are of, each other one is a weld, as they were done.
        revision: of model, simulator and whatever else decides how a weld goes.

    Raises:
        InputError: when the file's welds are of another revision, or it cannot be read.
    """

    def __init__(self, path: Path, revision: Mapping[str, object]) -> None:
        self._path, self._revision = path, dict(revision)
        self._done = {Task(f.imperfection, f.seed, f.arm): f for f in self._read()}

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = _whole_lines(self._path)
        self._stream = self._path.open("a", encoding="utf-8")
        self._stream.truncate(len(whole.encode()))
        if not whole:
            self._write(self._revision)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def missing(self, plan: Iterable[Task]) -> list[Task]:
        """Those of ``plan`` that are still to be welded."""
        return [task for task in plan if task not in self._done]

    def add(self, figures: WeldFigures) -> None:
        """Keep one more; inside the ``with`` block."""
        self._write(figures.as_dict())
        self._done[Task(figures.imperfection, figures.seed, figures.arm)] = figures

    def take(self, plan: Iterable[Task], others: KeptWelds) -> int:
        """Keep those of ``plan`` that ``others`` hold, too; their number. Inside the ``with`` block."""
        taken = [others._done[task] for task in plan if task in others._done]
        for figures in taken:
            self.add(figures)
        return len(taken)

    def of(self, plan: Sequence[Task]) -> list[WeldFigures]:
        """The welds of ``plan`` in its order, whatever the order in which they were done."""
        return [self._done[task] for task in plan]

    def _write(self, content: Mapping[str, object]) -> None:
        self._stream.write(json.dumps(content) + "\n")
        self._stream.flush()

    def _read(self) -> list[WeldFigures]:
        lines = _whole_lines(self._path).splitlines()
        if not lines:
            return []
        try:
            written, *rest = (json.loads(line) for line in lines)
            self._compare(written)
            return [WeldFigures.from_dict(content) for content in rest]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(self._path, f"cannot be continued ({error})", "remove it to begin anew") from None

    def _compare(self, written: Mapping[str, object]) -> None:
        if written["card_sha256"] != self._revision["card_sha256"]:
            raise InputError(
                self._path, "holds welds with another model", "remove it to begin anew, or give that model"
            )
        if (rate := written.get("rate")) != self._revision.get("rate"):
            raise InputError(self._path, f"holds welds at --rate {rate}", "remove it to begin anew, or give that rate")
        if written != self._revision:
            raise InputError(
                self._path, "holds welds of another revision of cell, rules or gate", "remove it to begin anew"
            )


def _whole_lines(path: Path) -> str:
    """The file without a last line that a kill or a full disk cut off; "" where there is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return text[: text.rfind("\n") + 1] or text
