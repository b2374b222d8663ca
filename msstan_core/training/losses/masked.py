"""Means over the ticks that count."""

from __future__ import annotations

from torch import Tensor


def mean_over(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of ``values`` with ``weights`` of the same shape; 0 where no weight is left."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
