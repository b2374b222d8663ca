"""The worst small error that the sensors could make: fast gradient sign perturbation of a batch of clips."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from msstan_core.model.ms_stan import Features
from msstan_core.vocabulary import Modality

#: What is perturbed: what comes from a sensor. Context, validity and ages are statements, not measurements.
PERTURBED: dict[str, Modality] = {m.label: m for m in (Modality.CAMERA, Modality.THERMAL, Modality.TELEMETRY)} | {
    "log_mel": Modality.ACOUSTIC,
    "thermal_statistics": Modality.THERMAL,
}


def perturbed(features: Features, loss_of: Callable[[Features], Tensor], epsilon: float) -> Features:
    """``x + epsilon * std(x) * sign(dL/dx)`` for every sensor's part, where its modality is valid.

    Args:
        features: [B, T, ...]. loss_of: features -> loss. epsilon: in standard deviations of the part's valid values.

    Returns:
        New features; the network's gradients are untouched.
    """
    present = {
        name: modality for name, modality in PERTURBED.items() if bool((features.valid[..., modality] > 0).any())
    }
    leaves = {name: getattr(features, name).float().detach().requires_grad_() for name in present}
    loss = loss_of(features._replace(**leaves))
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    changed: dict[str, Tensor] = {}
    for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True):
        if gradient is None:  # a part that this network does not read
            continue
        valid = features.valid[..., present[name]] > 0
        spread = leaf.detach()[valid].std()
        # The gradient is exactly zero where a modality is invalid, and so is its sign.
        changed[name] = leaf.detach() + epsilon * spread * gradient.sign()
    return features._replace(**changed)
