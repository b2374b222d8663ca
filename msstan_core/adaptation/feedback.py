"""What a person says about a stretch of the weld, and the journal that loses none of it."""

from __future__ import annotations

import csv
import io
import math
import os
import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.vocabulary import ISO_CODES, Action

JOURNAL_FILE = "feedback.csv"
WHERE = "feedback"
_WRITING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Feedback:
    """One label for the ticks with ``start_ns`` <= stamp <= ``end_ns``: an action, or an imperfection."""

    start_ns: int
    end_ns: int
    source: str  #: who says so
    action: Action = Action.UNKNOWN  #: UNKNOWN: the label is about an imperfection
    iso_code: int = 0  #: 0: whatever imperfection
    present: bool = False  #: the imperfection was there
    severity: float = math.nan  #: 0 to 1, NaN if not judged

    def check(self) -> None:
        """Raises InputError naming what is wrong with it."""
        if not self.source.strip():
            raise InputError(WHERE, "source is empty", "name who labels, for the record")
        if not 0 <= self.start_ns < self.end_ns:
            raise InputError(WHERE, "start is not before end", "give the span in acquisition time, as in header.stamp")
        if self.action is Action.UNKNOWN and self.iso_code not in (0, *ISO_CODES):
            known = ", ".join(map(str, ISO_CODES))
            raise InputError(WHERE, f"iso_6520_1_code {self.iso_code} is unknown", f"one of 0, {known}")
        if not (math.isnan(self.severity) or 0 <= self.severity <= 1):
            raise InputError(WHERE, f"severity {self.severity:g} is outside 0 to 1", "give NaN if it was not judged")

    @property
    def says_nominal(self) -> bool:
        """Whether it says that nothing at all was wrong in the span."""
        return self.action is Action.UNKNOWN and self.iso_code == 0 and not self.present


def write_down(folder: Path, feedback: Feedback, job: str) -> None:
    """Append to the journal, on the disk when this returns.

    Raises:
        InputError: when it cannot be written.
    """
    path = folder / JOURNAL_FILE
    row = {**asdict(feedback), "action": feedback.action.name, "job": job}
    try:
        with _WRITING, path.open("ab", buffering=0) as stream:
            before = stream.tell()
            text = io.StringIO()
            writer = csv.DictWriter(text, [f.name for f in fields(Feedback)] + ["job"], lineterminator="\n")
            if before == 0:
                writer.writeheader()
            writer.writerow(row)
            try:
                _write_all(stream, text.getvalue().encode())
            except OSError:
                os.ftruncate(stream.fileno(), before)  # else the next row would go on where this one broke off
                raise
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "free space or choose another") from error


def _write_all(stream: io.FileIO, content: bytes) -> None:
    """On the disk when this returns."""
    while content:
        content = content[stream.write(content) :]
    os.fsync(stream.fileno())
