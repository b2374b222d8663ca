"""Vectors of a tick for peers over features: what the frozen backbone and the sensors say, without any learnt time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig, nano
from msstan_core.model.signals import Features
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.vocabulary import MODALITIES, Filler, Material, Modality, Process

#: Channels of the backbone as nano cuts it.
_CAMERA_CHANNELS = 80
#: Side of the averaged thermal map; degC are divided by this much.
_THERMAL_GRID, _THERMAL_SCALE_C = 6, 1000.0
#: log-mel dB -> about unit range; newest frames that are averaged apart.
_SOUND_MEAN_DB, _SOUND_SCALE_DB, _NEWEST_FRAMES = -70.0, 20.0, 4
_CONTEXT_WIDTH = 8
_LEAST_DEVIATION = 0.02
ALL = frozenset(MODALITIES)


#: Batches after which the statistics of what is read stand.
_STATISTICS_BATCHES = 50


class Standardised(nn.Module):
    """Every number to zero mean and unit variance over the valid ticks of the first training batches; then fixed.

    Args:
        width: of the vectors.
    """

    batches: Tensor
    ticks: Tensor
    total: Tensor
    squares: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("batches", torch.zeros(()))
        self.register_buffer("ticks", torch.zeros(()))
        self.register_buffer("total", torch.zeros(width))
        self.register_buffer("squares", torch.zeros(width))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [..., width]; valid: [..., 1] of 0 and 1 -> [..., width], 0 where not valid."""
        if self.training and self.batches < _STATISTICS_BATCHES:
            rows = (x * valid).detach().flatten(0, -2)
            self.batches += 1
            self.ticks += valid.sum()
            self.total += rows.sum(dim=0)
            self.squares += rows.square().sum(dim=0)
        ticks = self.ticks.clamp(min=1.0)
        mean = self.total / ticks
        variance = (self.squares / ticks - mean.square()).clamp(min=0.0)
        # What hardly varies must not become loud; before any training nothing is scaled.
        deviation = torch.where(self.ticks > 0, (variance + _LEAST_DEVIATION**2).sqrt(), 1.0)
        return (x - mean) / deviation * valid


class TickVector(nn.Module):
    """Features of ticks -> one vector a tick; a modality that is not valid reads zero.

    Args:
        modalities: those that are read. context: whether process, materials and filler are embedded beside them.
        config: of the network whose features are read, for sizes.
    """

    def __init__(self, modalities: frozenset[Modality], context: bool, config: ModelConfig | None = None) -> None:
        super().__init__()
        config = config or nano()
        bands = config.inputs.log_mel.bands
        widths = {
            Modality.CAMERA: 2 * _CAMERA_CHANNELS,
            Modality.THERMAL: STATISTICS_COUNT + _THERMAL_GRID**2,
            Modality.ACOUSTIC: 3 * bands,
            Modality.TELEMETRY: config.inputs.telemetry_count,
        }
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self.norms = nn.ModuleList(Standardised(widths[m]) for m in self.modalities)
        sizes = (Process, Material, Material, Filler) if context else ()
        self.context = nn.ModuleList(nn.Embedding(len(labels), _CONTEXT_WIDTH) for labels in sizes)
        #: Length of the vector: the modalities, their validity and age, the context.
        self.width = sum(widths[m] + 2 for m in self.modalities) + _CONTEXT_WIDTH * len(sizes)

    def forward(self, features: Features) -> Tensor:
        """Features with leading axes [...] -> [..., width]."""
        parts: list[Tensor] = []
        for norm, modality in zip(self.norms, self.modalities, strict=True):
            valid = features.valid[..., modality, None]
            age = features.age_s[..., modality, None]
            parts += [norm(_RAW[modality](features), valid), valid, age * valid]
        parts += [embed(features.context[..., i]) for i, embed in enumerate(self.context)]
        return torch.cat(parts, dim=-1)


def _camera(features: Features) -> Tensor:
    maps = features.camera.float()
    return torch.cat([maps.mean(dim=(-2, -1)), maps.amax(dim=(-2, -1))], dim=-1)


def _thermal(features: Features) -> Tensor:
    celsius = features.thermal.float()
    grid = nn.functional.adaptive_avg_pool2d(celsius.flatten(0, -3)[:, None], _THERMAL_GRID)
    averaged = grid.flatten(1).unflatten(0, celsius.shape[:-2]) / _THERMAL_SCALE_C
    return torch.cat([averaged, features.thermal_statistics.float()], dim=-1)


def _sound(features: Features) -> Tensor:
    level = (features.log_mel.float() - _SOUND_MEAN_DB) / _SOUND_SCALE_DB  # [..., bands, frames]
    spread = (level - level.mean(dim=-1, keepdim=True)).square().mean(dim=-1).sqrt()
    return torch.cat([level.mean(dim=-1), spread, level[..., -_NEWEST_FRAMES:].mean(dim=-1)], dim=-1)


def _telemetry(features: Features) -> Tensor:
    return features.telemetry.float()


_RAW = {
    Modality.CAMERA: _camera,
    Modality.THERMAL: _thermal,
    Modality.ACOUSTIC: _sound,
    Modality.TELEMETRY: _telemetry,
}


def example_features(images: bool, config: ModelConfig | None = None) -> tuple[Tensor, ...]:
    """Random parts of Features but the thumbnail, batch 1; the camera as an image if ``images``, else as features."""
    inputs = (config or nano()).inputs
    side = inputs.camera_px // 16
    camera = (
        torch.randint(0, 256, (1, inputs.camera_px, inputs.camera_px, 3), dtype=torch.uint8)
        if images
        else torch.randn(1, _CAMERA_CHANNELS, side, side)
    )
    return (
        camera,
        20.0 + 1000.0 * torch.rand(1, inputs.thermal_px, inputs.thermal_px),
        -70.0 + 20.0 * torch.randn(1, inputs.log_mel.bands, inputs.log_mel.frames),
        torch.randn(1, inputs.telemetry_count),
        torch.ones(1, 4, dtype=torch.int64),
        torch.ones(1, len(MODALITIES)),
        torch.zeros(1, len(MODALITIES)),
        torch.randn(1, STATISTICS_COUNT),
    )
