"""The heads that were in use: numbered, kept, and on disk in such a way that a crash loses none that was whole."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.adaptation.adapted_head import Head
from msstan_core.errors import InputError
from msstan_core.output_files import written_whole

#: Newest revisions kept, in memory and on disk, of whatever run and job; the shipped head is always there.
KEPT = 50
SUFFIX = ".npz"


class RevisionCounter:
    """The monitor's ``model_revision``: one more at every reload, adaptation step and rollback; never less."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current = 0

    @property
    def current(self) -> int:
        """The number given last."""
        return self._current

    def advance(self, beyond: int = 0) -> int:
        """The next number, also larger than ``beyond``."""
        with self._lock:
            self._current = max(self._current, beyond) + 1
            return self._current


@dataclass(frozen=True, slots=True)
class Revision:
    """A head with where it comes from."""

    number: int
    head: Head
    kind: str  #: "step", "rollback", "reset" or "restored"
    reason: str
    weights_sha256: str  #: of the network it belongs to
    job: str  #: what was welded
    guard_accuracy: float
    drift: float
    spans: int  #: labelled when it was made


class RevisionStore:
    """Revisions in memory and, where a folder is given, on disk.

    Each is one file, written beside its place, flushed to the disk and renamed: a name that exists is a whole file. The
    newest name that can be read is the head that was last in use. A checksum inside refuses a file that has decayed.

    Args:
        folder: made when missing; None: memory only.

    Raises:
        InputError: when the folder cannot be made.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[int, Revision] = {}
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(folder, f"cannot be made ({error.strerror})", "choose another folder") from error

    def keep(self, revision: Revision) -> None:
        """Hold a revision; written first, so that what is in use is always on disk.

        Raises:
            InputError: when it cannot be written; it is not held then.
        """
        if self._folder is not None:
            self._write(self._folder, revision)
        self._held[revision.number] = revision
        files = {_number(path): path for path in self._files()}
        for number in sorted(files.keys() | self._held.keys())[:-KEPT]:
            self._held.pop(number, None)
            if number in files:
                with suppress(OSError):  # what cannot be removed now is the next time
                    files[number].unlink(missing_ok=True)

    def get(self, number: int, job: str) -> Revision | None:
        """A revision kept for this job."""
        revision = self._held.get(number)
        return None if revision is None or revision.job != job else revision

    def numbers(self, job: str) -> list[int]:
        """Of all kept for this job, ascending."""
        return sorted(number for number, revision in self._held.items() if revision.job == job)

    def highest_on_disk(self) -> int:
        """The highest number that a file bears, readable or not; 0 without any."""
        return max((_number(path) for path in self._files()), default=0)

    def read(self, weights_sha256: str, job: str) -> Revision | None:
        """Take up what the disk holds for these weights and this job.

        Returns:
            What was last in use, if it was for these weights and this job; None otherwise. Unreadable files are passed
            over: an older whole one is better than none.
        """
        newest = None
        for path in sorted(self._files(), key=_number):
            try:
                newest = _read(path)
            except InputError:
                continue
            if (newest.weights_sha256, newest.job) == (weights_sha256, job):
                self._held[newest.number] = newest
        return None if newest is None or newest.number not in self._held else newest

    def _files(self) -> list[Path]:
        return [] if self._folder is None else [p for p in self._folder.glob(f"revision-*{SUFFIX}") if _number(p) > 0]

    def _write(self, folder: Path, revision: Revision) -> None:
        path = _path(folder, revision.number)
        try:
            with written_whole(path, durable=True) as file:
                file.write_bytes(_packed(revision))
        except OSError as error:
            raise InputError(path, f"cannot be written ({error.strerror})", "free space or choose another") from error


def _path(folder: Path, number: int) -> Path:
    return folder / f"revision-{number:08d}{SUFFIX}"


def _number(path: Path) -> int:
    digits = path.name.removeprefix("revision-").removesuffix(SUFFIX)
    return int(digits) if digits.isdigit() else 0


def _packed(revision: Revision) -> bytes:
    about: dict[str, Any] = {k: v for k, v in asdict(revision).items() if k != "head"}
    parts = dict(zip(("weight", "bias", "scale", "shift"), revision.head.parts(), strict=True))
    text = json.dumps(about, sort_keys=True)
    stream = io.BytesIO()
    arrays: dict[str, Any] = {"about": np.array(text), "digest": np.array(_digest(text, revision.head)), **parts}
    np.savez(stream, **arrays)
    return stream.getvalue()


def _read(path: Path) -> Revision:
    try:
        with path.open("rb") as stream, np.load(stream) as data:
            text, digest = str(data["about"]), str(data["digest"])
            head = Head(data["weight"], data["bias"], data["scale"], data["shift"])
        about = json.loads(text)
        whole = digest == _digest(text, head)
        revision = Revision(head=head, **about)
    except Exception as error:  # zlib's, zipfile's, NumPy's and json's own types
        raise InputError(path, f"cannot be read ({error})", "delete it") from None
    if not whole:
        raise InputError(path, "does not match its checksum", "delete it")
    return revision


def _digest(text: str, head: Head) -> str:
    content = hashlib.sha256(text.encode())
    for part in head.parts():
        content.update(np.ascontiguousarray(part, float).tobytes())
    return content.hexdigest()
