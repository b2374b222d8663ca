"""Actions: confusion, per-action figures, calibration over ticks, and how late each action is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.action_scales import expected_calibration_error
from msstan_core.decision.ranking import average_precision, roc_auc
from msstan_core.evaluation.replayed import ReplayedBag
from msstan_core.evaluation.spread import finite_mean
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.vocabulary import ACTIONS

#: A predicted onset this far from the labelled one is another onset, s.
ONSET_SEARCH_S = 2.0
#: Bins of reliability plot and ECE.
BINS = 15


class LabelledTicks(NamedTuple):
    """The labelled ticks of several bags in one."""

    labels: NDArray[np.int64]  #: [N] index into ACTIONS
    predicted: NDArray[np.int64]  #: [N] index into ACTIONS, -1: UNKNOWN
    probabilities: NDArray[np.float32]  #: [N, 9] published, 0 where UNKNOWN
    network: NDArray[np.float32]  #: [N, 9] before the action filter, 0 where UNKNOWN


def labelled_ticks(bags: Sequence[ReplayedBag]) -> LabelledTicks:
    """All labelled ticks, bag after bag. A tick without an answer counts, as wrong."""
    return LabelledTicks(
        np.concatenate([b.labels[b.labelled] for b in bags]),
        np.concatenate([b.predicted[b.labelled] for b in bags]),
        np.nan_to_num(np.concatenate([b.probabilities[b.labelled] for b in bags])),
        np.nan_to_num(np.concatenate([b.network_probabilities[b.labelled] for b in bags])),
    )


def confusion_matrix(ticks: LabelledTicks) -> NDArray[np.int64]:
    """[9, 10] counts: labelled action by predicted action, UNKNOWN last."""
    columns = np.where(ticks.predicted < 0, len(ACTIONS), ticks.predicted)
    matrix = np.zeros((len(ACTIONS), len(ACTIONS) + 1), np.int64)
    np.add.at(matrix, (ticks.labels, columns), 1)
    return matrix


class Reliability(NamedTuple):
    """Confidence against accuracy in equal-width bins."""

    confidence: NDArray[np.float64]  #: [B] mean of the bin, NaN where empty
    accuracy: NDArray[np.float64]  #: [B] NaN where empty
    ticks: NDArray[np.int64]  #: [B]


def reliability(probabilities: NDArray[np.float32], labels: NDArray[np.int64], bins: int = BINS) -> Reliability:
    """Of the most probable action. probabilities: [N, 9], all 0 where nothing was said. labels: [N]."""
    confidence, correct = _said(probabilities, labels)
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(index, confidence, bins) / count
        accuracy = np.bincount(index, correct, bins) / count
    return Reliability(mean, accuracy, count)


def calibration_error(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """ECE of the most probable action over all these ticks."""
    return expected_calibration_error(*_said(probabilities, labels), BINS)


def _said(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(confidence [N], whether it was right [N]); where nothing was said, nothing was right."""
    confidence = probabilities.max(axis=1)
    return confidence, (probabilities.argmax(axis=1) == labels) & (confidence > 0)


def action_figures(bags: Sequence[ReplayedBag], *, ranked: bool = True) -> dict[str, float]:
    """Figures over all labelled ticks of these bags.

    Args:
        bags: at least one. ranked: False leaves out AUC and mAP, which take most of the time.

    Returns:
        ``action_accuracy``; ``action_recall`` and ``action_macro_f1``, means over the actions that occur;
        ``ece`` of the published probabilities and ``ece_network`` of those before the action filter;
        ``action_auc`` (one against the rest) and ``action_map``, means over the actions that occur, of the published
        probabilities.
    """
    ticks = labelled_ticks(bags)
    per_action = _counted(confusion_matrix(ticks))
    figures = {
        "action_accuracy": float((ticks.labels == ticks.predicted).mean()),
        "action_recall": finite_mean([f["recall"] for f in per_action.values()]),
        "action_macro_f1": finite_mean([f["f1"] for f in per_action.values()]),
        "ece": calibration_error(ticks.probabilities, ticks.labels),
        "ece_network": calibration_error(ticks.network, ticks.labels),
    }
    if ranked:
        occurring = np.unique(ticks.labels)
        figures["action_auc"] = finite_mean([roc_auc(ticks.labels == c, ticks.probabilities[:, c]) for c in occurring])
        figures["action_map"] = finite_mean(
            [average_precision(ticks.labels == c, ticks.probabilities[:, c]) for c in occurring]
        )
    return figures


def figures_by_action(bags: Sequence[ReplayedBag]) -> dict[str, dict[str, Any]]:
    """Name of each action that occurs -> its figures.

    ``onset_delay_s`` is the median over labelled onsets that were found, ``onsets_missed`` the share of the others:
    those without a predicted onset of the same action within ONSET_SEARCH_S.
    """
    ticks = labelled_ticks(bags)
    figures = _counted(confusion_matrix(ticks))
    for name, own in figures.items():
        c = [a.name for a in ACTIONS].index(name)
        score = ticks.probabilities[:, c]
        own["auc"] = roc_auc(ticks.labels == c, score)
        own["average_precision"] = average_precision(ticks.labels == c, score)
        own["ece"] = expected_calibration_error(score, ticks.labels == c, BINS)
        delays = np.concatenate([onset_delays(b.time_s, b.labels, b.predicted, c) for b in bags])
        found = delays[np.isfinite(delays)]
        own["onset_delay_s"] = float(np.median(found)) if len(found) else math.nan
        own["onsets"] = len(delays)
        own["onsets_missed"] = float(np.isnan(delays).mean()) if len(delays) else math.nan
    return figures


def onset_delays(
    time_s: NDArray[np.float64], labels: NDArray[np.int64], predicted: NDArray[np.int64], action: int
) -> NDArray[np.float64]:
    """Predicted minus labelled time of each labelled onset of an action, s; NaN where none was predicted near.

    Args:
        time_s, labels, predicted: [N] of one bag. action: index into ACTIONS. An onset that the recording (or its
            labelled part) begins with is not seen and does not count.
    """
    before = labels[:-1]
    begins = np.flatnonzero((labels[1:] == action) & (before != action) & (before != UNLABELLED)) + 1
    said = time_s[np.flatnonzero((predicted[1:] == action) & (predicted[:-1] != action)) + 1]
    delays = np.full(len(begins), np.nan)
    for i, begin in enumerate(time_s[begins]):
        if len(said):
            nearest = float(said[np.abs(said - begin).argmin()] - begin)
            delays[i] = nearest if abs(nearest) <= ONSET_SEARCH_S else np.nan
    return delays


def _counted(matrix: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
    """Ticks, precision, recall and F1 of each action that occurs."""
    figures: dict[str, dict[str, Any]] = {}
    for c, action in enumerate(ACTIONS):
        there, said, hits = int(matrix[c].sum()), int(matrix[:, c].sum()), int(matrix[c, c])
        if there:
            figures[action.name] = {
                "ticks": there,
                "precision": hits / said if said else math.nan,
                "recall": hits / there,
                "f1": 2 * hits / (there + said),
            }
    return figures
