"""All terms together (equation 32, and the terms that the paper adds later)."""

from __future__ import annotations

from torch import Tensor

from msstan_core.model.ms_stan import MsStan
from msstan_core.model.signals import Auxiliary, Output
from msstan_core.training.losses.contrastive import (
    labelled_ticks,
    margin_contrastive_loss,
    supervised_contrastive_loss,
)
from msstan_core.training.losses.occlusion import occlusion_loss
from msstan_core.training.losses.reconstruction import reconstruction_loss
from msstan_core.training.losses.regularisation import sparsity_loss, weight_penalty
from msstan_core.training.losses.sampling import importance_loss, importance_target, smoothness_loss
from msstan_core.training.losses.semantic import action_similarity, semantic_loss
from msstan_core.training.losses.weights import LossWeights, check_losses
from msstan_core.vocabulary import Modality

#: Ticks of a batch that are compared in pairs.
MOST_PAIRED_TICKS = 512


def mechanism_losses(
    losses: LossWeights,
    model: MsStan,
    output: Output,
    auxiliary: Auxiliary,
    labels: Tensor,
    valid: Tensor,
    seen: Tensor,
) -> dict[str, Tensor]:
    """The terms beside action and imperfection loss, weighted, by name; only those whose weight is not 0.

    Args:
        losses: weights. model: whose parameters (22) and (44) are about.
        output, auxiliary: of ``MsStan.unroll_with_auxiliary`` in training mode.
        labels: [B, T] indices into ACTIONS or UNLABELLED. valid: [B, T, 4]. seen: [B, T] weight of each tick.

    Raises:
        InputError: when a weighted term's mechanism is off.
    """
    check_losses("training configuration", losses, model.config)
    terms: dict[str, Tensor] = {}
    images = valid[:, :, [Modality.CAMERA, Modality.THERMAL]]
    if losses.weight_penalty > 0:
        terms["weight_penalty"] = weight_penalty(model.heads)
    if losses.occlusion > 0 and auxiliary.visible is not None:
        terms["occlusion"] = occlusion_loss(auxiliary.visible, images)
    if losses.reconstruction > 0 and auxiliary.separation_error is not None:
        terms["reconstruction"] = reconstruction_loss(auxiliary.separation_error, images)
    if losses.contrastive > 0 and auxiliary.projected is not None:
        rows, classes = labelled_ticks(auxiliary.projected, labels, seen, MOST_PAIRED_TICKS)
        terms["contrastive"] = (
            supervised_contrastive_loss(rows, classes, losses.contrastive_temperature)
            if losses.contrastive_form == "supervised"
            else margin_contrastive_loss(rows, classes, losses.contrastive_margin)
        )
    if auxiliary.importance is not None and auxiliary.looked is not None and auxiliary.held is not None:
        frames = seen * valid[:, :, Modality.CAMERA]
        if losses.importance > 0:
            target, known = importance_target(output.action_logits.softmax(dim=2), labels, auxiliary.looked)
            # A clip whose frames were held shows nothing of what they would have changed.
            frames_known = frames * known * (1.0 - auxiliary.held[:, None])
            terms["importance"] = importance_loss(auxiliary.importance, target, frames_known)
        if losses.smoothness > 0:
            terms["smoothness"] = smoothness_loss(auxiliary.importance, frames)
    if losses.sparsity > 0 and model.convolution is not None:
        terms["sparsity"] = sparsity_loss(model.convolution)
    if losses.semantic > 0:
        rows, classes = labelled_ticks(output.embedding, labels, seen, output.embedding[..., 0].numel())
        terms["semantic"] = semantic_loss(rows, classes, action_similarity().to(rows.device))
    return {name: getattr(losses, name) * term for name, term in terms.items()}
