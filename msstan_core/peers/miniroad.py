"""MiniROAD: J. An et al., MiniROAD: Minimal RNN Framework for Online Action Detection, ICCV 2023.

A plain GRU over frame features, embedded by one linear layer. Its point is the loss: only the last step of a training
window counts, because that is where streaming happens, with a memory that has long run.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.signals import Features
from msstan_core.peers.tick_features import ALL, TickVector
from msstan_core.vocabulary import Modality

_EMBEDDING, _HIDDEN = 2048, 1024
_DROPOUT = 0.2


class MiniRoad(nn.Module):
    """Embedding (linear, LayerNorm, ReLU), GRU, classifier.

    Args:
        outputs: logits. modalities: those that are read. context: whether the weld's context is.
        width: multiplier of embedding and memory; 1.0 is the published network on another feature length.
        config: of the network whose features are read; None: nano.
    """

    #: Share of a training window, from its end, that the loss sees: most of the published non-uniform weighting
    #: (the last step alone) at a cost that two cores can pay.
    loss_from = 0.5

    def __init__(
        self,
        outputs: int,
        modalities: frozenset[Modality] = ALL,
        context: bool = True,
        width: float = 1.0,
        config: ModelConfig | None = None,
    ) -> None:
        super().__init__()
        embedding, self.hidden = round(_EMBEDDING * width), round(_HIDDEN * width)
        self.vector = TickVector(modalities, context, config)
        self.embed = nn.Sequential(
            nn.Linear(self.vector.width, embedding), nn.LayerNorm(embedding), nn.ReLU(), nn.Dropout(_DROPOUT)
        )
        self.memory = nn.GRU(embedding, self.hidden, batch_first=True)
        self.classify = nn.Linear(self.hidden, outputs)

    def forward(self, features: Features) -> Tensor:
        """Features [B, T, ...] -> logits [B, T, outputs]."""
        logits: Tensor = self.classify(self.memory(self.embed(self.vector(features)))[0].relu())
        return logits

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """The memory before the first tick."""
        return (torch.zeros(1, batch, self.hidden),)

    def step(self, features: Features, memory: Tensor) -> tuple[Tensor, ...]:
        """Features [B, ...] of one tick and the memory -> (logits [B, outputs], memory)."""
        embedded = self.embed(self.vector(features))
        out, memory = self.memory(embedded[:, None], memory)
        return self.classify(out[:, 0].relu()), memory
