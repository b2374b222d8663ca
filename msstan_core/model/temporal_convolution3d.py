"""When and where at once: a hierarchy of causal 3D convolutions over stacked feature maps (equations 9, 11)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from msstan_core.model.configuration import ModelConfig
from msstan_core.model.state import camera_map_side, thermal_map_side


def dilations_of(windows: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Dilations in ticks of the levels that lie between one window and the next.

    A level with kernel 2 and dilation s reads s ticks further back. They double while there is room, so windows of 4,
    16 and 64 ticks take two levels each: ((1, 2), (4, 8), (16, 32)). After the levels of a window, the convolutions
    have read exactly its ticks. A window of one tick needs no level.
    """
    groups = []
    step = 1
    for covered, tau in pairwise((1, *windows)):
        group = []
        missing = tau - covered
        while missing > 0:
            group.append(min(step, missing))
            missing -= group[-1]
            step *= 2
        groups.append(tuple(group))
    return tuple(groups)


class PlaceReduction(nn.Module):
    """Fewer channels and a fixed grid: what makes 3D convolutions affordable and cameras of any size alike.

    Args:
        config: width d, channels c, grid g. side: places per side of the map.
    """

    pooling: Tensor

    def __init__(self, config: ModelConfig, side: int) -> None:
        super().__init__()
        self.channels = nn.Conv2d(config.width, config.aggregation.channels, 1, bias=False)
        grid = config.aggregation.grid
        # Adaptive average pooling as a matrix: exporters know a product, but not every ratio of sizes.
        rows = functional.adaptive_avg_pool1d(torch.eye(side).unsqueeze(0), grid).squeeze(0)  # [side, g]
        self.register_buffer("pooling", rows, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """maps: [N, d, h, w] -> [N, c, g, g]."""
        pooled: Tensor = self.pooling.t() @ self.channels(maps) @ self.pooling
        return pooled


class TemporalConvolution3d(nn.Module):
    """Levels of 2 x 3 x 3 convolutions over ticks and places, read out after the levels of each window tau (11).

    Each level reads the present and one past tick at its dilation, so streaming keeps one past input per tick of
    dilation and computes only the newest column. Maps of both images enter and, the same at every place, the fused
    feature of all modalities.

    Args:
        config: windows, width d, channels c, grid g.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d, c = config.width, config.aggregation.channels
        self.grid = config.aggregation.grid
        self.groups = dilations_of(config.windows)
        self.camera = PlaceReduction(config, camera_map_side(config))
        self.thermal = PlaceReduction(config, thermal_map_side(config))
        self.sensors = nn.Linear(d, c)
        self.norm = nn.GroupNorm(1, c)
        self.levels = nn.ModuleList(nn.Conv3d(c, c, (2, 3, 3)) for group in self.groups for _ in group)
        self.fuse = nn.Linear(c * len(config.windows), d)
        self.fused_norm = nn.LayerNorm(d)

    def unroll(self, h: Tensor, camera: Tensor, thermal: Tensor) -> Tensor:
        """Whole clips.

        Args:
            h: [B, T, d] fused features. camera, thermal: [B, T, c, g, g] reduced maps, zero where there is none.

        Returns:
            Multi-scale feature [B, T, d] (10), without the residual of (12).
        """
        batch, ticks = h.shape[:2]
        x = self._enter(h.flatten(0, 1), camera.flatten(0, 1), thermal.flatten(0, 1))  # [B*T, c, g, g]
        read, level = [], 0
        for group in self.groups:
            for dilation in group:
                past = functional.pad(x.unflatten(0, (batch, ticks)), (0, 0, 0, 0, 0, 0, dilation, 0))[:, :ticks]
                x = self._mix(level, past.flatten(0, 1), x)
                level += 1
            read.append(x.mean(dim=(2, 3)))
        clips: Tensor = self._leave(read).unflatten(0, (batch, ticks))
        return clips

    def step(self, h: Tensor, camera: Tensor, thermal: Tensor, volume: Tensor) -> tuple[Tensor, Tensor]:
        """One tick. h: [B, d]; camera, thermal: [B, c, g, g]; volume: [B, R-1, c, g, g], past inputs level by level.

        Returns:
            (multi-scale feature [B, d], new volume).
        """
        x = self._enter(h, camera, thermal)
        read, kept, level, begin = [], [], 0, 0
        for group in self.groups:
            for dilation in group:
                past = volume[:, begin : begin + dilation]  # oldest first
                kept += [past[:, 1:], x.unsqueeze(1)]
                x = self._mix(level, past[:, 0], x)
                level, begin = level + 1, begin + dilation
            read.append(x.mean(dim=(2, 3)))
        return self._leave(read), torch.cat(kept, dim=1) if kept else volume

    def _enter(self, h: Tensor, camera: Tensor, thermal: Tensor) -> Tensor:
        return self.norm(camera + thermal + self.sensors(h)[:, :, None, None])  # type: ignore[no-any-return]

    def _mix(self, level: int, past: Tensor, now: Tensor) -> Tensor:
        """One level with a residual: a 2 x 3 x 3 convolution is a 3 x 3 one over the channels of both its ticks."""
        convolution = self.levels[level]
        weight = convolution.weight.transpose(1, 2).flatten(1, 2)  # type: ignore[operator]
        both = torch.cat([past, now], dim=1)
        mixed = functional.conv2d(both, weight, convolution.bias, padding=1)  # type: ignore[arg-type]
        return now + functional.gelu(mixed)

    def _leave(self, read: list[Tensor]) -> Tensor:
        return self.fused_norm(self.fuse(torch.cat(read, dim=-1)))  # type: ignore[no-any-return]
