"""Random clips of recordings, batched and augmented for the trainer; whole recordings for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msstan_core.model.ms_stan import Features
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.augmentation import augment
from msstan_core.training.configuration import AugmentationConfig, TrainingConfig
from msstan_core.training.drawing import Drawing
from msstan_core.training.recording_features import Recording, RecordingFeatures
from msstan_core.vocabulary import ACTIONS, Modality

_IMAGES = [Modality.CAMERA, Modality.THERMAL]


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips with their labels."""

    features: Features  #: every tensor [B, T, ...]
    action: Tensor  #: [B, T] index into ACTIONS or UNLABELLED
    imperfection: Tensor  #: [B, T, 13], NaN where unknown
    weight: Tensor  #: [B, T] importance of each tick; 0 for padding


@dataclass(frozen=True, slots=True)
class _Clip:
    arrays: dict[str, NDArray[Any]]  #: by the names of Features, each [T, ...]
    plain: dict[str, NDArray[Any]]  #: the same, not augmented
    action: NDArray[np.int64]
    imperfection: NDArray[np.float32]
    weight: NDArray[np.float32]


def clip_features(features: RecordingFeatures, begin: int, end: int, *, images: bool = True) -> dict[str, NDArray[Any]]:
    """Ticks ``begin`` to ``end`` as arrays, images in half precision and zero where absent.

    Without ``images`` neither camera nor thermal camera is there, unless there is nothing else.
    """
    rows = slice(begin, end)
    camera_row, thermal_row = features.camera_row[rows], features.thermal_row[rows]
    valid = features.valid[rows].copy()
    if not images and np.delete(valid, _IMAGES, axis=1).any():
        valid[:, _IMAGES] = 0.0
        camera_row = thermal_row = np.full(len(valid), -1)
    arrays: dict[str, NDArray[Any]] = {
        "camera": _images(features.camera, camera_row),
        "thermal": _images(features.thermal, thermal_row),
        "log_mel": features.log_mel[rows].astype(np.float32),
        "telemetry": features.telemetry[rows],
        "context": features.context[rows],
        "valid": valid,
        "age_s": features.age_s[rows],
        "thermal_statistics": features.thermal_statistics[rows],
    }
    if features.thumbnail is not None:
        arrays["thumbnail"] = _images(features.thumbnail, camera_row)
    return arrays


def _images(stored: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float16]:
    """One image a tick, zeros where there is none; costs no memory when there is none at all."""
    if (rows < 0).all():
        return np.broadcast_to(np.zeros((), np.float16), (len(rows), *stored.shape[1:]))
    images = np.zeros((len(rows), *stored.shape[1:]), np.float16)
    images[rows >= 0] = stored[rows[rows >= 0]]
    return images


def _stack(arrays: Sequence[NDArray[Any]]) -> Tensor:
    """[B] arrays -> tensor with a batch axis; arrays of nothing but one broadcast zero stay that."""
    if all(not any(a.strides) and a.size for a in arrays):
        return torch.zeros((), dtype=torch.float16).expand(len(arrays), *arrays[0].shape)
    return torch.from_numpy(np.stack(arrays))


def _features(clips: Sequence[dict[str, NDArray[Any]]]) -> Features:
    return Features(**{name: _stack([clip[name] for clip in clips]) for name in clips[0]})


def whole_recording(recording: Recording) -> Features:
    """A recording as one clip of batch 1, not augmented."""
    arrays = clip_features(recording.features, 0, len(recording.features.time_s))
    return Features(**{name: torch.from_numpy(np.ascontiguousarray(a))[None] for name, a in arrays.items()})


def _pad(array: NDArray[Any], missing: int) -> NDArray[Any]:
    """``missing`` more ticks of zeros at the end."""
    if not any(array.strides):
        return np.broadcast_to(array[:1, ...].reshape(-1)[0], (len(array) + missing, *array.shape[1:]))
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))


def changes_of(features: RecordingFeatures) -> NDArray[np.int64]:
    """Ticks at which an action, or an imperfection that is labelled, begins or ends."""
    changed = np.diff(features.action) != 0
    present = np.nan_to_num(features.imperfection) > 0  # [N, 13]
    return np.flatnonzero(changed | (present[1:] != present[:-1]).any(axis=1)) + 1


def _has_images(features: RecordingFeatures) -> bool:
    return bool((features.camera_row >= 0).any() or (features.thermal_row >= 0).any())


def _among(share: NDArray[np.float64], chosen: Sequence[bool]) -> NDArray[np.float64]:
    """``share`` [N] of the chosen alone; of all where none is chosen. Sums to 1."""
    kept = np.where(chosen, share, 0.0)
    return kept / kept.sum() if kept.sum() > 0 else share


