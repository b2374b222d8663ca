"""What it means: action softmax (19, 20, 23), imperfection sigmoids, and the embedding that novelty is measured in."""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.vocabulary import ACTIONS, IMPERFECTIONS


class Heads(nn.Module):
    """Linear heads on the combined feature; dropout on the feature during training (23)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.action = nn.Linear(config.width, len(ACTIONS))
        self.imperfection = nn.Linear(config.width, len(IMPERFECTIONS))

    def forward(self, combined: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """combined: [..., d] -> (action logits [..., 9], imperfection logits [..., 13], embedding [..., d])."""
        embedding = self.norm(combined)
        dropped = self.dropout(embedding)
        return self.action(dropped), self.imperfection(dropped), embedding
