"""Which frames are worth the backbone: the importance gate of adaptive frame sampling (equations 40, 41).

The paper scores a frame by its backbone features (40), so that a skipped frame has already cost nearly everything, and
gives the score nothing to learn from but smoothness (42). Here the score is computed *before* the backbone, from how
much a small grey image, the temperatures, the sound and the telemetry have changed since the last frame that was looked
at. A frame that is not looked at is held: the camera's last backbone features stand in for it while all other branches
run on. What teaches the score is :func:`msstan_core.training.losses.sampling.importance_target`; or it is not taught,
and is the change of the image alone: what has to be told of a held frame is how far it is from the one that stands in.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.state import gate_state_shapes, gate_summary_sizes
from msstan_core.vocabulary import MODALITIES, Modality

#: Cells per side over which changes of the grey image are averaged.
_CELLS = 4
#: Changes are compressed by log(1 + scale * change): a faint motion in one cell and an arc are both within range.
_CHANGE_SCALE = 20.0
#: degC, dB and grey levels -> about unit range.
_THERMAL_SCALE_C, _SOUND_SCALE_DB, _GREY_SCALE = 1000.0, 20.0, 255.0
#: Of a score that is not taught: steepness, and the change (compressed, mean over the cells) that is worth one half.
_CHANGE_SLOPE, _HALF_CHANGE = 2.0, 1.0


class ImportanceState(NamedTuple):
    """What the gate remembers; zeros before the first tick, so that the first frame is looked at."""

    reference: Tensor  #: [B, S] summary of the last tick that was looked at
    may_hold: Tensor  #: [B] further ticks that may be held before a frame is looked at whatever its score


class Gated(NamedTuple):
    """The gate's decision on ticks."""

    importance: Tensor  #: a_t in [0, 1] (40), [B] or [B, T]
    looked: Tensor  #: 1 where the frame goes to the backbone (41), same shape; 0 where there is no frame


class ImageChange(nn.Module):
    """A score that is not taught: the more of the image has changed, the higher."""

    def forward(self, changes: Tensor) -> Tensor:
        """As :meth:`ImportanceGate.changes` gives them, [N, C] -> logits [N, 1]."""
        return _CHANGE_SLOPE * (changes.mean(dim=1, keepdim=True) - _HALF_CHANGE)


