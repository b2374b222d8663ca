"""Figures of merit for actions: accuracy, macro-F1, boundary errors, switches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.vocabulary import ACTIONS, ARC_ON, Action

#: Phases of the public reference labels on real welds: extinction counts as deposition there, because its 0.5 s are
#: defined by what follows them.
PHASES: tuple[Action, ...] = (Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING)
#: Transitions whose time is scored.
BOUNDARIES: tuple[str, ...] = ("arc_on", "stable", "arc_off")


def macro_f1(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> float:
    """Mean F1 over the classes that occur in ``labels``; predictions outside count as wrong."""
    scores = []
    for c in range(classes):
        true_positive = int(((labels == c) & (predictions == c)).sum())
        false_positive = int(((labels != c) & (predictions == c)).sum())
        false_negative = int(((labels == c) & (predictions != c)).sum())
        if true_positive + false_negative:
            scores.append(2 * true_positive / max(1, 2 * true_positive + false_positive + false_negative))
    return float(np.mean(scores)) if scores else float("nan")


def as_phases(actions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices into ACTIONS -> indices into PHASES; len(PHASES) for actions that are none of them."""
    table = np.full(len(ACTIONS), len(PHASES))
    for index, action in enumerate(ACTIONS):
        if action in PHASES:
            table[index] = PHASES.index(action)
    table[ACTIONS.index(Action.ARC_EXTINCTION)] = PHASES.index(Action.MATERIAL_DEPOSITION)
    return np.where(actions >= 0, table[np.maximum(actions, 0)], len(PHASES))


def phase_macro_f1(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> float:
    """Macro-F1 over the four phases, from indices into ACTIONS; unlabelled ticks (-1) are left out."""
    labelled = labels >= 0
    return macro_f1(as_phases(labels[labelled]), as_phases(predictions[labelled]), len(PHASES))


#: Shifts tried by :func:`shifted_phase_macro_f1`, s. Wide enough for a filter's delay and for what remains of the
#: clocks' offset after import; the stamps of the reference labels are known to 0.1 to 0.2 s.
SHIFTS_S = tuple(round(0.1 * i, 1) for i in range(-5, 11))


def shifted_phase_macro_f1(
    time_s: NDArray[np.float64], labels: NDArray[np.int64], predictions: NDArray[np.int64]
) -> tuple[float, float]:
    """Phase macro-F1 at the common shift of the labels that fits best, and that shift in s.

    Labels that come from another sensor's clock are only known up to an offset; this is how they are scored fairly. A
    positive shift means that the predictions come later than the labels. NaN and 0 where nothing is labelled.
    """
    if not (labels >= 0).any():
        return math.nan, 0.0
    best = (math.nan, 0.0)  # of recordings that label no phase
    for shift_s in sorted(SHIFTS_S, key=abs):
        source = np.searchsorted(time_s, time_s - shift_s)
        shifted = labels[np.clip(source, 0, len(labels) - 1)]
        score = phase_macro_f1(shifted, predictions)
        if score > best[0] or (math.isnan(best[0]) and not math.isnan(score)):
            best = (score, shift_s)
    return best


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """Predicted minus labelled time of each boundary, s; NaN where either side has none."""

    arc_on_s: float  #: first tick with arc
    stable_s: float  #: first tick of deposition
    arc_off_s: float  #: last tick with arc

    def absolute(self) -> tuple[float, float, float]:
        """The three errors without sign, in the order of BOUNDARIES."""
        return abs(self.arc_on_s), abs(self.stable_s), abs(self.arc_off_s)


def boundary_errors(
    time_s: NDArray[np.float64], labels: NDArray[np.int64], predictions: NDArray[np.int64]
) -> BoundaryErrors:
    """Errors of the weld's three boundaries; all arrays [N], indices into ACTIONS."""
    found, true = _boundaries(time_s, predictions), _boundaries(time_s, labels)
    return BoundaryErrors(*(f - t for f, t in zip(found, true, strict=True)))


def _boundaries(time_s: NDArray[np.float64], actions: NDArray[np.int64]) -> tuple[float, float, float]:
    arc_indices = [ACTIONS.index(a) for a in ARC_ON]
    arc = np.flatnonzero(np.isin(actions, arc_indices))
    stable = np.flatnonzero(actions == ACTIONS.index(Action.MATERIAL_DEPOSITION))
    if len(arc) == 0:
        return float("nan"), float("nan"), float("nan")
    return float(time_s[arc[0]]), float(time_s[stable[0]]) if len(stable) else float("nan"), float(time_s[arc[-1]])


def switches(actions: NDArray[np.int64]) -> int:
    """How often the action changes from one tick to the next."""
    return int((np.diff(actions) != 0).sum())
