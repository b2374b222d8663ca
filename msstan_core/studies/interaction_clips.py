"""UT-Interaction set 1 as frozen backbone features: what is seen, what changes and where it moves, cached.

Of every clip, plain and mirrored, three kinds of pictures go through the same backbone: the frames, the change since
the tick before, and the optical flow since then.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.model.configuration import ModelConfig
from msstan_core.output_files import written_whole
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.training.backbone_features import BackboneFeatures

#: Every second frame is a tick: 15 Hz of 30.
TICK_FRAMES = 2
#: Motion is 128 + gain * (frame - frame one tick earlier), read by the same backbone as a picture.
MOTION_GAIN = 2.0
#: Flow is 128 + gain * (pixels to the right, down, speed) since the tick before.
FLOW_GAIN = 12.0
#: It is looked for in pictures of this many times the size.
FLOW_SIZE = 2
#: Maps are averaged to this many places a side before they are kept.
PLACES = 4
BACKBONE = ModelConfig(backbone_blocks=11, inputs=InputSpec(camera_px=192))

Backbone = Callable[[list[NDArray[np.uint8]]], NDArray[np.float16]]


@dataclass(frozen=True)
class Clip:
    """One clip: ``maps`` [2 (plain, mirrored), T, 3 (appearance, motion, flow), channels, PLACES, PLACES] float16."""

    file: str
    sequence: int
    label: str
    maps: NDArray[np.float16]

    @property
    def importance(self) -> NDArray[np.float64]:
        """[T] how much moves at each tick, as a share of the clip's motion (41): sums to 1.

        By how far the features of what changes are from those of the first tick, before which nothing was.
        """
        motion = self.maps[0, :, 1].astype(np.float64)
        moved = np.abs(motion - motion[0]).mean(axis=(1, 2, 3))
        return np.asarray(moved / max(moved.sum(), 1e-9))


def read_clips(
    folder: Path, cache: Path, progress: Callable[[int, int], None], backbone: Backbone | None
) -> list[Clip]:
    """All clips that ``set1.csv`` names; features from the cache where they are there, so a killed run goes on.

    Args:
        folder: with ``set1.csv`` (file, sequence, label). cache: folder of ``*.npy``. progress: (done, all).
        backbone: pictures -> [N, channels, h, w]; None: the camera branch's own.

    Raises:
        InputError: a missing or empty table, a bad row, a video that cannot be read.
    """
    table = folder / "set1.csv"
    if not table.is_file():
        raise InputError(table, "no such file", "give the folder that holds set1.csv and set1/")
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(table, f"not a CSV text file ({error})", "save the table as UTF-8") from None
    if not rows:
        raise InputError(table, "names no clip", "it needs rows of file, sequence, label")
    extract = backbone or BackboneFeatures(BACKBONE)
    cache.mkdir(parents=True, exist_ok=True)
    clips = []
    for number, row in enumerate(rows):
        try:
            file, sequence, label = row["file"], int(row["sequence"]), row["label"]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{table}:{number + 2}", "is no clip", "write file, sequence (a number), label") from None
        clips.append(Clip(file, sequence, label, _cached_maps(folder / file, cache, extract)))
        progress(number + 1, len(rows))
    return clips


def _cached_maps(video: Path, cache: Path, backbone: Backbone) -> NDArray[np.float16]:
    if not video.is_file():
        raise InputError(video, "no such file", "set1.csv names it")
    recipe = f"{BACKBONE.model_dump_json()} {TICK_FRAMES} {MOTION_GAIN} {FLOW_GAIN} {FLOW_SIZE} {PLACES}"
    digest = hashlib.sha256(recipe.encode() + video.read_bytes()).hexdigest()[:24]
    kept = cache / f"{digest}.npy"
    if kept.is_file():
        return np.load(kept)  # type: ignore[no-any-return]
    plain = clip_pictures(video)
    parts = [_features(pictures, backbone) for pictures in (plain, mirrored(plain))]
    maps = np.stack(parts)
    with written_whole(kept) as file:
        np.save(file, maps)
    return maps


def clip_pictures(video: Path) -> NDArray[np.uint8]:
    """[3 (appearance, motion, flow), T, px, px, 3] RGB at 15 Hz, squashed to a square. Raises InputError."""
    capture = cv2.VideoCapture(str(video))
    px = BACKBONE.inputs.camera_px
    ticks, large = [], []
    number = 0
    while True:
        read, frame = capture.read()
        if not read:
            break
        if number % TICK_FRAMES == 0:
            small = cv2.resize(frame, (px, px), interpolation=cv2.INTER_AREA)
            ticks.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
            wide = cv2.resize(frame, (FLOW_SIZE * px, FLOW_SIZE * px), interpolation=cv2.INTER_AREA)
            large.append(cv2.cvtColor(wide, cv2.COLOR_BGR2GRAY))
        number += 1
    capture.release()
    if not ticks:
        raise InputError(video, "holds no readable frame", "copy it again")
    frames = np.stack(ticks)
    change = np.diff(frames.astype(np.float32), axis=0, prepend=frames[:1].astype(np.float32))
    motion = np.clip(128 + MOTION_GAIN * change, 0, 255).astype(np.uint8)
    return np.stack([frames, motion, _flow_pictures(large, px)])


def mirrored(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures of :func:`clip_pictures` seen in a mirror: what moves to the right moves to the left."""
    out = pictures[:, :, :, ::-1].copy()
    out[2, ..., 0] = np.clip(256 - out[2, ..., 0].astype(np.int16), 0, 255)
    return out


def _flow_pictures(grey: list[NDArray[Any]], px: int) -> NDArray[np.uint8]:
    """Dense inverse search (Kroeger et al. 2016) from each tick to the next, [T, px, px, 3]; the first one is still."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    out = np.full((len(grey), px, px, 3), 128, np.uint8)
    for tick, (before, now) in enumerate(pairwise(grey), start=1):
        found = search.calc(before, now, np.zeros((*now.shape, 2), np.float32)) / FLOW_SIZE
        flow = cv2.resize(found, (px, px), interpolation=cv2.INTER_AREA)
        parts = np.dstack([flow, np.hypot(flow[..., 0], flow[..., 1])])
        out[tick] = np.clip(128 + FLOW_GAIN * parts, 0, 255)
    return out


def _features(pictures: NDArray[np.uint8], backbone: Backbone) -> NDArray[np.float16]:
    """[3, T, px, px, 3] -> [T, 3, channels, PLACES, PLACES]."""
    kinds = []
    for kind in pictures:
        maps = backbone(list(np.ascontiguousarray(kind))).astype(np.float32)
        n, c, h, w = maps.shape
        kinds.append(maps.reshape(n, c, PLACES, h // PLACES, PLACES, w // PLACES).mean(axis=(3, 5)))
    return np.stack(kinds, axis=1).astype(np.float16)
