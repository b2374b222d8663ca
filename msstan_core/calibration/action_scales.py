"""Scales of the action logits fitted on held-out recordings, and what they do on groups that they were not fitted on.

A temperature (Guo et al. 2017), and where the groups clearly say so an offset for each action beside it
("bias-corrected temperature scaling", Alexandari et al. 2020): the loss weights rare actions up, and how often each one
is right only recordings can tell that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msstan_core.calibration.filter_fitting import clearly_better
from msstan_core.decision.probabilities import ActionScale, action_probabilities
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.vocabulary import ACTIONS

#: Ticks that a scale is fitted on at most: consecutive ones say nearly the same.
MOST_TICKS = 6000
#: Parts that the groups are divided into for judging.
FOLDS = 5
#: Weight of the mean square of the offsets beside the mean log-loss: an action that hardly occurs keeps none.
OFFSET_PENALTY = 0.01
_LEAST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.25, 8.0
_LEAST_PROBABILITY = 1e-9


def fit_scale(
    logits: NDArray[np.float32], labels: NDArray[np.int64], trained: NDArray[np.bool_], *, offsets: bool
) -> ActionScale:
    """The scale that minimises the negative log-likelihood on held-out ticks, large offsets penalised.

    Args:
        logits: [N, 9]. labels: [N] indices into ACTIONS. trained: [9]; the others have no offset, and ticks of theirs,
            which no scale makes likelier, no part.
        offsets: whether there are any, or a temperature alone.

    Returns:
        A temperature in [0.25, 8]; 1 and no offsets when there is nothing to fit on.
    """
    from scipy.optimize import minimize

    learnt = trained[labels]
    logits, labels = logits[learnt], labels[learnt]
    if len(labels) == 0:
        return ActionScale()
    chosen = np.flatnonzero(trained)
    x, rows = np.asarray(logits, np.float64), np.arange(len(labels))

    def scale_of(parameters: NDArray[np.float64]) -> ActionScale:
        if not offsets:
            return ActionScale.of(np.exp(parameters[0]))
        added = np.zeros(len(ACTIONS))
        added[chosen] = parameters[1:]
        return ActionScale.of(np.exp(parameters[0]), added)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale = scale_of(parameters)
        probability = np.asarray(action_probabilities(logits, scale, trained), np.float64)
        value = -np.log(probability[rows, labels] + _LEAST_PROBABILITY).mean()
        residual = probability.copy()
        residual[rows, labels] -= 1.0
        by_temperature = -(residual[:, chosen] * x[:, chosen]).sum(axis=1).mean() / scale.temperature
        if not offsets:
            return float(value), np.array([by_temperature])
        added = parameters[1:]
        by_offset = residual[:, chosen].mean(axis=0) + 2 * OFFSET_PENALTY * added / len(added)
        return float(value + OFFSET_PENALTY * (added**2).mean()), np.concatenate([[by_temperature], by_offset])

    bounds = [(np.log(_LEAST_TEMPERATURE), np.log(_HIGHEST_TEMPERATURE))] + [(None, None)] * (offsets * len(chosen))
    found = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B")
    return scale_of(found.x)


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
class FittedScale:
    """A scale and its effect, judged across groups: each part of them by the scale of the others."""

    scale: ActionScale
    ticks: int
    accuracy_before: float
    accuracy: float  #: of the scale that is used
    confidence: float  #: mean probability of the most likely action, after
    ece_before: float
    ece_after: float  #: of the scale that is used


def fit_across_groups(
    logits: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.int64]],
    groups: Sequence[str],
    trained: NDArray[np.bool_],
    *,
    offsets: bool = True,
) -> FittedScale:
    """The scale for these recordings, no more of it than helps groups that it was not fitted on.

    The temperature is 1 where a fitted one has no lower calibration error there; there are offsets only where the
    log-loss of such groups is clearly lower with them (by more than a standard error of the difference).

    Args:
        logits: of each recording [N, 9], or log-probabilities. labels: of each [N], UNLABELLED where there is none.
        groups: of each recording. trained: [9]. offsets: whether there may be any.
    """
    x, y = np.concatenate(logits), np.concatenate(labels)
    group = np.repeat(np.asarray(groups, dtype=str), [len(part) for part in labels])
    known = y != UNLABELLED
    stride = max(1, int(known.sum()) // MOST_TICKS)
    x, y, group = x[known][::stride], y[known][::stride], group[known][::stride]
    if len(y) == 0:
        return FittedScale(ActionScale(), 0, *(float("nan"),) * 5)

    def across(offsets: bool) -> NDArray[np.float32]:
        """[N, 9] of each group by the scale of the others."""
        names = np.unique(group)
        out = np.empty(x.shape, np.float32)
        for part in np.array_split(names, min(FOLDS, len(names))):
            inside = np.isin(group, part)
            others = inside if len(names) == 1 else ~inside
            scale = fit_scale(x[others], y[others], trained, offsets=offsets)
            out[inside] = action_probabilities(x[inside], scale, trained)
        return out

    before = action_probabilities(x, ActionScale(), trained)
    scale, after = ActionScale(), before
    tempered = across(offsets=False)
    if _error(tempered, y) <= _error(before, y):
        scale, after = fit_scale(x, y, trained, offsets=False), tempered
    if offsets:
        shifted = across(offsets=True)
        if clearly_better(_scores(shifted, y, group), _scores(after, y, group)):
            scale, after = fit_scale(x, y, trained, offsets=True), shifted
    return FittedScale(
        scale,
        ticks=len(y),
        accuracy_before=float((before.argmax(axis=1) == y).mean()),
        accuracy=float((after.argmax(axis=1) == y).mean()),
        confidence=float(after.max(axis=1).mean()),
        ece_before=_error(before, y),
        ece_after=_error(after, y),
    )


def _error(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def _scores(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], group: NDArray[np.str_]
) -> NDArray[np.float64]:
    """[groups] mean log-likelihood of each."""
    likelihood = np.log(probabilities[np.arange(len(labels)), labels] + _LEAST_PROBABILITY)
    return np.array([likelihood[group == name].mean() for name in np.unique(group)], np.float64)
