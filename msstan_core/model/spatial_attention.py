"""Where to look: spatial attention over a feature map (equations 13, 14, 17), guided where knowledge is given (45)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig


class SpatialAttention(nn.Module):
    """A lightweight network scores each place; softmax(score / sqrt(d)) weights the sum over places.

    Args:
        width: feature dimension d.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        sharpen = nn.Conv2d(width // 2, 1, 1)
        # Scaling by sqrt(d) (17) would flatten the map of a freshly initialised scorer; give it room to be sharp.
        nn.init.normal_(sharpen.weight, std=1.0)
        self.score = nn.Sequential(nn.Conv2d(width, width // 2, 1), nn.Tanh(), sharpen)
        self.scale = 1.0 / math.sqrt(width)

    def forward(
        self, features: Tensor, guidance: Tensor | None = None, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            features: f_t [B, d, h, w].
            guidance: [B, h, w] added to the logits (45), see :class:`~msstan_core.model.knowledge.KnowledgePrior`.
            condition: [B, d] added to what is scored, not to what is summed: heat input steers where to look.

        Returns:
            (attended [B, d], attention [B, h, w] that sums to 1).
        """
        batch, _, height, width = features.shape
        scored = features if condition is None else features + condition[:, :, None, None]
        scores = self.score(scored).flatten(1) * self.scale  # [B, h*w]
        if guidance is not None:
            scores = scores + guidance.flatten(1)  # (45)
        attention = scores.softmax(dim=1)  # (13), (17)
        places = features.flatten(2).transpose(1, 2)  # [B, h*w, d]; no copy, whichever dimension is last in memory
        attended = (attention.unsqueeze(1) @ places).squeeze(1)  # (14)
        return attended, attention.reshape(batch, height, width)


class MeanOverPlaces(nn.Module):
    """Every place counts the same: what is left when spatial attention is switched off."""

    def forward(
        self, features: Tensor, guidance: Tensor | None = None, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`SpatialAttention.forward`; guidance and condition have nothing to steer."""
        even = 1.0 / (features.shape[2] * features.shape[3])
        return features.flatten(2).mean(dim=2), features.new_full((1, 1, 1), even).expand_as(features[:, 0])


def spatial_attention(config: ModelConfig) -> SpatialAttention | MeanOverPlaces:
    """The pooling over places that this configuration asks for."""
    return SpatialAttention(config.width) if config.spatial_attention.enabled else MeanOverPlaces()
