"""TSN: L. Wang et al., Temporal Segment Networks, ECCV 2016, with ResNet-50 on RGB and the average as its consensus."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.peers.resnet2d import ResNetFeatures

#: Snippets that vote.
SEGMENTS = 8
_DROPOUT = 0.4


class TemporalSegmentNetwork(nn.Module):
    """Every frame is classified alone; the last frames' logits are averaged. Streams: a new frame costs one frame.

    Args:
        outputs: logits. segments: frames that vote. depth: of the ResNet. width: multiplier of all channels.
    """

    def __init__(self, outputs: int, segments: int = SEGMENTS, depth: int = 50, width: float = 1.0) -> None:
        super().__init__()
        self.segments, self.outputs = segments, outputs
        self.frame = ResNetFeatures(depth, width)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classify = nn.Linear(self.frame.channels, outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> consensus of the last ``segments`` frames at every frame [B, T, outputs]."""
        frames = clip.transpose(1, 2)  # [B, T, 3, H, W]
        votes = self.classify(self.dropout(self.frame(frames.flatten(0, 1)))).unflatten(0, frames.shape[:2])
        total = votes.cumsum(dim=1)
        before = torch.zeros_like(total)
        before[:, self.segments :] = total[:, : -self.segments]
        voters = torch.arange(1, votes.shape[1] + 1, device=votes.device).clamp(max=self.segments)
        consensus: Tensor = (total - before) / voters[None, :, None]
        return consensus

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """(votes [B, segments, outputs], how many are filled [B]) before the first frame."""
        return torch.zeros(batch, self.segments, self.outputs), torch.zeros(batch)

    def step(self, image: Tensor, votes: Tensor, filled: Tensor) -> tuple[Tensor, ...]:
        """One frame [B, 3, H, W] and the earlier votes -> (consensus [B, outputs], votes, filled)."""
        vote = self.classify(self.dropout(self.frame(image)))
        votes = torch.cat([votes[:, 1:], vote[:, None]], dim=1)
        filled = (filled + 1.0).clamp(max=float(self.segments))
        return votes.sum(dim=1) / filled[:, None], votes, filled
