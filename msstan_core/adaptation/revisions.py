"""The heads that were in use: numbered, kept, and on disk in such a way that a crash loses none that was whole."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.folder_lock import FolderLock, locked
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
    frozen: bool = False  #: commanded not to learn while it was in use; earlier files do not say


class RevisionStore:
    """Revisions in memory and, where a folder is given, on disk.

    Each is one file, written beside its place, flushed to the disk and renamed: a name that exists is a whole file. The
    newest name that can be read is the head that was last in use. A checksum inside refuses a file that has decayed.
    Only :meth:`keep` and :meth:`write_owed` wait for the disk once this is open; every method may be called in any
    thread.

    Args:
        folder: made when missing, and this process's own from now on; None: memory only.

    Raises:
        InputError: when the folder cannot be made, or another process keeps its revisions there.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._held: dict[int, Revision] = {}
        self._owed: Revision | None = None
        self._memory, self._disk = threading.Lock(), threading.Lock()
        self._refusal = ""
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(folder, f"cannot be made ({error.strerror})", "choose another folder") from error
            self._own: FolderLock | None = locked(folder)
            self._read_all()
        newest = self._newest()
        self.frozen = newest is not None and newest.frozen  #: commanded not to learn; said with every revision

    def close(self) -> None:
        """Give the folder back, to whichever process asks first; nothing may be kept any more."""
        with self._disk:
            self._own = None

    def keep(self, revision: Revision, use: Callable[[], bool] = lambda: True) -> bool:
        """Write a revision, then hold it where ``use`` takes it into use; where that declines, no file is left.

        Returns:
            What ``use`` says.

        Raises:
            InputError: when it cannot be written; it is not held then.
        """
        with self._disk:
            stamped = replace(revision, frozen=self.frozen)
            if self.folder is not None:
                self._write(self.folder, stamped)
            if not use():
                self._remove(revision.number)
                return False
            with self._memory:
                now = self._held[stamped.number] = replace(stamped, frozen=self.frozen)
                if self._owed is None or self._owed.number <= now.number:  # which says no more what is in use
                    self._owed = None if now.frozen == stamped.frozen else now
            self._drop_oldest()
            return True

    def owe(self, revision: Revision) -> None:
        """Hold a revision that answers already; the disk gets it with the next :meth:`write_owed`."""
        with self._memory:
            self._held[revision.number] = self._owed = replace(revision, frozen=self.frozen)

    def freeze(self, frozen: bool, in_use: Revision) -> None:
        """Note whether it is commanded not to learn, with the newest revision; ``in_use`` where there is none."""
        with self._memory:
            if frozen != self.frozen:
                self.frozen = frozen
                newest = replace(self._newest() or in_use, frozen=frozen)
                self._held[newest.number] = self._owed = newest

    @property
    def unrecorded(self) -> str:
        """Why the disk does not hold what is in use; "": it does, or has not been asked to yet."""
        return "" if self._owed is None else self._refusal

    def write_owed(self) -> None:
        """Write the newest revision that the disk does not hold.

        Raises:
            InputError: when it cannot be written; it is owed on.
        """
        with self._disk:
            owed = self._owed
            if owed is None:
                return
            if self.folder is not None:
                self._write(self.folder, owed)
            self._refusal = ""
            with self._memory:
                if self._owed is owed:
                    self._owed = None
            self._drop_oldest()

    def get(self, number: int, weights_sha256: str, job: str) -> Revision | None:
        """A revision kept for these weights and this job."""
        with self._memory:
            revision = self._held.get(number)
        fits = revision is not None and (revision.weights_sha256, revision.job) == (weights_sha256, job)
        return revision if fits else None

    def numbers(self, weights_sha256: str, job: str) -> list[int]:
        """Of all kept for these weights and this job, ascending."""
        with self._memory:
            held = sorted(self._held.items())
        return [number for number, r in held if (r.weights_sha256, r.job) == (weights_sha256, job)]

    def highest_on_disk(self) -> int:
        """The highest number that a file bears, readable or not; 0 without any."""
        return max((_number(path) for path in self._files()), default=0)

    def last_in_use(self, weights_sha256: str, job: str) -> Revision | None:
        """The newest revision, if it is of these weights and this job; None otherwise.

        Unreadable files are passed over: an older whole one is better than none.
        """
        with self._memory:
            newest = self._newest()
        return None if newest is None else self.get(newest.number, weights_sha256, job)

    def _newest(self) -> Revision | None:
        return self._held[max(self._held)] if self._held else None

    def _read_all(self) -> None:
        for path in self._files():
            with suppress(InputError):
                revision = _read(path)
                self._held[revision.number] = revision

    def _drop_oldest(self) -> None:
        on_disk = {_number(path) for path in self._files()}
        with self._memory:
            oldest = sorted(self._held.keys() | on_disk)[:-KEPT]
            for number in oldest:
                self._held.pop(number, None)
        for number in oldest:
            self._remove(number)

    def _remove(self, number: int) -> None:
        if self.folder is not None:
            with suppress(OSError):  # what cannot be removed now is the next time
                _path(self.folder, number).unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [] if self.folder is None else [p for p in self.folder.glob(f"revision-*{SUFFIX}") if _number(p) > 0]

    def _write(self, folder: Path, revision: Revision) -> None:
        path = _path(folder, revision.number)
        try:
            with written_whole(path, durable=True) as file:
                file.write_bytes(_packed(revision))
        except OSError as error:
            refused = InputError(path, f"cannot be written ({error.strerror})", "free space or choose another")
            self._refusal = str(refused)
            raise refused from error


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
