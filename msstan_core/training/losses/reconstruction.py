"""Foreground and background must add up, and the background must be what stayed (equation 30)."""

from __future__ import annotations

from torch import Tensor

from msstan_core.training.losses.masked import mean_over


def reconstruction_loss(separation_error: Tensor, valid: Tensor) -> Tensor:
    """Mean of the separation error over the images that there are.

    Args:
        separation_error: [B, T, 2] of camera and thermal image; for what it corrects see
            :meth:`msstan_core.model.background.BackgroundSuppression.error`. valid: [B, T, 2] 0 or 1.
    """
    return mean_over(separation_error, valid)
