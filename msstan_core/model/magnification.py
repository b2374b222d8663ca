"""What moved: the difference to the last map, normalised and amplified (equations 33, 34, 35)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.model.switches import MagnificationConfig

#: Share of a new batch in the measured noise floor.
_MOMENTUM = 0.02
#: The noise floor is the size of the difference that this share of the ticks stays below: nothing moved there.
_QUIET_SHARE = 0.1
#: Smaller differences are the same image again (a slower camera), and say nothing about noise.
_SAME_IMAGE = 1e-6


class MotionMagnification(nn.Module):
    """f_t + gamma * D / (size(D) + epsilon) with D = f_t - f_(t-1).

    As printed, epsilon is "a small constant": on a static scene D is sensor noise, and dividing it by its own norm
    makes it as large as any motion. Here epsilon is no smaller than the noise floor, which training measures as the
    size of the quietest differences, so noise comes out at half the size of motion or less. The size is the root mean
    square over the map, which is the printed norm up to a constant that gamma takes in.

    Args:
        config: first gamma, least noise.
    """

    noise_floor: Tensor

    def __init__(self, config: MagnificationConfig) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.tensor(config.gain))
        self.least_noise = config.least_noise
        self.register_buffer("noise_floor", torch.tensor(config.least_noise))

    def forward(self, maps: Tensor, previous: Tensor, both: Tensor) -> Tensor:
        """What is added to the map.

        Args:
            maps: f_t [N, d, h, w]. previous: f_(t-1). both: [N] 1 where both are valid; elsewhere nothing moved.

        Returns:
            gamma * normalised difference (35), [N, d, h, w].
        """
        difference = torch.where(both[:, None, None, None] > 0, maps - previous, 0.0)
        # The root of zero has no slope; the smallest square keeps its gradient finite.
        size = (difference.square().flatten(1).mean(dim=1) + _SAME_IMAGE**2).sqrt()
        if self.training and self.gamma.requires_grad:
            self._measure(size.detach())
        epsilon = self.noise_floor.clamp(min=self.least_noise)
        return self.gamma * difference / (size + epsilon)[:, None, None, None]  # (34), (35)

    def _measure(self, size: Tensor) -> None:
        """Follow the quiet end of the differences that training shows."""
        moved = size[size > 2 * _SAME_IMAGE]
        if len(moved):
            self.noise_floor += _MOMENTUM * (moved.quantile(_QUIET_SHARE) - self.noise_floor)
