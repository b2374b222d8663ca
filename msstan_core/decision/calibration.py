"""Logits become probabilities that mean what they say: temperature scaling per model card."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


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


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64], trained: NDArray[np.bool_]) -> float:
    """The temperature that minimises the negative log-likelihood on held-out ticks (Guo et al. 2017).

    Args:
        logits: [N, 9]. labels: [N] indices into ACTIONS. trained: [9].

    Returns:
        A value in [0.25, 8]; 1.0 when there is nothing to fit on.
    """
    from scipy.optimize import minimize_scalar

    if len(labels) == 0:
        return 1.0

    def negative_log_likelihood(log_temperature: float) -> float:
        probability = action_probabilities(logits, float(np.exp(log_temperature)), trained)
        return float(-np.log(probability[np.arange(len(labels)), labels] + 1e-9).mean())

    result = minimize_scalar(negative_log_likelihood, bounds=(np.log(0.25), np.log(8.0)), method="bounded")
    return float(np.exp(result.x))


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by ticks (Naeini et al. 2015)."""
    confidence_, correct_ = np.asarray(confidence, float), np.asarray(correct, float)
    index = np.minimum((confidence_ * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence_[index == b].mean() - correct_[index == b].mean()) * (index == b).mean()
        for b in range(bins)
        if (index == b).any()
    ]
    return float(sum(gaps))
