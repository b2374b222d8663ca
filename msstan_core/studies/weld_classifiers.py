"""Classifiers that learn from labelled welds, and the probability that their score stands for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from msstan_core.studies.weld_detectors import Array, Score, standardised

#: [n, F] rows, their labels [n], weights [n], seed -> score of other rows, higher is more likely defective
Learn = Callable[[Array, NDArray[np.bool_], Array, int], Score]


def balanced_weights(defective: NDArray[np.bool_], configuration: NDArray[np.str_]) -> Array:
    """[n] weights: both labels the same in all, within a label every set-up the same."""
    weights = np.empty(len(defective))
    for name in np.unique(configuration):
        own = configuration == name
        weights[own] = 1.0 / own.sum()
    for side in (defective, ~defective):
        weights[side] *= len(defective) / 2 / weights[side].sum()
    return weights


def boosting(rows: Array, defective: NDArray[np.bool_], weights: Array, seed: int) -> Score:
    """Gradient-boosted trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.12,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.3,
        max_bins=64,
        random_state=seed,
    ).fit(rows, defective, sample_weight=weights)
    return lambda x: np.asarray(model.decision_function(x))


def support_vectors(rows: Array, defective: NDArray[np.bool_], weights: Array, seed: int) -> Score:
    """Support vectors with a Gaussian kernel."""
    from sklearn.svm import SVC

    scale = standardised(rows)
    model = SVC(C=3.0, gamma="scale").fit(scale(rows), defective, sample_weight=weights)
    return lambda x: np.asarray(model.decision_function(scale(x)))


def extra_trees(rows: Array, defective: NDArray[np.bool_], weights: Array, seed: int) -> Score:
    """Extremely randomised trees; log-odds of their vote."""
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(n_estimators=150, min_samples_leaf=3, max_features=0.3, random_state=seed)
    model.fit(rows, defective, sample_weight=weights)

    def score(x: Array) -> Array:
        vote = np.clip(model.predict_proba(x)[:, 1], 0.01, 0.99)
        return np.asarray(np.log(vote / (1 - vote)))

    return score


#: What is learnt; :func:`scores_of_all` adds their mean. The first is the plain baseline.
CLASSIFIERS: dict[str, Learn] = {
    "boosting": boosting,
    "support vectors": support_vectors,
    "extra trees": extra_trees,
}
TOGETHER = "mean of all"


def scores_of_all(
    rows: Array, defective: NDArray[np.bool_], weights: Array, seed: int, test: Array
) -> dict[str, Array]:
    """Every candidate's score of ``test``, and their mean in units of each one's spread over the training rows."""
    out, shares = {}, []
    for name, learn in CLASSIFIERS.items():
        score = learn(rows, defective, weights, seed)
        out[name] = score(test)
        shares.append(out[name] / max(float(np.std(score(rows))), 1e-9))
    return {**out, TOGETHER: np.mean(shares, axis=0)}


def probability_from(scores: Array, defective: NDArray[np.bool_], weights: Array) -> Score:
    """A logistic curve (Platt 1999) fitted to scores of welds that their classifier has not seen."""
    from sklearn.linear_model import LogisticRegression

    spread = max(float(scores.std()), 1e-9)
    model = LogisticRegression(C=10.0).fit(scores[:, None] / spread, defective, sample_weight=weights)
    return lambda x: np.asarray(model.predict_proba(x[:, None] / spread)[:, 1])
