"""Where to look: spatial attention over a feature map (equations 13, 14, 17)."""

from __future__ import annotations

import math

from torch import Tensor, nn


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

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features: f_t [B, d, h, w] -> (attended [B, d], attention [B, h, w] that sums to 1)."""
        batch, _, height, width = features.shape
        scores = self.score(features).flatten(1) * self.scale  # [B, h*w]
        attention = scores.softmax(dim=1)  # (13), (17)
        attended = (features.flatten(2) * attention.unsqueeze(1)).sum(dim=2)  # (14)
        return attended, attention.reshape(batch, height, width)