class ImportanceGate(nn.Module):
    """Scores ticks by what has changed since the last frame that was looked at.

    Args:
        config: sizes of the inputs, threshold, longest hold.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        sampling = config.sampling
        self.config = config
        self.threshold, self.longest_hold = sampling.threshold, float(sampling.longest_hold)
        self.sizes = gate_summary_sizes(config)
        self.score: nn.Module = ImageChange()
        if sampling.score == "learned":
            changes = _CELLS**2 + 1 + 2 + 2 + config.inputs.telemetry_count + len(MODALITIES)
            self.score = nn.Sequential(nn.Linear(changes, sampling.width), nn.GELU(), nn.Linear(sampling.width, 1))

    def summary(self, thumbnail: Tensor, thermal: Tensor, log_mel: Tensor, telemetry: Tensor, valid: Tensor) -> Tensor:
        """What a tick is compared by.

        Args:
            thumbnail: [N, H, W] grey levels. thermal: [N, px, px] degC. log_mel: [N, bands, frames] dB.
            telemetry: [N, InputSpec.telemetry_count]. valid: [N, 4].

        Returns:
            [N, S]; zero where a modality is not valid.
        """
        grey = thumbnail.flatten(1) / _GREY_SCALE
        if len(self.sizes) == 1:
            camera = Modality.CAMERA
            return torch.where(valid[:, camera : camera + 1] > 0, grey, 0.0)
        cells = functional.avg_pool2d(thermal.unsqueeze(1), 8)
        parts = [
            grey,
            cells.flatten(1) / _THERMAL_SCALE_C,
            log_mel.mean(dim=2) / _SOUND_SCALE_DB,
            telemetry,
        ]
        given = [torch.where(valid[:, m, None] > 0, part, 0.0) for m, part in zip(MODALITIES, parts, strict=True)]
        return torch.cat([*given, valid], dim=1)

    def changes(self, summary: Tensor, reference: Tensor) -> Tensor:
        """What the score reads: sizes of the differences. [N, S], [N, S] -> [N, C]."""
        camera, *others = (summary - reference).abs().split(self.sizes, dim=1)
        side = round(self.sizes[0] ** 0.5)
        cells = functional.avg_pool2d(camera.view(-1, 1, side, side), side // _CELLS).flatten(1)
        sizes = [cells, camera.amax(dim=1, keepdim=True)]
        if others:
            thermal, sound, telemetry, valid = others
            for part in (thermal, sound):
                sizes += [part.mean(dim=1, keepdim=True), part.amax(dim=1, keepdim=True)]
            sizes += [telemetry, valid]
        return torch.log1p(_CHANGE_SCALE * torch.cat(sizes, dim=1))

    def step(
        self, summary: Tensor, valid: Tensor, state: ImportanceState, threshold: Tensor | None = None
    ) -> tuple[Gated, ImportanceState]:
        """One tick. summary: [B, S], valid: [B, 4], threshold: [B] instead of the configuration's."""
        importance = self.score(self.changes(summary, state.reference)).squeeze(1).sigmoid()  # (40)
        limit = self.threshold if threshold is None else threshold
        wanted = (importance > limit) | (state.may_hold <= 0)  # (41)
        looked = (wanted & (valid[:, Modality.CAMERA] > 0)).to(summary.dtype)
        reference = torch.where(looked[:, None] > 0, summary, state.reference)
        may_hold = torch.where(looked > 0, self.longest_hold, (state.may_hold - 1.0).clamp(min=0.0))
        return Gated(importance, looked), ImportanceState(reference, may_hold)

    def unroll(self, summaries: Tensor, valid: Tensor) -> Gated:
        """Clips, deciding tick by tick as ``step`` does; the scores can be trained, the decisions are as they fall.

        Args:
            summaries: [B, T, S]. valid: [B, T, 4].
        """
        references, looked = [], []
        with torch.no_grad():
            state = self.initial_state(len(summaries), summaries.device)
            for t in range(summaries.shape[1]):
                references.append(state.reference)
                gated, state = self.step(summaries[:, t], valid[:, t], state)
                looked.append(gated.looked)
        changes = self.changes(summaries.flatten(0, 1), torch.stack(references, dim=1).flatten(0, 1))
        importance = self.score(changes).squeeze(1).sigmoid().unflatten(0, summaries.shape[:2])
        return Gated(importance, torch.stack(looked, dim=1))

    def initial_state(self, batch: int = 1, device: torch.device | None = None) -> ImportanceState:
        """Before the first tick."""
        return ImportanceState(
            **{n: torch.zeros(s, device=device) for n, s in gate_state_shapes(self.config, batch).items()}
        )


def last_looked(looked: Tensor) -> Tensor:
    """Index of the newest tick at or before t that was looked at, -1 where there is none. [B, T] -> int64 [B, T]."""
    index = torch.arange(looked.shape[1], device=looked.device).expand_as(looked)
    return torch.where(looked > 0, index, -1).cummax(dim=1).values


def hold(values: Tensor, looked: Tensor) -> Tensor:
    """What the network sees of frames that were held: each tick's newest looked-at value.

    Args:
        values: [B, T, ...] backbone features or thumbnails. looked: [B, T] 0 or 1.

    Returns:
        As values; ticks before the first look keep their own (they have no valid frame).
    """
    newest = last_looked(looked)
    index = torch.where(newest < 0, torch.arange(looked.shape[1], device=looked.device), newest)
    return values[torch.arange(len(values), device=values.device)[:, None], index]
