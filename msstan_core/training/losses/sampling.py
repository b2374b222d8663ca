"""What the importance score learns (equations 40, 42)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from msstan_core.model.importance import last_looked
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.losses.masked import mean_over


def importance_target(probabilities: Tensor, labels: Tensor, looked: Tensor) -> tuple[Tensor, Tensor]:
    """What holding the last frame that was looked at would cost at each tick.

    The paper gives the score no target of its own. This one is the probability mass that has moved since that frame,
    half the sum of |p_t - p_ref|, or 1 where the label has changed.

    Args:
        probabilities: [B, T, 9] of the actions. labels: [B, T] or UNLABELLED. looked: [B, T] the gate's decisions.

    Returns:
        (target [B, T] in [0, 1], known [B, T] 1 where a frame was looked at before).
    """
    before = functional.pad(last_looked(looked)[:, :-1], (1, 0), value=-1)
    known = (before >= 0).to(probabilities.dtype)
    reference = before.clamp(min=0)
    moved = 0.5 * (probabilities - probabilities.gather(1, reference[:, :, None].expand_as(probabilities))).abs().sum(2)
    then = labels.gather(1, reference)
    changed = (labels != then) & (labels != UNLABELLED) & (then != UNLABELLED)
    return torch.where(changed, 1.0, moved).detach(), known


def importance_loss(importance: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of a_t (40) against its target, [B, T] each, as a weighted mean."""
    losses = functional.binary_cross_entropy(importance, target, reduction="none")
    return mean_over(losses, weights)


def smoothness_loss(importance: Tensor, weights: Tensor) -> Tensor:
    """Mean of (a_t - a_(t+1))^2 over consecutive ticks that both count (42). [B, T] each."""
    return mean_over((importance[:, 1:] - importance[:, :-1]).square(), weights[:, 1:] * weights[:, :-1])
