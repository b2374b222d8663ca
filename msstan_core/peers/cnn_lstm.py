"""CNN + LSTM: J. Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015, with ResNet-18 as its CNN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.peers.layers import scaled
from msstan_core.peers.resnet2d import ResNetFeatures

_HIDDEN = 512


class CnnLstm(nn.Module):
    """ResNet-18 on every frame, an LSTM over its features. Streams: the memory is explicit.

    Args:
        outputs: logits. width: multiplier of all channels, the LSTM's too.
    """

    def __init__(self, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        self.frame = ResNetFeatures(18, width)
        self.hidden = scaled(_HIDDEN, width)
        self.memory = nn.LSTM(self.frame.channels, self.hidden, batch_first=True)
        self.classify = nn.Linear(self.hidden, outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> logits of every frame [B, T, outputs]."""
        frames = clip.transpose(1, 2)  # [B, T, 3, H, W]
        features = self.frame(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        logits: Tensor = self.classify(self.memory(features)[0])
        return logits

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """(hidden, cell), each [1, B, hidden], before the first frame."""
        return torch.zeros(1, batch, self.hidden), torch.zeros(1, batch, self.hidden)

    def step(self, image: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, ...]:
        """One frame [B, 3, H, W] and the memory -> (logits [B, outputs], hidden, cell)."""
        out, (hidden, cell) = self.memory(self.frame(image)[:, None], (hidden, cell))
        return self.classify(out[:, 0]), hidden, cell
