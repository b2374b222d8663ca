"""Equation 48: successive ticks should be answered alike - corrected, or it would punish the weld for changing.

Printed: L_adaptation = L_classification + lambda * sum_t |f_t - f_t+1|^2 over the attended features. Two things are
wrong with it for adaptation. It punishes every true change of action as much as flicker; so each pair is weighed by a
gate that is 0 at predicted boundaries (:func:`~msstan_core.adaptation.observed_ticks.boundary_gate`, on the published
answers, which the shadow head cannot influence). And where only head and LayerNorm affine move, scale = 0 makes all
features equal and is an exact optimum; so the distance is that of the answers p = softmax(logits), which the
cross-entropy holds apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def consistency(before: Array, now: Array, gate: Array) -> tuple[float, Array, Array]:
    """Mean over N pairs of gate * |p_now - p_before|^2, with its gradients.

    Args:
        before, now: [N, K] probabilities of successive ticks. gate: [N] in [0, 1].

    Returns:
        (loss, gradient on the logits before [N, K], gradient on the logits now [N, K]).
    """
    if not len(gate):
        return 0.0, np.zeros_like(before), np.zeros_like(now)
    difference = now - before
    loss = float((gate * (difference**2).sum(axis=1)).mean())
    outer = 2.0 * gate[:, None] * difference / len(gate)
    return loss, -_through_softmax(outer, before), _through_softmax(outer, now)


def _through_softmax(gradient: Array, probability: Array) -> Array:
    """Gradient on probabilities -> gradient on logits, [N, K]."""
    return np.asarray(probability * (gradient - (gradient * probability).sum(axis=1, keepdims=True)))
