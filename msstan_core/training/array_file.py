"""Arrays of an uncompressed .npz file, left on disk until rows of them are read: many recordings, little memory."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

#: Bytes of a local file header before name and extra field, and where it holds their lengths (.ZIP file format, 4.3.7).
_LOCAL_HEADER, _LENGTHS = 30, 26


def mapped_arrays(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that the file holds uncompressed, as read-only maps of the file.

    ``numpy.load`` maps single .npy files only; inside an archive an uncompressed one lies just the same.
    """
    found: dict[str, NDArray[Any]] = {}
    whole = np.memmap(path, np.uint8, "r")  # once: every map of a file keeps it open
    with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name not in names or entry.compress_type != zipfile.ZIP_STORED:
                continue
            stream.seek(entry.header_offset + _LENGTHS)
            name_bytes, extra_bytes = struct.unpack("<HH", stream.read(4))
            stream.seek(entry.header_offset + _LOCAL_HEADER + name_bytes + extra_bytes)
            if np.lib.format.read_magic(stream) != (1, 0):
                continue
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            if 0 in shape or dtype.hasobject:
                continue
            order: Literal["C", "F"] = "F" if fortran else "C"
            found[name] = np.ndarray(shape, dtype, whole.data, stream.tell(), order=order)
    return found


def allow_many_files() -> None:
    """Let this process hold as many files open as the system lets it: a mapped recording is one."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
