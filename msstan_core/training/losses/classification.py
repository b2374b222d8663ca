"""What the network says against what is labelled: actions (21) and imperfections."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from msstan_core.recordings.annotations import UNLABELLED


def action_loss(
    logits: Tensor, labels: Tensor, tick_weights: Tensor, class_weights: Tensor, smoothing: float
) -> Tensor:
    """Cross-entropy (21) over labelled ticks, as a weighted mean.

    Args:
        logits: [B, T, 9]. labels: [B, T] indices, UNLABELLED where there is none. tick_weights: [B, T] >= 0.
        class_weights: [9]. smoothing: label smoothing in [0, 1).
    """
    labelled = labels != UNLABELLED
    target = labels.clamp(min=0)
    losses = functional.cross_entropy(logits.transpose(1, 2), target, reduction="none", label_smoothing=smoothing)
    weights = tick_weights * class_weights[target] * labelled
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def imperfection_loss(logits: Tensor, labels: Tensor, seen: Tensor | None = None) -> Tensor:
    """Binary cross-entropy over ticks and imperfections with a known answer (NaN: unknown); 0 where none is known.

    ``seen`` [...], without the last axis: not over 0 where a tick teaches nothing; None: all do.
    """
    known = torch.isfinite(labels)
    if seen is not None:
        known = known & (seen[..., None] > 0)
    losses = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(labels), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)
