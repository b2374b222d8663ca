"""The norm of a feature map over channels and places together."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class PlaceNorm(nn.GroupNorm):
    """Group norm with one group (Y. Wu and K. He, ECCV 2018), which streams as one operation.

    Runtimes have no group norm of their own and take five operations for it. One over a single group is a layer norm
    over channels and places whose weight and bias repeat over the places. Training keeps the group norm, whose
    gradient is the faster one.

    Args:
        channels: of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels)

    def forward(self, input: Tensor) -> Tensor:  # the name of nn.GroupNorm
        """input: [B, channels, h, w] -> the same shape, mean 0 and variance 1 before weight and bias."""
        if self.training:
            return super().forward(input)
        shape = input.shape[1:]
        weight, bias = (each[:, None, None].expand(shape) for each in (self.weight, self.bias))
        return functional.layer_norm(input, shape, weight, bias, self.eps)
