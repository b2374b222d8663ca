"""Which sensor to believe: attention over the modalities that are present and fresh."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.vocabulary import MODALITIES

#: Added to the score of a modality that must not be used; exp of it is exactly 0 in float32.
_MASKED = -1e9


class ModalityFusion(nn.Module):
    """Scores each modality's token given context and age; masked softmax; weighted sum.

    A missing modality has weight exactly 0 and its token, whatever it is, cannot enter. With none present the result is
    the learned "nothing seen" token and all weights are 0.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in MODALITIES)
        self.kind = nn.Parameter(torch.zeros(len(MODALITIES), d))
        self.score = nn.Sequential(nn.Linear(2 * d + 1, d // 2), nn.Tanh(), nn.Linear(d // 2, 1))
        self.nothing = nn.Parameter(torch.zeros(d))
        # How many and which sensors are live changes what the sum can mean; say it to the layers behind.
        self.presence = nn.Linear(len(MODALITIES), d)

    def forward(self, tokens: Tensor, valid: Tensor, age_s: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            tokens: [B, 4, d] one per modality. valid: [B, 4] 0 or 1. age_s: [B, 4]. context: [B, d].

        Returns:
            (fused [B, d], weights [B, 4] that sum to 1, or to 0 where nothing is valid).
        """
        normed = torch.stack([norm(tokens[:, i]) for i, norm in enumerate(self.norms)], dim=1) + self.kind
        around = context.unsqueeze(1).expand(-1, tokens.shape[1], -1)
        scores = self.score(torch.cat([normed, around, age_s.unsqueeze(2)], dim=2)).squeeze(2)  # [B, 4]
        weights = (scores + (1.0 - valid) * _MASKED).softmax(dim=1) * valid
        present = valid.amax(dim=1, keepdim=True)  # [B, 1]
        fused = (normed * weights.unsqueeze(2)).sum(dim=1) + (1.0 - present) * self.nothing
        return fused + self.presence(valid) + context, weights
