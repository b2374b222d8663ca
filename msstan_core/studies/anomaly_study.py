"""How well unseen set-ups' imperfections are found, with and without labels, and whether a chosen alarm rate holds.

Nested throughout: an outer fold's set-ups are only ever scored. Which candidate scores them is decided by inner folds
of the other set-ups; detectors learn from nominal welds alone, the inner folds' labels choose between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.conformal import threshold_of_groups
from msstan_core.decision.ranking import separation
from msstan_core.studies.weld_classifiers import balanced_weights, probability_from, scores_of_all
from msstan_core.studies.weld_detectors import DETECTORS, Array, Detector, Nominal, within_configuration
from msstan_core.studies.weld_statistics import Features, WeldTable

OUTER_FOLDS = 5
#: Folds that choose between candidates, inside the training side of an outer fold.
INNER_FOLDS = 3
#: Chosen shares of nominal welds that may raise a false alarm; the first is the headline.
SHARES = (0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Fold:
    """One outer fold's answer."""

    seed: int
    rows: NDArray[np.int64]  #: welds scored
    score: Array  #: [rows] of the chosen candidate, comparable between folds
    chosen: str
    candidates: dict[str, float]  #: AUC on the outer fold of every candidate, chosen or not
    alarms: dict[float, NDArray[np.bool_]]  #: chosen share of false alarms -> [rows] alarmed; empty with labels
    probability: Array | None = None  #: [rows] calibrated; only with labels


def split(table: WeldTable, rows: NDArray[np.int64], folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Test rows of each fold: set-ups stay together, kinds of imperfection are spread evenly.

    Folds without both nominal and defective welds cannot be scored and are left out.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    parts = splitter.split(rows[:, None], table.defect[rows], table.configuration[rows])
    tests = [rows[test] for _, test in parts]
    return [test for test in tests if 0 < table.defective[test].sum() < len(test)]


def leave_one_out(table: WeldTable, seed: int) -> list[NDArray[np.int64]]:
    """Test rows of each fold: one nominal set-up, and a share of the defective ones in random order."""
    rng = np.random.default_rng(seed)
    nominal = np.unique(table.configuration[~table.defective])
    defective = rng.permutation(np.unique(table.configuration[table.defective]))
    return [
        np.flatnonzero(np.isin(table.configuration, [name, *defective[i :: len(nominal)]]))
        for i, name in enumerate(nominal)
    ]


def auc(table: WeldTable, rows: NDArray[np.int64], score: Array) -> float:
    """Defective against nominal welds among ``rows``; NaN when either is missing."""
    defective = table.defective[rows]
    if defective.all() or not defective.any():
        return float("nan")
    return separation(score[~defective].astype(np.float32), score[defective].astype(np.float32))


# -- from nominal welds only ------------------------------------------------------------------------------------------


def detect(table: WeldTable, tests: Sequence[NDArray[np.int64]], seed: int, *, photographs: bool) -> Iterator[Fold]:
    """Nested evaluation of all detectors, one outer fold after the other.

    Args:
        table: all welds. tests: rows of each outer fold. seed: of inner splits and detectors.
        photographs: False leaves out the columns that a live monitor does not have.
    """
    columns = {detector.name: _columns(table, detector, photographs) for detector in DETECTORS}

    def score(detector: Detector, training: NDArray[np.int64], rows: NDArray[np.int64]) -> Array:
        return _detector_score(table, detector, columns[detector.name], training, rows, seed)

    everything = np.arange(len(table.defect))
    for test in tests:
        training = np.setdiff1d(everything, test)
        inner = split(table, training, INNER_FOLDS, seed)
        quality = [
            float(np.mean([auc(table, part, score(d, np.setdiff1d(training, part), part)) for part in inner]))
            for d in DETECTORS
        ]
        chosen = DETECTORS[int(np.argmax(quality))]
        nominal, left_out = _left_out_scores(table, chosen, columns[chosen.name], training, seed)
        groups = table.configuration[nominal]
        raw = {d.name: score(d, training, test) for d in DETECTORS}
        yield Fold(
            seed=seed,
            rows=test,
            score=_comparable(raw[chosen.name], left_out, groups),
            chosen=chosen.name,
            candidates={name: auc(table, test, values) for name, values in raw.items()},
            alarms={s: raw[chosen.name] >= threshold_of_groups(left_out, groups.tolist(), s)[0] for s in SHARES},
        )


def _comparable(score: Array, left_out: Array, groups: NDArray[np.str_]) -> Array:
    """Share of nominal welds of left-out set-ups below each score, every set-up weighing the same; above all, how far.

    Makes the scores of different folds, and of different candidates, comparable.
    """
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(left_out)
    below = np.cumsum(1.0 / sizes[index][order]) / len(sizes)
    rank = np.concatenate([[0.0], below])[np.searchsorted(left_out[order], score)]
    beyond = np.maximum(score - left_out.max(), 0.0) / max(float(np.ptp(left_out)), 1e-9)
    return np.asarray(rank + beyond)


def _columns(table: WeldTable, detector: Detector, photographs: bool) -> Features:
    features = detector.features(table)
    if not photographs:
        features = features.columns(~features.of_photographs)
    if detector.per_configuration:
        features = Features(within_configuration(features.values, table.configuration), features.names)
    return features


def _detector_score(
    table: WeldTable,
    detector: Detector,
    features: Features,
    training: NDArray[np.int64],
    test: NDArray[np.int64],
    seed: int,
) -> Array:
    nominal = training[~table.defective[training]]
    sample = Nominal(table.configuration[nominal], features.of_photographs, seed)
    return detector.fit(features.values[nominal], sample)(features.values[test])


def _left_out_scores(
    table: WeldTable, detector: Detector, features: Features, training: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], Array]:
    """(nominal training rows, score of each from a detector that has not seen its set-up)."""
    nominal = training[~table.defective[training]]
    out = np.empty(len(nominal))
    for name in np.unique(table.configuration[nominal]):
        own = table.configuration[nominal] == name
        out[own] = _detector_score(table, detector, features, nominal[~own], nominal[own], seed)
    return nominal, out


