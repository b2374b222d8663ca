"""Logits become probabilities, cooled by the temperature of the model's card."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def action_probabilities(
    logits: NDArray[np.float32], temperature: float, trained: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Softmax of ``logits / temperature`` over the trained actions; 0 for actions that training has never seen.

    Args:
        logits: [..., 9]. temperature: > 0. trained: [9].
    """
    scaled = np.where(trained, np.asarray(logits, np.float64) / temperature, -np.inf)
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    exponent = np.exp(scaled)
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), np.float32)


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [..., 9] with their logarithms divided by ``temperature``; the order of the classes stays."""
    if temperature == 1.0:
        return probabilities
    power = np.asarray(probabilities, np.float64) ** (1.0 / temperature)
    return np.asarray(power / power.sum(axis=-1, keepdims=True), np.float32)


def imperfection_probabilities(logits: NDArray[np.float32], trained: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Sigmoid of each logit; NaN for imperfections that training has never seen: no statement is not "absent"."""
    probability = 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))
    return np.where(trained, probability, np.nan).astype(np.float32)
