"""A network, the welds it knows and the welds it meets: what online adaptation is measured on, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.guard import GuardSet
from msstan_core.errors import InputError
from msstan_core.output_files import written_whole
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.kept_runs import network_code_sha256
from msstan_core.training.configuration import TrainingConfig, with_fixed_budget
from msstan_core.training.guarding import guard_set
from msstan_core.training.network_runs import run_on
from msstan_core.training.recording_features import Recording
from msstan_core.training.splits import hold_out_groups
from msstan_core.training.trainer import train
from msstan_core.vocabulary import ACTIONS


@dataclass(frozen=True, slots=True)
class MetWeld:
    """One weld after the shift, as the network answers it."""

    job: str
    name: str
    time_s: NDArray[np.float64]  #: [N]
    logits: NDArray[np.float32]  #: [N, K]
    embeddings: NDArray[np.float32]  #: [N, d]
    labels: NDArray[np.int64]  #: [N], UNLABELLED where there is none
    half: int  #: of its job, 0 or 1: what a reference learns on one half it answers on the other
    both_sides: NDArray[np.int64]  #: [N] answers of a network trained on the known welds and the other half


@dataclass(frozen=True, slots=True)
class Domain:
    """One network before and after a shift."""

    guard: GuardSet
    shares: NDArray[np.float64]  #: [K] of each action in training, 0 for those without
    home_accuracy: float  #: on held-out welds of the known kind
    welds: list[MetWeld]  #: in the order in which they are met


def split_by_pair(recordings: Sequence[Recording], known: str) -> tuple[list[Recording], list[Recording]]:
    """Simulated welds of the known material pair, and of the others.

    Raises:
        InputError: when one of the two sides is empty.
    """
    simulated = [r for r in recordings if r.simulated]
    home = [r for r in simulated if r.material_pair == known]
    away = [r for r in simulated if r.material_pair != known]
    if not home or not away:
        pairs = ", ".join(sorted({r.material_pair for r in simulated})) or "none"
        raise InputError("--known-pair", f"{known} does not split the welds", f"choose one of: {pairs}")
    return home, away


def split_in_time(recordings: Sequence[Recording], share: float = 0.4) -> tuple[list[Recording], list[Recording]]:
    """Real runs: the first groups in order of their names, which begin with the date, and what came later.

    Raises:
        InputError: with fewer than three groups.
    """
    runs = sorted((r for r in recordings if not r.simulated), key=lambda r: (_date(r), r.path.name))
    groups = list(dict.fromkeys(r.group for r in runs))
    if len(groups) < 3:
        raise InputError("--data", f"has {len(groups)} groups of real runs", "give three or more: two to learn from")
    first = set(groups[: max(2, round(share * len(groups)))])
    return [r for r in runs if r.group in first], [r for r in runs if r.group not in first]


def _date(recording: Recording) -> str:
    """Runs are named MM-DD-YY..., so that the year has to come first."""
    name = recording.path.name
    return name[6:8] + name[:5]


def halves(jobs: Sequence[str]) -> list[int]:
    """0 and 1 in turn through the welds of the first job, then on through those of the next."""
    order = sorted(range(len(jobs)), key=lambda i: jobs[i])
    half = [0] * len(jobs)
    for turn, i in enumerate(order):
        half[i] = turn % 2
    return half


def open_domain(
    config: TrainingConfig,
    home: Sequence[Recording],
    away: Sequence[Recording],
    job: Callable[[Recording], str],
    keep: Path,
    progress: Callable[[int, int, float], None],
) -> Domain:
    """Train on ``home``, answer ``away``; what was computed before is read again.

    Two more networks learn from ``home`` and one half of ``away`` each and answer the other half: what would be
    known had there been no shift.

    Raises:
        InputError: when too little is held out for a guard set.
    """
    keep.mkdir(parents=True, exist_ok=True)
    config = with_fixed_budget(config)
    names = [[f"{r.path.name}/{r.source}/{len(r.features.time_s)}" for r in side] for side in (home, away)]
    half = halves([job(r) for r in away])
    content = [config.model_dump_json(), names, half, network_code_sha256()]
    path = keep / f"{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]}.npz"
    guard_path = path.with_suffix(".guard.npz")
    if not (path.is_file() and guard_path.is_file()):
        _compute(config, home, away, half, path, guard_path, progress)
    with np.load(path) as data:
        welds = [
            MetWeld(
                job=job(r),
                name=r.path.name,
                time_s=data[f"time_s_{i}"],
                logits=data[f"logits_{i}"],
                embeddings=data[f"embedding_{i}"],
                labels=data[f"labels_{i}"],
                half=half[i],
                both_sides=data[f"both_sides_{i}"],
            )
            for i, r in enumerate(away)
        ]
        return Domain(GuardSet.load(guard_path), data["shares"], float(data["home_accuracy"]), welds)


def _compute(
    config: TrainingConfig,
    home: Sequence[Recording],
    away: Sequence[Recording],
    half: Sequence[int],
    path: Path,
    guard_path: Path,
    progress: Callable[[int, int, float], None],
) -> None:
    if len(away) < 2:
        raise InputError("study adaptation", "meets one weld after the shift", "give two or more")
    kept, held_out = hold_out_groups(home, config.validation_share, config.seed)
    if not held_out:  # all of one group: whole welds are held out instead
        order = np.random.default_rng(config.seed).permutation(len(home))
        count = max(1, round(config.validation_share * len(home)))
        held_out, kept = [home[i] for i in order[:count]], [home[i] for i in order[count:]]
    model = train(config, kept, progress=progress)
    guard = guard_set(model.model, kept, held_out, config.seed)
    if guard is None:
        raise InputError("study adaptation", "too little is held out for a guard set", "give more welds to train on")
    trained = _actions_of(kept)
    shares = np.where(trained, np.maximum(model.action_prior, 1e-6), 0.0)
    right: list[NDArray[np.bool_]] = []
    for run in (run_on(model.model, r) for r in held_out):
        known = run.labels != UNLABELLED
        right.append(np.where(trained, run.action_logits, -np.inf).argmax(axis=1)[known] == run.labels[known])
    arrays: dict[str, NDArray[np.generic]] = {
        "shares": np.asarray(shares / shares.sum()),
        "home_accuracy": np.asarray(np.concatenate(right).mean()),
    }
    for i, run in enumerate(run_on(model.model, r) for r in away):
        arrays |= {f"time_s_{i}": run.time_s, f"logits_{i}": run.action_logits}
        arrays |= {f"embedding_{i}": run.embedding, f"labels_{i}": run.labels}
    for i, answers in _answers_of_both_sides(config, kept, away, half, progress):
        arrays[f"both_sides_{i}"] = answers
    guard.save(guard_path)
    with written_whole(path) as file:
        np.savez(file, **dict(arrays.items()))  # type: ignore[arg-type]


def _answers_of_both_sides(
    config: TrainingConfig,
    home: Sequence[Recording],
    away: Sequence[Recording],
    half: Sequence[int],
    progress: Callable[[int, int, float], None],
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Index of each weld of ``away`` and its answers [N] by a network that knows ``home`` and the other half."""
    for learnt in (0, 1):
        known = [*home, *(r for r, own in zip(away, half, strict=True) if own == learnt)]
        trained, model = _actions_of(known), train(config, known, progress=progress)
        for i, recording in enumerate(away):
            if half[i] != learnt:
                logits = np.where(trained, run_on(model.model, recording).action_logits, -np.inf)
                yield i, logits.argmax(axis=1)


def _actions_of(recordings: Sequence[Recording]) -> NDArray[np.bool_]:
    """[K] whether any tick has this action as its label."""
    labels = np.concatenate([r.features.action for r in recordings])
    return np.isin(np.arange(len(ACTIONS)), labels[labels != UNLABELLED])
