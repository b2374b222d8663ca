"""Projection head of contrastive learning (equation 39)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig


class ProjectionHead(nn.Module):
    """Two layers into fewer dimensions, on the unit sphere; training only, the live graph does not carry it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d = config.width
        self.layers = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, config.projection.width))

    def forward(self, combined: Tensor) -> Tensor:
        """combined: [..., d] -> projected [..., p] of length 1 (39)."""
        return functional.normalize(self.layers(combined), dim=-1)
