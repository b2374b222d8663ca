"""From the encoder's map to the map that is attended to: magnified, without background, without what hides (31)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from msstan_core.model.background import BackgroundSuppression
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.magnification import MotionMagnification
from msstan_core.model.occlusion import OcclusionMask


class MapPast(NamedTuple):
    """What a tick needs to know of the maps before it; None where no mechanism needs it."""

    previous: Tensor | None  #: [B, d, h, w]
    mean: Tensor | None  #: [B, d, h, w]


class Refined(NamedTuple):
    """Refined maps and what the losses want to know of them."""

    maps: Tensor  #: f_final [N, d, h, w]
    visible: Tensor | None  #: [N] mean of the occlusion mask
    separation_error: Tensor | None  #: [N] see BackgroundSuppression.error; None outside training


class MapRefinement(nn.Module):
    """f_final = m * (f + magnified motion - background), each part where it is switched on (26, 29, 31, 35).

    Mask, background and motion are all computed from the encoder's own map f_t, so that each can be switched without
    changing what the others read.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        background = config.background
        self.magnification = MotionMagnification(config.magnification) if config.magnification.enabled else None
        self.background = BackgroundSuppression(config.width, background.rate) if background.enabled else None
        self.occlusion = OcclusionMask(config.width) if config.occlusion.enabled else None

    @classmethod
    def of(cls, config: ModelConfig) -> MapRefinement | None:
        """The refinement that this configuration asks for; None when all its parts are off."""
        wanted = config.magnification.enabled or config.background.enabled or config.occlusion.enabled
        return cls(config) if wanted else None

    def unroll(self, maps: Tensor, valid: Tensor) -> Refined:
        """maps: [B, T, d, h, w] (anything where not valid), valid: [B, T] 0 or 1 -> N refined maps, the valid ones."""
        rows = valid.flatten() > 0
        flat, motion, mean = maps.flatten(0, 1)[rows], None, None
        if self.magnification is not None:
            previous = torch.cat([torch.zeros_like(maps[:, :1]), maps[:, :-1]], dim=1).flatten(0, 1)[rows]
            was_valid = torch.cat([torch.zeros_like(valid[:, :1]), valid[:, :-1]], dim=1).flatten()[rows]
            motion = self.magnification(flat, previous, was_valid)
        if self.background is not None:
            mean = self.background.running_mean.unroll(maps, valid).flatten(0, 1)[rows]
        return self._combine(flat, motion, mean)

    def step(self, maps: Tensor, valid: Tensor, was_valid: Tensor | None, past: MapPast) -> tuple[Refined, MapPast]:
        """One tick. maps: [B, d, h, w]; valid, was_valid: [B] now and at the last tick; past: of the last tick."""
        motion, mean = None, past.mean
        if self.magnification is not None and past.previous is not None and was_valid is not None:
            motion = self.magnification(maps, past.previous, valid * was_valid)
        refined = self._combine(maps, motion, mean)
        if self.background is not None and mean is not None:
            mean = self.background.running_mean.step(maps, valid, mean)
        return refined, MapPast(None if past.previous is None else maps, mean)

    def _combine(self, maps: Tensor, motion: Tensor | None, mean: Tensor | None) -> Refined:
        final, visible, error = maps, None, None
        if self.background is not None and mean is not None:
            separated = self.background(maps, mean)
            final = separated.foreground
            if self.training:
                error = self.background.error(maps, mean, separated)
        if motion is not None:
            final = final + motion
        if self.occlusion is not None:
            mask = self.occlusion(maps)
            final = mask * final  # (26), (31)
            visible = mask.flatten(1).mean(dim=1)
        return Refined(final, visible, error)
