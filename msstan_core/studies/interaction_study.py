"""Leave one sequence out, with every choice made by inner folds of the training sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.studies.interaction_clips import Clip
from msstan_core.studies.interaction_network import Recipe, candidates, inputs_of, train_and_predict
from msstan_core.studies.kept_runs import KeptRuns

#: Parts that the training sequences of a fold are divided into for every choice.
INNER_FOLDS = 3
#: Candidates whose probabilities may be averaged: for what is seen, what changes and where it moves, if that is better.
MOST_MEMBERS = 3
#: Trainings that a candidate's probabilities are averaged over: with fifty clips, single ones differ much.
TRAININGS = 3
#: Baselines: logistic regression on these inputs.
BASELINES = ("appearance", "all")
_LEAST_PROBABILITY = 1e-6


def run_folds(
    clips: Sequence[Clip], seeds: int, recipe: Recipe, kept: KeptRuns, progress: Callable[[int, int], None]
) -> None:
    """Do what is not kept yet: per sequence every candidate on inner folds, the baselines, and the chosen by seed.

    Raises:
        InputError: fewer than three sequences.
    """
    labels = sorted({clip.label for clip in clips})
    sequences = sorted({clip.sequence for clip in clips})
    if len(sequences) < 3:
        raise InputError("set1.csv", f"has {len(sequences)} sequences", "give three or more")
    grid = candidates(recipe)
    for done, left_out in enumerate(sequences):
        training = [clip for clip in clips if clip.sequence != left_out]
        test = [clip for clip in clips if clip.sequence == left_out]
        for name, own in grid.items():
            if ("inner", left_out, name) not in kept:
                kept.add(("inner", left_out, name), inner_predictions(training, labels, own))
        for inputs in BASELINES:
            if ("baseline", left_out, inputs) not in kept:
                probabilities = logistic_regression(training, test, labels, inputs)
                kept.add(("baseline", left_out, inputs), _scored(probabilities, test, labels))
        members = chosen_members(left_out, list(grid), kept)
        for seed in range(seeds):
            if ("fold", left_out, seed) not in kept:
                runs = [averaged(training, test, labels, grid[name], seed) for name in members]
                kept.add(("fold", left_out, seed), _scored(np.mean(runs, axis=0), test, labels))
        progress(done + 1, len(sequences))


def averaged(
    training: Sequence[Clip], test: Sequence[Clip], labels: Sequence[str], recipe: Recipe, seed: int
) -> NDArray[np.float64]:
    """Probabilities [len(test), len(labels)] of a candidate: the mean of TRAININGS networks."""
    seeds = range(seed * TRAININGS, (seed + 1) * TRAININGS)
    return np.asarray(np.mean([train_and_predict(training, test, labels, recipe, own) for own in seeds], axis=0))


def inner_predictions(training: Sequence[Clip], labels: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """Probabilities and truth of all clips of ``training``, each predicted by a network without its sequence."""
    sequences = sorted({clip.sequence for clip in training})
    judged: list[Clip] = []
    probabilities: list[NDArray[np.float64]] = []
    for held in np.array_split(np.array(sequences), min(INNER_FOLDS, len(sequences))):
        inner = [clip for clip in training if clip.sequence not in held]
        part = [clip for clip in training if clip.sequence in held]
        judged += part
        probabilities.append(averaged(inner, part, labels, recipe, seed=0))
    return _scored(np.concatenate(probabilities), judged, labels)


def chosen_members(left_out: int, names: Sequence[str], kept: KeptRuns) -> list[str]:
    """Candidates whose averaged probabilities have the least loss on inner folds, added one by one while it falls."""
    runs = {name: kept[("inner", left_out, name)] for name in names}
    members: list[str] = []
    least = float("inf")
    while len(members) < MOST_MEMBERS:
        losses = {n: log_loss([runs[m] for m in (*members, n)]) for n in names if n not in members}
        best = min(losses, key=losses.__getitem__)
        if losses[best] >= least:
            break
        members, least = [*members, best], losses[best]
    return members


def log_loss(runs: Sequence[Mapping[str, Any]]) -> float:
    """Mean negative log-likelihood of the averaged probabilities of runs on the same clips."""
    probabilities = np.mean([run["probabilities"] for run in runs], axis=0)
    right = probabilities[np.arange(len(probabilities)), runs[0]["truth"]]
    return float(-np.log(np.maximum(right, _LEAST_PROBABILITY)).mean())


def logistic_regression(
    training: Sequence[Clip], test: Sequence[Clip], labels: Sequence[str], inputs: str
) -> NDArray[np.float64]:
    """The baseline: features of the same frozen backbone, averaged over places and ticks."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def mean(clips: Sequence[Clip]) -> NDArray[np.float32]:
        return np.stack([inputs_of(clip.maps[0], inputs).astype(np.float32).mean(axis=(0, 2, 3)) for clip in clips])

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(mean(training), [labels.index(clip.label) for clip in training])
    total = np.zeros((len(test), len(labels)))
    total[:, model.classes_] = model.predict_proba(mean(test))
    return total


def summarise(clips: Sequence[Clip], seeds: int, recipe: Recipe, kept: KeptRuns) -> dict[str, Any]:
    """Accuracy over all clips: mean and spread over seeds, of the seeds' averaged probabilities, of the baselines."""
    labels = sorted({clip.label for clip in clips})
    sequences = sorted({clip.sequence for clip in clips})
    truth = np.array([k for s in sequences for k in kept[("fold", s, 0)]["truth"]])

    def right(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(probabilities.argmax(axis=-1) == truth)

    def all_folds(kind: str, which: str | int) -> NDArray[np.float64]:
        return np.concatenate([kept[(kind, s, which)]["probabilities"] for s in sequences])

    runs = np.stack([all_folds("fold", seed) for seed in range(seeds)])
    accuracies = right(runs).mean(axis=1)
    together = right(runs.mean(axis=0))
    names = list(candidates(recipe))
    members = {s: chosen_members(s, names, kept) for s in sequences}
    return {
        "accuracy": {"mean": float(accuracies.mean()), "std": float(accuracies.std())},
        "accuracy_of_averaged_seeds": float(together.mean()),
        "baselines": {inputs: float(right(all_folds("baseline", inputs)).mean()) for inputs in BASELINES},
        "by_action": {label: float(together[truth == k].mean()) for k, label in enumerate(labels)},
        "chosen": {str(s): " + ".join(members[s]) for s in sequences},
        "inner_loss": {
            str(s): {n: log_loss([kept[("inner", s, n)]]) for n in names}
            | {"chosen": log_loss([kept[("inner", s, n)] for n in members[s]])}
            for s in sequences
        },
    }


def _scored(probabilities: NDArray[np.float64], test: Sequence[Clip], labels: Sequence[str]) -> dict[str, Any]:
    return {"probabilities": probabilities.tolist(), "truth": [labels.index(clip.label) for clip in test]}