# -- with labels ------------------------------------------------------------------------------------------------------


def classify(table: WeldTable, tests: Sequence[NDArray[np.int64]], seed: int, *, photographs: bool) -> Iterator[Fold]:
    """Nested evaluation of all classifiers; the chosen one's scores of the inner folds calibrate its probability.

    Arguments as those of :func:`detect`.
    """
    features = table.statistics
    values = features.values if photographs else features.columns(~features.of_photographs).values
    everything = np.arange(len(table.defect))

    def scores(training: NDArray[np.int64], test: NDArray[np.int64]) -> dict[str, Array]:
        defective = table.defective[training]
        weights = balanced_weights(defective, table.configuration[training])
        return scores_of_all(values[training], defective, weights, seed, values[test])

    for test in tests:
        training = np.setdiff1d(everything, test)
        inner = split(table, training, INNER_FOLDS, seed)
        inner_scores = [scores(np.setdiff1d(training, part), part) for part in inner]
        quality = {
            name: float(np.mean([auc(table, part, s[name]) for part, s in zip(inner, inner_scores, strict=True)]))
            for name in inner_scores[0]
        }
        best = max(quality, key=lambda name: quality[name])
        outer = scores(training, test)
        rows = np.concatenate(inner)
        weights = balanced_weights(table.defective[rows], table.configuration[rows])
        curve = probability_from(np.concatenate([s[best] for s in inner_scores]), table.defective[rows], weights)
        yield Fold(
            seed=seed,
            rows=test,
            score=curve(outer[best]),
            chosen=best,
            candidates={name: auc(table, test, score) for name, score in outer.items()},
            alarms={},
            probability=curve(outer[best]),
        )
