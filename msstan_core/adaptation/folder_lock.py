"""One process at a time keeps revisions in a folder: two would number over and restore each other's heads."""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from pathlib import Path

from msstan_core.errors import InputError

LOCK_FILE = "in_use.lock"


class FolderLock:
    """Held as long as this object lives; a process that ends, however it ends, gives it up.

    Args:
        folder: exists.

    Raises:
        InputError: when another process holds it, or the folder cannot be locked.
    """

    def __init__(self, folder: Path) -> None:
        try:
            descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise InputError(folder, f"cannot be written to ({error.strerror})", "check rights and space") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                remedy = "give each monitor an adaptation.folder of its own, or end the other and configure again"
                raise InputError(folder, "another process keeps its revisions there", remedy) from error
            raise InputError(folder, f"cannot be locked ({error.strerror})", "choose one on a local disk") from error
        weakref.finalize(self, os.close, descriptor)


_OPENING = threading.Lock()
_HELD: weakref.WeakValueDictionary[tuple[int, int], FolderLock] = weakref.WeakValueDictionary()


def locked(folder: Path) -> FolderLock:
    """This process's lock of ``folder``: the same one for all in the process that ask while it is held.

    A model is loaded again while the one before it is still there.

    Raises:
        InputError: see :class:`FolderLock`.
    """
    with _OPENING:
        about = folder.stat()
        key = about.st_dev, about.st_ino
        lock = _HELD.get(key)
        if lock is None:
            lock = _HELD[key] = FolderLock(folder)
        return lock
