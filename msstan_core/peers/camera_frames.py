"""Small camera frames of a bag for peers that read pixels, kept on disk and read as they are needed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.alignment import ticks_of
from msstan_core.errors import InputError
from msstan_core.output_files import written_whole
from msstan_core.preprocessing.images import FrameReader
from msstan_core.recordings.bag import BagReader
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import MODALITIES, Modality

#: Raise when the frames' meaning changes.
_FORMAT = 1


def camera_frames(recording: Recording, withheld: frozenset[Modality], px: int, cache: Path) -> NDArray[np.uint8]:
    """[M, px, px, 3] RGB, one for each row of the recording's camera features; mapped from disk, not loaded.

    Args:
        recording: its features and bag. withheld: modalities that its features were extracted without.
        px: side of the frames. cache: folder for them.

    Raises:
        InputError: when the bag gives other frames than the features were made of.
    """
    path = cache / f"{_key(recording.path, withheld, px)}.npy"
    if not path.is_file():
        frames_read = _read(recording.path, frozenset(MODALITIES) - withheld, px)
        with written_whole(path) as file:
            np.save(file, frames_read)
    frames: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    expected = int((recording.features.camera_row >= 0).sum())
    if len(frames) != expected:
        raise InputError(
            recording.path, f"gives {len(frames)} frames where its features have {expected}", "extract both again"
        )
    return frames


def _read(bag: Path, modalities: frozenset[Modality], px: int) -> NDArray[np.uint8]:
    reader = FrameReader(px)
    frames: list[NDArray[np.uint8]] = []
    last_stamp = -1
    with BagReader(bag) as source:
        for tick in ticks_of(source.samples(modalities)):
            if not tick.valid[Modality.CAMERA] or tick.camera is None:
                continue
            if tick.camera.stamp_ns == last_stamp and frames:
                frames.append(frames[-1])
                continue
            try:
                frames.append(reader.read(tick.camera))
            except InputError:
                continue  # the features leave out frames that cannot be decoded, too
            last_stamp = tick.camera.stamp_ns
    return np.stack(frames) if frames else np.zeros((0, px, px, 3), np.uint8)


def _key(bag: Path, withheld: frozenset[Modality], px: int) -> str:
    content = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(bag.iterdir()) if p.is_file()]
    described = {
        "format": _FORMAT,
        "bag": str(bag.resolve()),
        "content": content,
        "px": px,
        "withheld": sorted(m.label for m in withheld),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:24]
