"""A second opinion on the imperfections: what one tick's telemetry says by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.measured_values import magnified
from msstan_core.vocabulary import IMPERFECTIONS, Modality

#: Weight of this opinion where there is telemetry; the network's own has the rest.
SHARE = 0.5
_DROPOUT = 0.3


class MeasuredImperfections(nn.Module):
    """MLP on the telemetry of a tick and the weld's context; its logits and the network's are averaged.

    Which departure from the procedure makes which imperfection takes single ticks of many welds to learn: the ticks of
    a clip resemble each other, so that a step on clips shows a handful of welds. Single ticks teach this part alone
    (``training/measured_ticks.py``), and clips everything else. Each learns to answer by itself, so
    that one that knows the training welds by heart leaves the other something to learn. Not part of the paper.
    """

    share: Tensor  #: [] weight of this opinion, 0 until it has been taught

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, count = config.width, config.inputs.telemetry_count
        self.scales = config.measured_scales
        self.layers = nn.Sequential(
            nn.Linear((1 + len(self.scales)) * count + d, 2 * d),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(2 * d, 2 * d),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(2 * d, len(IMPERFECTIONS)),
        )
        self.register_buffer("share", torch.zeros(()))

    def teach(self) -> None:
        """From now on the opinion counts."""
        self.share.fill_(SHARE)

    def forward(self, telemetry: Tensor, context: Tensor) -> Tensor:
        """telemetry: [N, telemetry_count], context: [N, d] -> logits [N, 13]."""
        # The context's embedding is the network's: this opinion reads it and does not change it.
        logits: Tensor = self.layers(torch.cat([magnified(telemetry, self.scales), context.detach()], dim=1))
        return logits

    def joined(self, logits: Tensor, telemetry: Tensor, valid: Tensor, context: Tensor) -> Tensor:
        """The network's logits [N, 13] averaged with these, where there is telemetry.

        Args:
            logits: [N, 13]. telemetry: [N, telemetry_count]. valid: [N, 4]. context: [N, d].
        """
        told = valid[:, Modality.TELEMETRY : Modality.TELEMETRY + 1]
        # Without the sensor its values may be anything, NaN included; multiplying would keep the NaN.
        own: Tensor = self(torch.where(told > 0, telemetry, 0.0), context)
        return logits + self.share * told * (own - logits)
