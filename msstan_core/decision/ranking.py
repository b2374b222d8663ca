"""How well a score ranks what is there above what is not, and what a threshold on it makes of that."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def roc_auc(truth: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    """Area under the ROC curve, ties counting half; NaN when one side is empty."""
    if truth.all() or not truth.any():
        return math.nan
    return separation(score[~truth], score[truth])


def separation(nominal: NDArray[np.floating], strange: NDArray[np.floating]) -> float:
    """The same of two samples: the chance that a strange score exceeds a nominal one, ties counting half."""
    ranks = rankdata(np.concatenate([nominal, strange]).astype(np.float64))
    count = len(strange)
    return float((ranks[len(nominal) :].sum() - count * (count + 1) / 2) / (count * len(nominal)))


def average_precision(truth: NDArray[np.bool_], score: NDArray[np.floating]) -> float:
    """Sum over the thresholds of precision times the rise of recall (no interpolation); NaN when nothing is there."""
    if not truth.any():
        return math.nan
    precision, recall, _ = _curve(truth, score)
    return float((precision * np.diff(recall, prepend=0.0)).sum())


class Operating(NamedTuple):
    """What one threshold gives."""

    f1: float  #: NaN when nothing is there
    precision: float  #: NaN when nothing is above the threshold
    recall: float
    threshold: float


def at_threshold(
    truth: NDArray[np.bool_], score: NDArray[np.floating], threshold: float | NDArray[np.floating]
) -> Operating:
    """Counting ``score >= threshold`` as there; the threshold is one, or [N], whose median the answer states."""
    found = score >= threshold
    hits = int((found & truth).sum())
    precision = hits / int(found.sum()) if found.any() else math.nan
    recall = hits / int(truth.sum()) if truth.any() else math.nan
    f1 = 2 * hits / int(found.sum() + truth.sum()) if truth.any() else math.nan
    return Operating(f1, precision, recall, float(np.median(threshold)))


def best_threshold(truth: NDArray[np.bool_], score: NDArray[np.floating], above: float = -math.inf) -> Operating:
    """The threshold with the highest F1 on this very data: an upper bound, never a result.

    Args:
        truth: [N]. score: [N]. above: only thresholds higher than this count; all NaN where there is none.
    """
    nothing = Operating(math.nan, math.nan, math.nan, math.nan)
    if not truth.any():
        return nothing
    precision, recall, thresholds = _curve(truth, score)
    allowed = thresholds > above
    if not allowed.any():
        return nothing
    precision, recall, thresholds = precision[allowed], recall[allowed], thresholds[allowed]
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(np.argmax(f1))
    return Operating(float(f1[best]), float(precision[best]), float(recall[best]), float(thresholds[best]))


def _curve(
    truth: NDArray[np.bool_], score: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at each distinct score, from the highest down."""
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(truth[order])
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))  # equal scores stand or fall together
    return hits[last] / (last + 1.0), hits[last] / float(truth.sum()), ranked[last].astype(np.float64)