class ClipSampler(Drawing):
    """Draws random clips: every group is heard, and clips in which something changes more often than monotonous ones.

    Args:
        recordings: to draw from. clip_ticks: length of a clip. group_balance: see TrainingConfig.
        augmentation: random changes. seed: of everything random here.
        warm_up_ticks: ticks at the beginning of a clip that the losses leave out, because a stream is past them. A clip
            that begins with its recording has none: that is how a stream begins.
        image_free: share of the batches drawn without images; the others are then of recordings that have some.
        programme_columns: of the telemetry, as InputSpec has them. real_weight: see TrainingConfig.
    """

    #: Share of the clips that are placed around a change of action or an edge of an imperfection.
    AROUND_CHANGE = 0.7

    def __init__(
        self,
        recordings: Sequence[Recording],
        clip_ticks: int,
        group_balance: float,
        augmentation: AugmentationConfig,
        seed: int,
        warm_up_ticks: int = 0,
        image_free: float = 0.0,
        programme_columns: slice = slice(0, 0),
        real_weight: float = 1.0,
    ) -> None:
        super().__init__(seed)
        self._recordings = list(recordings)
        self._ticks = clip_ticks
        self._warm_up = warm_up_ticks
        self._image_free = image_free
        self._augmentation = augmentation
        self._programme_columns = programme_columns
        ticks = np.array([len(r.features.time_s) for r in self._recordings], float)
        groups = [r.group for r in self._recordings]
        group_ticks = {g: sum(t for t, other in zip(ticks, groups, strict=True) if other == g) for g in set(groups)}
        share = np.array([ticks[i] / group_ticks[g] ** group_balance for i, g in enumerate(groups)])
        share *= [1.0 if r.simulated else real_weight for r in self._recordings]
        self._share = share / share.sum()
        self._share_with_images = _among(self._share, [_has_images(r.features) for r in self._recordings])
        self._changes = [changes_of(r.features) for r in self._recordings]

    @classmethod
    def of_config(
        cls, config: TrainingConfig, recordings: Sequence[Recording], seed: int, image_free: float = 0.0
    ) -> ClipSampler:
        """As a configuration of training has it."""
        return cls(
            recordings, config.clip_ticks, config.group_balance, config.augmentation, seed, config.warm_up_ticks,
            image_free, config.programme_columns, config.real_weight,
        )  # fmt: skip

    def draw(self, clips: int) -> Batch:
        """A batch of ``clips`` augmented clips, shorter recordings padded at their end with weight 0."""
        images, share = True, self._share
        if self._image_free > 0.0:
            images = bool(self._rng.random() >= self._image_free)
            share = self._share_with_images if images else self._share
        chosen = self._rng.choice(len(self._recordings), clips, p=share)
        drawn = [self._clip(int(i), images=images) for i in chosen]
        return Batch(
            _features([clip.arrays for clip in drawn]),
            torch.from_numpy(np.stack([clip.action for clip in drawn])),
            torch.from_numpy(np.stack([clip.imperfection for clip in drawn])),
            torch.from_numpy(np.stack([clip.weight for clip in drawn])),
        )

    def draw_views(self, clips: int) -> tuple[Features, Features, Tensor]:
        """(clips as they are, the same clips augmented, weight [B, T] of each tick)."""
        drawn = [self._clip(int(i)) for i in self._rng.choice(len(self._recordings), clips, p=self._share)]
        weight = torch.from_numpy(np.stack([clip.weight for clip in drawn]))
        return _features([clip.plain for clip in drawn]), _features([clip.arrays for clip in drawn]), weight

    def _clip(self, index: int, *, images: bool = True) -> _Clip:
        features, changes = self._recordings[index].features, self._changes[index]
        total = len(features.time_s)
        last_begin = max(0, total - self._ticks)
        if len(changes) and self._rng.random() < self.AROUND_CHANGE:
            begin = int(self._rng.choice(changes)) - int(self._rng.integers(0, self._ticks))
            begin = min(max(begin, 0), last_begin)
        else:
            begin = int(self._rng.integers(0, last_begin + 1))
        end = min(begin + self._ticks, total)
        plain = clip_features(features, begin, end, images=images)
        arrays = {**plain, "valid": plain["valid"].copy()}  # the one array that is changed in place
        augment(arrays, self._augmentation, self._rng, self._programme_columns)
        labels, imperfections = features.action[begin:end], features.imperfection[begin:end]
        weights = np.ones(end - begin, np.float32)
        if begin > 0 and self._warm_up:
            weights[: self._warm_up] = 0.0
            imperfections = imperfections.copy()
            imperfections[: self._warm_up] = np.nan
        missing = self._ticks - (end - begin)
        if missing:
            arrays, plain = ({name: _pad(a, missing) for name, a in view.items()} for view in (arrays, plain))
            labels = np.pad(labels, (0, missing), constant_values=UNLABELLED)
            imperfections = np.pad(imperfections, ((0, missing), (0, 0)), constant_values=np.nan)
            weights = np.pad(weights, (0, missing))
        return _Clip(arrays, plain, labels, imperfections, weights)


def class_weights(recordings: Sequence[Recording], balance: float) -> tuple[Tensor, NDArray[np.float32]]:
    """Weight of each action in the loss, and the share of each action after weighting.

    Args:
        recordings: of the training split. balance: 0 no weighting, 1 every action counts the same.

    Returns:
        (weights [9], mean 1 over labelled ticks; effective share [9] that sums to 1).
    """
    counts = np.zeros(len(ACTIONS))
    for recording in recordings:
        labels = recording.features.action
        counts += np.bincount(labels[labels != UNLABELLED], minlength=len(ACTIONS))
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -balance, 0.0)
    weights *= counts.sum() / max((weights * counts).sum(), 1e-12)
    share = weights * counts / max((weights * counts).sum(), 1e-12)
    return torch.from_numpy(weights.astype(np.float32)), share.astype(np.float32)
