"""Leave one sequence out, with every choice made by inner folds of the training sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.studies.interaction_clips import Clip
from msstan_core.studies.interaction_network import INPUTS, Recipe, train_and_predict
from msstan_core.studies.kept_runs import KeptRuns

#: Parts that the training sequences of a fold are divided into to choose the inputs.
INNER_FOLDS = 3
_LEAST_PROBABILITY = 1e-6


def run_folds(
    clips: Sequence[Clip], seeds: int, recipe: Recipe, kept: KeptRuns, progress: Callable[[int, int], None]
) -> None:
    """Do what is not kept yet: per sequence the choice of inputs, the baseline, and one training a seed.

    Raises:
        InputError: fewer than three sequences.
    """
    labels = sorted({clip.label for clip in clips})
    sequences = sorted({clip.sequence for clip in clips})
    if len(sequences) < 3:
        raise InputError("set1.csv", f"has {len(sequences)} sequences", "give three or more")
    for done, left_out in enumerate(sequences):
        training = [clip for clip in clips if clip.sequence != left_out]
        test = [clip for clip in clips if clip.sequence == left_out]
        if ("choice", left_out) not in kept:
            losses = {kind: inner_loss(training, labels, replace(recipe, inputs=kind)) for kind in INPUTS}
            kept.add(("choice", left_out), {"inputs": min(losses, key=losses.__getitem__), "inner_loss": losses})
        if ("baseline", left_out) not in kept:
            kept.add(("baseline", left_out), _scored(logistic_regression(training, test, labels), test, labels))
        chosen = replace(recipe, inputs=kept[("choice", left_out)]["inputs"])
        for seed in range(seeds):
            if ("fold", left_out, seed) not in kept:
                probabilities = train_and_predict(training, test, labels, chosen, seed)
                kept.add(("fold", left_out, seed), _scored(probabilities, test, labels))
        progress(done + 1, len(sequences))


def inner_loss(training: Sequence[Clip], labels: Sequence[str], recipe: Recipe) -> float:
    """Mean negative log-likelihood over inner folds, split by sequence; sees nothing but ``training``."""
    sequences = sorted({clip.sequence for clip in training})
    losses: list[float] = []
    for held in np.array_split(np.array(sequences), min(INNER_FOLDS, len(sequences))):
        inner = [clip for clip in training if clip.sequence not in held]
        judged = [clip for clip in training if clip.sequence in held]
        probabilities = train_and_predict(inner, judged, labels, recipe, seed=0)
        right = probabilities[np.arange(len(judged)), [labels.index(clip.label) for clip in judged]]
        losses += list(-np.log(np.maximum(right, _LEAST_PROBABILITY)))
    return float(np.mean(losses))


def logistic_regression(training: Sequence[Clip], test: Sequence[Clip], labels: Sequence[str]) -> NDArray[np.float64]:
    """The baseline: appearance of the same frozen backbone, averaged over places and ticks."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def mean(clips: Sequence[Clip]) -> NDArray[np.float32]:
        return np.stack([clip.maps[0][:, 0].astype(np.float32).mean(axis=(0, 2, 3)) for clip in clips])

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(mean(training), [labels.index(clip.label) for clip in training])
    total = np.zeros((len(test), len(labels)))
    total[:, model.classes_] = model.predict_proba(mean(test))
    return total


def summarise(clips: Sequence[Clip], seeds: int, kept: KeptRuns) -> dict[str, Any]:
    """Accuracy over all clips: mean and spread over seeds, of the seeds' averaged probabilities, of the baseline."""
    labels = sorted({clip.label for clip in clips})
    sequences = sorted({clip.sequence for clip in clips})
    truth = [k for s in sequences for k in kept[("baseline", s)]["truth"]]

    def all_folds(*key: str | int) -> NDArray[np.float64]:
        beginning, *rest = key
        return np.concatenate([kept[(beginning, s, *rest)]["probabilities"] for s in sequences])

    runs = np.stack([all_folds("fold", seed) for seed in range(seeds)])
    accuracies = (runs.argmax(axis=2) == truth).mean(axis=1)
    together = runs.mean(axis=0).argmax(axis=1)
    return {
        "accuracy": {"mean": float(accuracies.mean()), "std": float(accuracies.std())},
        "accuracy_of_averaged_seeds": float((together == truth).mean()),
        "baseline": float((all_folds("baseline").argmax(axis=1) == truth).mean()),
        "by_action": {label: float((together == truth)[np.array(truth) == k].mean()) for k, label in enumerate(labels)},
        "chosen_inputs": {str(s): kept[("choice", s)]["inputs"] for s in sequences},
    }


def _scored(probabilities: NDArray[np.float64], test: Sequence[Clip], labels: Sequence[str]) -> dict[str, Any]:
    return {"probabilities": probabilities.tolist(), "truth": [labels.index(clip.label) for clip in test]}
