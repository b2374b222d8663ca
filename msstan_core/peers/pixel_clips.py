"""Clips of camera frames: random ones with labels for training, every one of a recording for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msstan_core.errors import InputError
from msstan_core.peers.peer import Sampling
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.recording_features import Recording

#: Share of the clips that end near a change of action, as the clip sampler of MS-STAN places its clips.
AROUND_CHANGE = 0.7
#: Augmentation: uniform +-share of contrast, +-grey levels of brightness, probability of a mirrored clip, shift as
#: a share of the side.
_CONTRAST, _BRIGHTNESS, _MIRRORED, _SHIFT = 0.2, 20.0, 0.5, 0.05


@dataclass(frozen=True, slots=True)
class Watched:
    """A recording with the frames that peers see of it."""

    recording: Recording
    frames: NDArray[np.uint8]  #: [M, px, px, 3]; M = 0 without a camera

    @property
    def newest_row(self) -> NDArray[np.int64]:
        """[N] row of the newest frame at each tick, -1 before the first one."""
        newest: NDArray[np.int64] = np.maximum.accumulate(self.recording.features.camera_row, dtype=np.int64)
        return newest


def clip_rows(newest: NDArray[np.int64], sampling: Sampling) -> NDArray[np.int64]:
    """Rows of the frames that clips look at: newest [N] -> [N, frames], oldest first, the first frame repeated."""
    back = sampling.stride * np.arange(sampling.frames - 1, -1, -1)
    rows: NDArray[np.int64] = np.maximum(newest[:, None] - back[None], 0, dtype=np.int64)
    return rows


def shrunk(frames: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Frames [..., H, W, 3] averaged down to [..., pixels, pixels, 3].

    Raises:
        InputError: when ``pixels`` does not divide the frames' side.
    """
    side = frames.shape[-2]
    if side == pixels:
        return frames
    if side % pixels:
        raise InputError("camera frames", f"of {side} px do not shrink to {pixels} px", "keep a multiple of it")
    factor = side // pixels
    blocks = frames.reshape(*frames.shape[:-3], pixels, factor, pixels, factor, 3)
    return np.asarray(np.rint(blocks.mean(axis=(-4, -2), dtype=np.float32)), np.uint8)


class PixelClipSampler:
    """Draws random augmented clips that end at a labelled tick, or a run of labelled ticks for streaming networks.

    Args:
        watched: recordings with a camera. sampling: of the network. seed: of everything random here.
        every_frame: labels of all frames of a clip, instead of the newest one's.
    """

    def __init__(self, watched: Sequence[Watched], sampling: Sampling, seed: int, *, every_frame: bool) -> None:
        self._watched = [w for w in watched if len(w.frames)]
        self._sampling, self._every_frame = sampling, every_frame
        self._rng = np.random.default_rng(seed)
        ticks = np.array([len(w.recording.features.time_s) for w in self._watched], float)
        self._share = ticks / ticks.sum()
        self._changes = [np.flatnonzero(np.diff(w.recording.features.action)) + 1 for w in self._watched]

    def draw(self, clips: int) -> tuple[Tensor, Tensor, Tensor]:
        """(frames [B, T, H, W, 3] uint8, actions [B, T'], imperfections [B, T', 13]); T' is 1 or the clip's frames."""
        drawn = [self._clip(int(i)) for i in self._rng.choice(len(self._watched), clips, p=self._share)]
        frames, actions, imperfections = (np.stack(part) for part in zip(*drawn, strict=True))
        return torch.from_numpy(frames), torch.from_numpy(actions), torch.from_numpy(imperfections)

    def _clip(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
        watched, changes = self._watched[index], self._changes[index]
        features, size = watched.recording.features, self._sampling
        total, span = len(features.time_s), size.frames * size.stride
        if len(changes) and self._rng.random() < AROUND_CHANGE:
            tick = int(self._rng.choice(changes)) + int(self._rng.integers(-span // 2, span // 2 + 1))
            tick = min(max(tick, 0), total - 1)
        else:
            tick = int(self._rng.integers(0, total))
        newest = watched.newest_row
        rows = clip_rows(newest[tick : tick + 1], size)[0]
        # Ticks and frames run at the same rate, so that a frame's tick is as far back as its row.
        ticks = tick - size.stride * np.arange(size.frames - 1, -1, -1) if self._every_frame else np.array([tick])
        known = (ticks >= 0) & (newest[np.maximum(ticks, 0)] >= 0)
        actions = np.where(known, features.action[np.maximum(ticks, 0)], UNLABELLED)
        imperfections = np.where(known[:, None], features.imperfection[np.maximum(ticks, 0)], np.nan)
        return self._augmented(shrunk(watched.frames[rows], size.pixels)), actions, imperfections.astype(np.float32)

    def _augmented(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Another exposure, another mounting: the same change for all frames of a clip."""
        rng = self._rng
        if rng.random() < _MIRRORED:
            frames = frames[:, :, ::-1]
        farthest = round(_SHIFT * frames.shape[1])
        down, across = rng.integers(-farthest, farthest + 1, 2)
        frames = np.roll(frames, (int(down), int(across)), axis=(1, 2))
        levels = np.arange(256, dtype=np.float32)
        contrast = 1.0 + rng.uniform(-_CONTRAST, _CONTRAST)
        levels = (levels - 128.0) * contrast + 128.0 + rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
        table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return np.asarray(table[frames], np.uint8)
