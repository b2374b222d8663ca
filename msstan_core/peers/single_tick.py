"""Peers without a memory: one tick's features and a classifier; what time and fusion have to beat."""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.signals import Features
from msstan_core.peers.tick_features import TickVector
from msstan_core.vocabulary import Modality

_HIDDEN = 256
_DROPOUT = 0.2


class SingleTick(nn.Module):
    """A linear layer, or an MLP, on the features of the newest tick.

    Args:
        outputs: logits. modalities: those that are read. context: whether the weld's context is.
        hidden: width of the one hidden layer; 0: none.
        config: of the network whose features are read; None: nano.
    """

    #: All ticks of a training window count.
    loss_from = 0.0

    def __init__(
        self,
        outputs: int,
        modalities: frozenset[Modality],
        context: bool = False,
        hidden: int = _HIDDEN,
        config: ModelConfig | None = None,
    ) -> None:
        super().__init__()
        self.vector = TickVector(modalities, context, config)
        self.classify: nn.Module = nn.Linear(self.vector.width, outputs)
        if hidden:
            self.classify = nn.Sequential(
                nn.Linear(self.vector.width, hidden),
                nn.LayerNorm(hidden),
                nn.ReLU(),
                nn.Dropout(_DROPOUT),
                nn.Linear(hidden, outputs),
            )

    def forward(self, features: Features) -> Tensor:
        """Features [B, T, ...] -> logits [B, T, outputs]."""
        logits: Tensor = self.classify(self.vector(features))
        return logits

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Nothing is remembered."""
        return ()

    def step(self, features: Features) -> tuple[Tensor, ...]:
        """Features [B, ...] of one tick -> (logits [B, outputs],)."""
        logits: Tensor = self.classify(self.vector(features))
        return (logits,)
