"""A direct way from measurement to answer: telemetry and temperatures past fusion and temporal attention."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.vocabulary import IMPERFECTIONS, Modality


class Said(NamedTuple):
    """What the measured values of N ticks say."""

    feature: Tensor  #: [N, d], to be added to the combined feature
    imperfections: Tensor | None  #: [N, 13], to be added to the imperfection logits; None where that is off

    def unflattened(self, clips: tuple[int, ...]) -> Said:
        """The same with N = B * T as [B, T, ...]."""
        imperfections = None if self.imperfections is None else self.imperfections.unflatten(0, clips)
        return Said(self.feature.unflatten(0, clips), imperfections)


class MeasuredValues(nn.Module):
    """MLPs on telemetry features, thermal statistics and context: one speaks to the combined feature, one to the
    imperfections.

    Fusion averages the modalities and the temporal windows average the ticks, which is right for what a scene shows and
    blunts what one number says: a wire feed 10 % off its set value is an imperfection in the making, whatever camera
    and microphone look like. Which departure makes which imperfection takes single ticks of many welds to learn, not
    clips of few: the way to the imperfections can be taught by such ticks alone (``TrainingConfig.measured_ticks``),
    and the rest of the network then learns what is left to say. Not part of the paper.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.scales = config.measured_scales
        read = (1 + len(self.scales)) * (config.inputs.telemetry_count + STATISTICS_COUNT) + 2 + d
        self.layers = _without_influence(nn.Linear(read, 2 * d), nn.GELU(), nn.Linear(2 * d, d), nn.GELU(), out=d)
        self.imperfections = None
        if config.measured_imperfections:
            hidden = (nn.Linear(read, 2 * d), nn.GELU(), nn.Linear(2 * d, 2 * d), nn.GELU())
            self.imperfections = _without_influence(*hidden, out=len(IMPERFECTIONS))

    def forward(self, telemetry: Tensor, statistics: Tensor, valid: Tensor, context: Tensor) -> Said:
        """What N ticks say; all of it is 0 where there is neither telemetry nor a thermal image.

        Args:
            telemetry: [N, telemetry_count]. statistics: [N, STATISTICS_COUNT]. valid: [N, 4]. context: [N, d].
        """
        told = valid[:, Modality.TELEMETRY, None]
        warm = valid[:, Modality.THERMAL, None]
        # Where a sensor is missing its values may be anything, NaN included; multiplying would keep the NaN.
        telemetry = torch.where(told > 0, telemetry, 0.0)
        statistics = torch.where(warm > 0, statistics, 0.0)
        numbers = torch.cat([telemetry, statistics], dim=1)
        # Magnified up to saturation: eight times its size, a departure of 10 % fills the range; 64 times, one of 1 %.
        magnified = [(numbers * scale).tanh() for scale in self.scales]
        numbers = torch.cat([numbers, *magnified, told, warm, context], dim=1)
        present = torch.maximum(told, warm)
        imperfections = None if self.imperfections is None else self.imperfections(numbers) * present
        return Said(self.layers(numbers) * present, imperfections)


def _without_influence(*hidden: nn.Module, out: int) -> nn.Sequential:
    """``hidden`` layers and a last one with ``out`` outputs that are 0 until it has learnt something."""
    width = next(layer.out_features for layer in reversed(hidden) if isinstance(layer, nn.Linear))
    last = nn.Linear(width, out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*hidden, last)
