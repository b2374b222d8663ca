"""Ticks of the same action together, of different actions apart (equations 36 to 39).

As printed, l(i, j) is 1 for *different* classes and the loss is l * distance (36, 37): it pulls different actions
together and leaves equal ones alone. With the margin (38) it is l * max(0, distance - m): the sign inside is that of a
loss for equal classes. Both standard forms that the text describes are here; both take projected embeddings (39).
"""

from __future__ import annotations

import torch
from torch import Tensor

from msstan_core.recordings.annotations import UNLABELLED


def supervised_contrastive_loss(projected: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, L_out).

    For each anchor i with others of its class, P(i): minus the mean over p in P(i) of log(exp(z_i.z_p / t) / sum over
    all a != i of exp(z_i.z_a / t)); then the mean over such anchors.

    Args:
        projected: [N, p] of length 1. labels: [N]. temperature: t.

    Returns:
        The loss; 0 where no two ticks share a class.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    similarity = (projected @ projected.t() / temperature).masked_fill(itself, -1e9)
    log_share = similarity - similarity.logsumexp(dim=1, keepdim=True)
    positive = ((labels[:, None] == labels[None, :]) & ~itself).to(projected.dtype)
    count = positive.sum(dim=1)
    per_anchor = -(log_share * positive).sum(dim=1) / count.clamp(min=1.0)
    anchors = (count > 0).to(projected.dtype)
    return (per_anchor * anchors).sum() / anchors.sum().clamp(min=1.0)


def margin_contrastive_loss(projected: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Equations 36 to 38 with the classes and the sign put right.

    Mean over pairs i != j of |z_i - z_j|^2 where the classes are equal and max(0, m - |z_i - z_j|^2) where they differ.

    Args:
        projected: [N, p]. labels: [N]. margin: m.
    """
    if len(labels) < 2:
        return projected.sum() * 0.0
    distance = (projected[:, None] - projected[None, :]).square().sum(dim=2)
    equal = labels[:, None] == labels[None, :]
    pairs = torch.where(equal, distance, (margin - distance).clamp(min=0.0))
    return pairs.sum() / (len(labels) * (len(labels) - 1))  # the diagonal is 0


def labelled_ticks(values: Tensor, labels: Tensor, weights: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Labelled ticks that count, as rows; evenly thinned to ``most``, because pairs grow with the square.

    Args:
        values: [B, T, n]. labels: [B, T]. weights: [B, T].

    Returns:
        ([N, n], [N]) with N <= most.
    """
    rows = ((labels != UNLABELLED) & (weights > 0)).flatten().nonzero().squeeze(1)
    rows = rows[:: max(1, -(-len(rows) // most))]
    return values.flatten(0, 1)[rows], labels.flatten()[rows]
