"""Occlusion masks may close, but must say why (equation 27)."""

from __future__ import annotations

from torch import Tensor

from msstan_core.training.losses.masked import mean_over


def occlusion_loss(visible: Tensor, valid: Tensor) -> Tensor:
    """Mean of 1 - m over the images that there are.

    The print sums |m|. The mask multiplies the features (26), so it is 1 where they are *visible*, and the sparsity
    that the text asks for ("only the truly occluded regions are suppressed") is that of 1 - m. The printed loss would
    close the mask everywhere.

    Args:
        visible: [B, T, 2] mean over places of m, camera and thermal image. valid: [B, T, 2] 0 or 1.
    """
    return mean_over(1.0 - visible, valid)
