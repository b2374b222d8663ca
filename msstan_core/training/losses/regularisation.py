"""Terms on the weights themselves (equations 22, 44)."""

from __future__ import annotations

from torch import Tensor

from msstan_core.model.heads import Heads
from msstan_core.model.temporal import SeparableCausalConvolution


def weight_penalty(heads: Heads) -> Tensor:
    """|W|^2 / 2 of the action head (22); its gradient is W, and the bias is left alone (24, 25).

    AdamW's decoupled weight decay does the same for all weights; this is the printed term for the printed matrix.
    """
    return 0.5 * heads.action.weight.square().sum()


def sparsity_loss(convolution: SeparableCausalConvolution) -> Tensor:
    """Mean size |theta| of the separable convolution's weights: the L1 norm of (44) over their number."""
    weights = (convolution.depthwise.weight, convolution.pointwise.weight)
    total: Tensor = sum(w.abs().sum() for w in weights)  # type: ignore[assignment]
    return total / sum(w.numel() for w in weights)
