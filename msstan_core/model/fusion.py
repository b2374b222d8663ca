"""Which sensor to believe: attention over the modalities that are present and fresh."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.occlusion import visibility_bias
from msstan_core.vocabulary import MODALITIES

#: Added to the score of a modality that must not be used; exp of it is exactly 0 in float32.
_MASKED = -1e9


class ModalityFusion(nn.Module):
    """Scores each modality's token given context and age; masked softmax; weighted sum.

    A missing modality has weight exactly 0 and its token, whatever it is, cannot enter. With none present the result is
    the learned "nothing seen" token and all weights are 0. Without attention (``kind: mean``) every valid modality
    counts the same.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in MODALITIES)
        self.kind = nn.Parameter(torch.zeros(len(MODALITIES), d))
        self.score = (
            nn.Sequential(nn.Linear(2 * d + 1, d // 2), nn.Tanh(), nn.Linear(d // 2, 1))
            if config.fusion.kind == "attention"
            else None
        )
        self.dropout = config.fusion.dropout
        self.nothing = nn.Parameter(torch.zeros(d))
        # How many and which sensors are live changes what the sum can mean; say it to the layers behind.
        self.presence = nn.Linear(len(MODALITIES), d)

    def forward(
        self, tokens: Tensor, valid: Tensor, age_s: Tensor, context: Tensor, visible: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            tokens: [B, 4, d] one per modality. valid: [B, 4] 0 or 1. age_s: [B, 4]. context: [B, d].
            visible: [B, 4] share of each modality's view that nothing hides, in [0, 1]; its logarithm is added to the
                scores. The norm of a token undoes what an occlusion mask took from all places alike; its weight must
                not.

        Returns:
            (fused [B, d], weights [B, 4] that sum to 1, or to 0 where nothing is valid).
        """
        normed = self._normed(tokens)
        if self.score is None:
            scores = torch.zeros_like(valid)
        else:
            around = context.unsqueeze(1).expand(-1, tokens.shape[1], -1)
            scores = self.score(torch.cat([normed, around, age_s.unsqueeze(2)], dim=2)).squeeze(2)  # [B, 4]
        if visible is not None:
            scores = scores + visibility_bias(visible)
        weights = (scores + (1.0 - valid) * _MASKED).softmax(dim=1) * valid
        if self.training and self.dropout > 0:
            weights = self._drop(weights)
        present = valid.amax(dim=1, keepdim=True)  # [B, 1]
        fused = (normed * weights.unsqueeze(2)).sum(dim=1) + (1.0 - present) * self.nothing
        return fused + self.presence(valid) + context, weights

    def _normed(self, tokens: Tensor) -> Tensor:
        """Each token [B, 4, d] by the norm of its modality, and what kind it is; four norms as one operation."""
        weight, bias = (torch.stack([getattr(norm, name) for norm in self.norms]) for name in ("weight", "bias"))
        return functional.layer_norm(tokens, tokens.shape[2:]) * weight + (bias + self.kind)

    def _drop(self, weights: Tensor) -> Tensor:
        """Dropout of whole modalities at the attention; the others take over their weight. Never drops the last."""
        kept = weights * (torch.rand_like(weights) >= self.dropout)
        total = kept.sum(dim=1, keepdim=True)
        return torch.where(total > 0, kept / total.clamp(min=1e-12), weights)
