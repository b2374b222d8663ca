"""What has stayed: background suppression with reconstruction (equations 29, 30)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

#: Log-odds of "background" before training: 0.12. Suppression starts weak; the reconstruction loss makes it stronger.
_BACKGROUND_AT_FIRST = -2.0
#: Ticks per block of the closed form; bounds its [B, ticks, ticks] weights on long recordings.
_BLOCK_TICKS = 128


class Separated(NamedTuple):
    """A map split in two."""

    foreground: Tensor  #: [N, d, h, w] (29)
    background: Tensor  #: [N, d, h, w]


class RunningMean:
    """Slow mean of the maps with valid image: M_t = M_(t-1) + rate (f_t - M_(t-1)), M = 0 before the first.

    It starts at zero rather than at the first map: nothing is background until it has stayed. Not trained through.

    Args:
        rate: share of a new map, in (0, 1).
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def step(self, maps: Tensor, valid: Tensor, mean: Tensor) -> Tensor:
        """maps: [B, d, h, w], valid: [B] 0 or 1, mean: as maps -> the mean with these maps."""
        share = (self._rate * valid)[:, None, None, None]
        return torch.where(share > 0, mean + share * (maps - mean), mean)

    def unroll(self, maps: Tensor, valid: Tensor) -> Tensor:
        """maps: [B, T, d, h, w], valid: [B, T] -> [B, T, d, h, w], the mean *before* each tick, as ``step`` gives it.

        In closed form, block by block: the mean before tick t is keep^n(t) M_0 plus rate keep^(n(t)-n(s)-1) f_s over
        the valid s < t of the block, where n(t) counts the valid ticks of the block before t and keep = 1 - rate.
        """
        keep = 1.0 - self._rate
        flat = torch.where(valid[:, :, None] > 0, maps.detach().flatten(2), 0.0)  # [B, T, d*h*w]
        mean = torch.zeros_like(flat[:, 0])
        before = []
        for begin in range(0, flat.shape[1], _BLOCK_TICKS):
            block, given = flat[:, begin : begin + _BLOCK_TICKS], valid[:, begin : begin + _BLOCK_TICKS]
            seen = torch.cat([torch.zeros_like(given[:, :1]), given.cumsum(dim=1)], dim=1)  # n(t), [B, K+1]
            older = torch.ones(seen.shape[1], block.shape[1], device=flat.device).tril(-1)  # s < t
            exponent = (seen[:, :, None] - seen[:, None, :-1] - 1.0).clamp(min=0.0)
            weights = self._rate * keep**exponent * older * given[:, None, :]
            means = weights @ block + (keep**seen)[:, :, None] * mean[:, None]  # [B, K+1, d*h*w]
            before.append(means[:, :-1])
            mean = means[:, -1]
        return torch.cat(before, dim=1).view_as(maps)


class BackgroundSuppression(nn.Module):
    """Estimates how much of the slow mean is in the present map and subtracts it.

    As printed, (29) and (30) have an exact trivial optimum: background 0, foreground network the identity, loss 0. Here
    the background is a gated running mean, b = gate(f_t, M) * M, and the loss also ties b to M: with b = 0 it is the
    size of M, not 0.

    Args:
        width: feature dimension d. rate: of the running mean.
    """

    def __init__(self, width: int, rate: float) -> None:
        super().__init__()
        self.running_mean = RunningMean(rate)
        last = nn.Conv2d(width // 4, width, 1)
        nn.init.constant_(last.bias, _BACKGROUND_AT_FIRST)  # type: ignore[arg-type]
        self.gate = nn.Sequential(nn.Conv2d(2 * width, width // 4, 1), nn.GELU(), last)
        self.reconstruct = nn.Conv2d(width, width, 1)  # the foreground network of (30); used in training only

    def forward(self, maps: Tensor, mean: Tensor) -> Separated:
        """maps: f_t [N, d, h, w], mean: M before t, [N, d, h, w]."""
        background = self.gate(torch.cat([maps, mean], dim=1)).sigmoid() * mean
        return Separated(maps - background, background)  # (29)

    def error(self, maps: Tensor, mean: Tensor, separated: Separated) -> Tensor:
        """What equation 30 sums, corrected, per map [N]: mean over channels and places instead of their sum.

        (reconstruct(foreground) + background - f_t)^2 + (background - M)^2, with f_t and M as fixed targets: the
        encoder must not learn features that are easy to separate.
        """
        reconstructed = self.reconstruct(separated.foreground) + separated.background
        missed = (reconstructed - maps.detach()).square().flatten(1).mean(dim=1)
        untied = (separated.background - mean.detach()).square().flatten(1).mean(dim=1)
        error: Tensor = missed + untied
        return error
