"""Similar actions near each other (equation 47)."""

from __future__ import annotations

import torch
from torch import Tensor

from msstan_core.vocabulary import ACTIONS, Action

#: What is true during each action; two actions are as similar as the share of these statements on which they agree.
STATEMENTS: tuple[tuple[str, frozenset[Action]], ...] = (
    (
        "the arc burns",
        frozenset(
            {
                Action.ARC_INITIATION,
                Action.MATERIAL_DEPOSITION,
                Action.HEAT_INPUT_ADJUSTMENT,
                Action.CRATER_FILL,
                Action.ARC_EXTINCTION,
            }
        ),
    ),
    (
        "the torch travels",
        frozenset({Action.ELECTRODE_MOVEMENT, Action.MATERIAL_DEPOSITION, Action.HEAT_INPUT_ADJUSTMENT}),
    ),
    ("parts are handled", frozenset({Action.MATERIAL_PLACEMENT})),
    (
        "a pool is molten",
        frozenset(
            {Action.MATERIAL_DEPOSITION, Action.HEAT_INPUT_ADJUSTMENT, Action.CRATER_FILL, Action.ARC_EXTINCTION}
        ),
    ),
    (
        "the metal is hot",
        frozenset(
            {
                Action.ARC_INITIATION,
                Action.MATERIAL_DEPOSITION,
                Action.HEAT_INPUT_ADJUSTMENT,
                Action.CRATER_FILL,
                Action.ARC_EXTINCTION,
                Action.COOLING,
            }
        ),
    ),
    ("the energy rises", frozenset({Action.ARC_INITIATION, Action.HEAT_INPUT_ADJUSTMENT})),
    (
        "the energy falls",
        frozenset({Action.HEAT_INPUT_ADJUSTMENT, Action.CRATER_FILL, Action.ARC_EXTINCTION, Action.COOLING}),
    ),
)


def action_similarity() -> Tensor:
    """S of equation 47, [9, 9] in [0, 1], zero on the diagonal.

    Twice the share of STATEMENTS two actions agree on, less one, at least 0: agreeing by chance is no similarity.
    """
    facts = torch.tensor([[action in true for _, true in STATEMENTS] for action in ACTIONS], dtype=torch.float32)
    agreement = 1.0 - (facts[:, None] - facts[None, :]).abs().mean(dim=2)
    return (2.0 * agreement - 1.0).clamp(min=0.0) * (1.0 - torch.eye(len(ACTIONS)))


def semantic_loss(embeddings: Tensor, labels: Tensor, similarity: Tensor) -> Tensor:
    """Mean of S_ij |f_i - f_j|^2 over pairs of actions, weighted by S, with f_i the mean embedding of action i (47).

    The squared distance is a mean over dimensions, and the sum is divided by the sum of S over the actions that are
    there: neither the width nor the composition of a batch changes what the weight means.

    Args:
        embeddings: [N, d]. labels: [N] indices into ACTIONS. similarity: [9, 9].

    Returns:
        The loss; 0 with fewer than two actions.
    """
    members = torch.nn.functional.one_hot(labels, len(similarity)).to(embeddings.dtype)  # [N, 9]
    count = members.sum(dim=0)
    means = members.t() @ embeddings / count.clamp(min=1.0)[:, None]
    distance = (means[:, None] - means[None, :]).square().mean(dim=2)
    there = (count > 0).to(embeddings.dtype)
    weights = similarity * there[:, None] * there[None, :]
    return (weights * distance).sum() / weights.sum().clamp(min=1e-6)
