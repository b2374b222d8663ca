"""A direct way from measurement to answer: telemetry and temperatures past fusion and temporal attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.vocabulary import Modality


def magnified(numbers: Tensor, scales: tuple[float, ...]) -> Tensor:
    """[N, k] -> [N, (1 + len(scales)) * k]: as they are, then enlarged up to saturation.

    Eight times its size, a departure of 10 % fills the range; 64 times, one of 1 %.
    """
    enlarged = (numbers.unsqueeze(1) * numbers.new_tensor(scales).unsqueeze(1)).tanh()  # [N, len(scales), k]
    return torch.cat([numbers, enlarged.flatten(1)], dim=1)


class MeasuredValues(nn.Module):
    """MLP on telemetry features, thermal statistics and context; its result is added to the combined feature.

    Fusion averages the modalities and the temporal windows average the ticks, which is right for what a scene shows and
    blunts what one number says: a wire feed 10 % off its set value is an imperfection in the making, whatever camera
    and microphone look like. Not part of the paper.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.scales = config.measured_scales
        measured = (1 + len(self.scales)) * (config.inputs.telemetry_count + STATISTICS_COUNT) + 2
        last = nn.Linear(d, d)
        nn.init.zeros_(last.weight)  # starts without influence
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(measured + d, 2 * d), nn.GELU(), nn.Linear(2 * d, d), nn.GELU(), last)

    def forward(self, telemetry: Tensor, statistics: Tensor, valid: Tensor, context: Tensor) -> Tensor:
        """[N, telemetry_count], [N, STATISTICS_COUNT], valid [N, 4], context [N, d] -> [N, d]; 0 without both."""
        told, warm = (valid[:, m : m + 1] for m in (Modality.TELEMETRY, Modality.THERMAL))
        # Where a sensor is missing its values may be anything, NaN included; multiplying would keep the NaN.
        telemetry = torch.where(told > 0, telemetry, 0.0)
        statistics = torch.where(warm > 0, statistics, 0.0)
        numbers = magnified(torch.cat([telemetry, statistics], dim=1), self.scales)
        numbers = torch.cat([numbers, told, warm, context], dim=1)
        return self.layers(numbers) * torch.maximum(told, warm)  # type: ignore[no-any-return]
