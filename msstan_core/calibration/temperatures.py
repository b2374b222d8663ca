"""Temperatures fitted on held-out recordings, and what they do on groups of recordings that they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msstan_core.decision.probabilities import action_probabilities
from msstan_core.recordings.annotations import UNLABELLED

#: Ticks that a temperature is fitted on at most: consecutive ones say nearly the same.
MOST_TICKS = 6000
#: Parts that the groups are divided into for judging.
FOLDS = 5


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


@dataclass(frozen=True, slots=True)
class FittedTemperature:
    """A temperature and its effect, judged across groups: each part of them by the temperature of the others."""

    value: float
    ticks: int
    accuracy: float
    confidence: float  #: mean probability of the most likely action, after
    ece_before: float
    ece_after: float  #: of the temperature that is used


def fit_across_groups(
    logits: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.int64]],
    groups: Sequence[str],
    trained: NDArray[np.bool_],
) -> FittedTemperature:
    """The temperature for these recordings; 1 where a fitted one did not help groups that it was not fitted on.

    Args:
        logits: of each recording [N, 9], or log-probabilities. labels: of each [N], UNLABELLED where there is none.
        groups: of each recording. trained: [9].
    """
    x, y = np.concatenate(logits), np.concatenate(labels)
    group = np.repeat(np.asarray(groups, dtype=str), [len(part) for part in labels])
    known = y != UNLABELLED
    stride = max(1, int(known.sum()) // MOST_TICKS)
    x, y, group = x[known][::stride], y[known][::stride], group[known][::stride]
    if len(y) == 0:
        return FittedTemperature(1.0, 0, *(float("nan"),) * 4)
    before = action_probabilities(x, 1.0, trained)
    after = before.copy()
    names = np.unique(group)
    for part in np.array_split(names, min(FOLDS, len(names))):
        inside = np.isin(group, part)
        others = inside if len(names) == 1 else ~inside
        after[inside] = action_probabilities(x[inside], fit_temperature(x[others], y[others], trained), trained)
    value = fit_temperature(x, y, trained)
    ece_before, ece_after = _error(before, y), _error(after, y)
    if ece_after > ece_before:
        value, after, ece_after = 1.0, before, ece_before
    correct = after.argmax(axis=1) == y
    return FittedTemperature(
        value, len(y), float(correct.mean()), float(after.max(axis=1).mean()), ece_before, ece_after
    )


def _error(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
