"""TimeSformer, divided attention: G. Bertasius et al., Is Space-Time Attention All You Need?, ICML 2021."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_WIDTH, _DEPTH, _PATCH = 768, 12, 16
_HEAD_WIDTH = 64
_MLP_RATIO = 4


class _Attention(nn.Module):
    """Multi-head self-attention over tokens [N, tokens, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD_WIDTH)
        self.read = nn.Linear(width, 3 * width)
        self.write = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, tokens, d] -> [N, tokens, d]."""
        query, key, value = self.read(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.write(attended.transpose(1, 2).flatten(2))
        return out


class _Block(nn.Module):
    """Attention over time at each place, over space in each frame, then the MLP (equations 6 to 11)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_norm, self.time = nn.LayerNorm(width), _Attention(width)
        self.time_out = nn.Linear(width, width)
        self.space_norm, self.space = nn.LayerNorm(width), _Attention(width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, _MLP_RATIO * width), nn.GELU(), nn.Linear(_MLP_RATIO * width, width))

    def forward(self, summary: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """summary: [B, 1, d]; x: [B, T, places, d] -> both again."""
        batch, frames = x.shape[:2]
        over_time = x.transpose(1, 2).flatten(0, 1)  # [B * places, T, d]
        over_time = self.time_out(self.time(self.time_norm(over_time)))
        x = x + over_time.unflatten(0, (batch, -1)).transpose(1, 2)
        # The class token attends in every frame; its results are averaged, as in the authors' code.
        with_summary = torch.cat([summary[:, None].expand(-1, frames, -1, -1), x], dim=2).flatten(0, 1)
        in_space = self.space(self.space_norm(with_summary)).unflatten(0, (batch, frames))
        summary = summary + in_space[:, :, 0].mean(dim=1, keepdim=True)
        x = x + in_space[:, :, 1:]
        return summary + self.mlp(self.mlp_norm(summary)), x + self.mlp(self.mlp_norm(x))


class TimeSformer(nn.Module):
    """A vision transformer with divided space-time attention.

    Args:
        outputs: logits. frames, pixels: of the clips. width: multiplier of the 768 channels. depth: blocks.
        patch: side of a patch in pixels.
    """

    def __init__(
        self,
        outputs: int,
        frames: int = 8,
        pixels: int = 224,
        width: float = 1.0,
        depth: int = _DEPTH,
        patch: int = _PATCH,
    ) -> None:
        super().__init__()
        channels = max(_HEAD_WIDTH, round(_WIDTH * width / _HEAD_WIDTH) * _HEAD_WIDTH)
        places = (pixels // patch) ** 2
        self.patches = nn.Conv2d(3, channels, patch, patch)
        self.summary = nn.Parameter(torch.zeros(1, 1, channels))
        self.place = nn.Parameter(torch.zeros(1, places + 1, channels))
        self.moment = nn.Parameter(torch.zeros(1, frames, channels))
        self.blocks = nn.ModuleList(_Block(channels) for _ in range(depth))
        self.norm = nn.LayerNorm(channels)
        self.classify = nn.Linear(channels, outputs)
        for embedding in (self.summary, self.place):
            nn.init.trunc_normal_(embedding, std=0.02)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> logits [B, outputs]."""
        frames = clip.transpose(1, 2)  # [B, T, 3, H, W]
        x = self.patches(frames.flatten(0, 1)).flatten(2).transpose(1, 2)  # [B * T, places, d]
        x = (x + self.place[:, 1:]).unflatten(0, frames.shape[:2]) + self.moment[:, :, None]
        summary = (self.summary + self.place[:, :1]).expand(len(clip), -1, -1)
        for block in self.blocks:
            summary, x = block(summary, x)
        logits: Tensor = self.classify(self.norm(summary[:, 0]))
        return logits
