"""Figures of one trained model on recordings it has never seen, the same for MS-STAN and every peer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.action_scales import expected_calibration_error
from msstan_core.calibration.finishing import filtered_actions
from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.probabilities import ActionScale, action_probabilities
from msstan_core.decision.ranking import at_threshold, average_precision
from msstan_core.inference.model_card import SmoothingCard
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.clips import class_weights
from msstan_core.training.durations import fit_durations
from msstan_core.training.metrics import macro_f1, shifted_phase_macro_f1, switches
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ACTIONS

#: Overlap (intersection over union, in ticks) at which a predicted segment counts as the labelled one.
EVENT_OVERLAP = 0.5
#: Tempering of the action filter, the same for everybody; nothing of a peer is tuned on anything.
EMISSION_POWER = 0.1
IMPERFECTION_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Reference:
    """What the training split says of actions and imperfections, for the filter and for what may be judged."""

    action_filter: ActionFilter
    trained: NDArray[np.bool_]  #: [9] actions with a label
    imperfections: NDArray[np.bool_]  #: [13] imperfections that occur

    @classmethod
    def of(cls, training: Sequence[Recording], class_balance: float) -> Reference:
        """From the training split."""
        trained: NDArray[np.bool_] = np.zeros(len(ACTIONS), bool)
        for recording in training:
            trained[np.unique(recording.features.action[recording.features.action != UNLABELLED])] = True
        means, stages = fit_durations(training)
        card = SmoothingCard(mean_duration_s=means, duration_stages=stages, emission_power=EMISSION_POWER)
        prior = class_weights(training, class_balance)[1]
        present = np.stack([np.nan_to_num(r.features.imperfection).max(axis=0) > 0 for r in training])
        occurs = np.asarray(present.any(axis=0), bool)
        return cls(ActionFilter.from_card(card, prior, trained), trained, occurs)


def score(recordings: Sequence[Recording], logits: Sequence[NDArray[np.float32]], known: Reference) -> dict[str, float]:
    """Figures over all labelled ticks of the test recordings; NaN where nothing can be judged.

    Args:
        recordings: the test split. logits: [N, 9 + 13] of each. known: of the training split.

    Returns:
        accuracy, macro_f1 (over the actions that occur), action_map, event_f1 and ece per tick as they are;
        ``filtered_`` the same after the action filter; switches_per_true; imperfection_map and imperfection_f1 over
        the imperfections that occur on both sides; phase_macro_f1 (filtered, at the best common shift of the labels,
        mean over recordings).
    """
    n = len(ACTIONS)
    probabilities = [action_probabilities(x[:, :n], ActionScale(), known.trained) for x in logits]
    raw = [p.argmax(axis=1).astype(np.int64) for p in probabilities]
    filtered = [filtered_actions(known.action_filter, r, p) for r, p in zip(recordings, probabilities, strict=True)]
    labels = [r.features.action for r in recordings]
    said, truth = np.concatenate(probabilities), np.concatenate(labels)
    labelled = truth != UNLABELLED
    said, truth = said[labelled], truth[labelled]
    out: dict[str, float] = {}
    for prefix, predicted in (("", raw), ("filtered_", filtered)):
        flat = np.concatenate(predicted)[labelled]
        out[f"{prefix}accuracy"] = float((flat == truth).mean())
        out[f"{prefix}macro_f1"] = macro_f1(truth, flat, n)
        out[f"{prefix}event_f1"] = event_f1(labels, predicted)
        changes = sum(switches(p[t != UNLABELLED]) for p, t in zip(predicted, labels, strict=True))
        true_changes = sum(switches(t[t != UNLABELLED]) for t in labels)
        out[f"{prefix}switches_per_true"] = changes / max(true_changes, 1)
    out["action_map"] = _mean([average_precision(truth == c, said[:, c]) for c in np.unique(truth)])
    out["ece"] = expected_calibration_error(said.max(axis=1), said.argmax(axis=1) == truth)
    out.update(_imperfections(recordings, [x[:, n:] for x in logits], known))
    shifted = [
        shifted_phase_macro_f1(r.features.time_s, r.features.action, p)[0]
        for r, p in zip(recordings, filtered, strict=True)
    ]
    out["phase_macro_f1"] = _mean(shifted)
    return {name: round(value, 5) for name, value in out.items()}


def pace_ticks(recordings: Sequence[Recording], update_ms: float) -> int:
    """Ticks that pass while one update is computed, at least 1; ``update_ms`` milliseconds."""
    period_s = float(np.median(np.concatenate([np.diff(r.features.time_s) for r in recordings])))
    return max(1, math.ceil(1e-3 * update_ms / period_s))


def paced(logits: NDArray[np.float32], ticks: int) -> NDArray[np.float32]:
    """What a live monitor would know when an update takes ``ticks`` ticks: it begins with the newest frame, is late by
    its own time, and holds until the next one is done.

    Args:
        logits: [N, ...] as if computed at once. ticks: 1: every tick is answered before the next one.

    Returns:
        [N, ...], 0 before the first update is done.
    """
    if ticks <= 1:
        return logits
    begun = (np.arange(len(logits)) // ticks - 1) * ticks
    known = (begun >= 0).reshape(-1, *[1] * (logits.ndim - 1))
    return np.where(known, logits[np.maximum(begun, 0)], np.float32(0.0))


def _imperfections(
    recordings: Sequence[Recording], logits: Sequence[NDArray[np.float32]], known: Reference
) -> dict[str, float]:
    """NaN for an entrant that says nothing of imperfections."""
    truth = np.concatenate([r.features.imperfection for r in recordings])
    if not np.isfinite(np.concatenate(logits)).all():
        return {"imperfection_map": float("nan"), "imperfection_f1": float("nan")}
    said = 1.0 / (1.0 + np.exp(-np.clip(np.concatenate(logits), -60, 60)))
    precision, f1 = [], []
    for code in np.flatnonzero(known.imperfections):
        judged = np.isfinite(truth[:, code])
        there = truth[judged, code] > 0
        if there.any():
            precision.append(average_precision(there, said[judged, code]))
            f1.append(at_threshold(there, said[judged, code], IMPERFECTION_THRESHOLD).f1)
    return {"imperfection_map": _mean(precision), "imperfection_f1": _mean(f1)}


def segments(actions: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Runs of one action in [N]: (begin, end, action), UNLABELLED runs left out."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(actions)) + 1, [len(actions)]])
    return [(int(b), int(e), int(actions[b])) for b, e in pairwise(edges) if e > b and actions[b] != UNLABELLED]


def event_f1(labels: Sequence[NDArray[np.int64]], predicted: Sequence[NDArray[np.int64]]) -> float:
    """Segmental F1 at overlap 0.5 (C. Lea et al., CVPR 2017), counts pooled over recordings.

    A predicted segment is right when it overlaps a labelled one of the same action by EVENT_OVERLAP that no other
    predicted segment has taken. Ticks without a label are cut out of the prediction, too.
    """
    right = found = there = 0
    for truth, guess in zip(labels, predicted, strict=True):
        true_segments = segments(truth)
        guessed = segments(np.where(truth == UNLABELLED, UNLABELLED, guess))
        taken: set[int] = set()
        for begin, end, action in guessed:
            overlaps = [
                (min(end, e) - max(begin, b)) / (max(end, e) - min(begin, b)) if a == action and i not in taken else 0.0
                for i, (b, e, a) in enumerate(true_segments)
            ]
            if overlaps and max(overlaps) >= EVENT_OVERLAP:
                taken.add(int(np.argmax(overlaps)))
        right, found, there = right + len(taken), found + len(guessed), there + len(true_segments)
    return 2 * right / (found + there) if found + there else float("nan")


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")
