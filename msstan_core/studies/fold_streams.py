"""What a network says of recordings that it has not seen, kept on disk: training is dear, comparing decisions not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.temperatures import fit_across_groups
from msstan_core.decision.probabilities import action_probabilities
from msstan_core.inference.model_package import ModelCard, SmoothingCard
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.durations import fit_durations
from msstan_core.training.network_runs import present, run_on
from msstan_core.training.recording_features import Recording
from msstan_core.training.splits import hold_out_groups, leave_one_group_out
from msstan_core.training.trainer import train
from msstan_core.vocabulary import ACTIONS, MODALITIES


@dataclass(frozen=True, slots=True)
class Stream:
    """One recording as the action filter sees it."""

    name: str
    group: str
    simulated: bool
    seed: int
    modalities: str
    time_s: NDArray[np.float64]  #: [N]
    labels: NDArray[np.int64]  #: [N] index into ACTIONS, UNLABELLED where there is none
    probabilities: NDArray[np.float32]  #: [N, 9] calibrated; NaN where nothing was seen
    prior: NDArray[np.float32]  #: [9] of the network's training
    trained: NDArray[np.bool_]  #: [9]
    smoothing: SmoothingCard  #: durations of the network's training labels


def streams_of_folds(
    config: TrainingConfig,
    recordings: Sequence[Recording],
    seeds: int,
    keep: Path,
    progress: Callable[[int, str, int, int, float], None] = lambda seed, group, step, steps, loss: None,
) -> Iterator[Stream]:
    """Every real recording by networks that were trained without its group; what was computed before is read again.

    Args:
        config: its seed is the first one. recordings: all; simulated ones are only trained on. seeds: how many.
        keep: folder for the streams. progress: called with (seed, group, step, steps, loss).
    """
    keep.mkdir(parents=True, exist_ok=True)
    for seed in range(config.seed, config.seed + seeds):
        seeded = config.model_copy(update={"seed": seed})
        for group, training, test in leave_one_group_out(recordings):
            path = keep / f"{_key(seeded, training, group)}.json"
            if not path.is_file():
                streams = list(_fold(seeded, training, test, partial(progress, seed, group)))
                temporary = path.with_suffix(".part")
                temporary.write_text(json.dumps([_packed(s) for s in streams]), encoding="utf-8")
                temporary.replace(path)
            yield from map(_unpacked, json.loads(path.read_text(encoding="utf-8")))


def _fold(
    config: TrainingConfig,
    training: Sequence[Recording],
    test: Sequence[Recording],
    progress: Callable[[int, int, float], None],
) -> Iterator[Stream]:
    kept, held_out = hold_out_groups(training, config.validation_share, config.seed)
    model = train(config, kept, progress=progress)
    trained = np.zeros(len(ACTIONS), bool)
    for recording in kept:
        labels = recording.features.action
        trained[np.unique(labels[labels != UNLABELLED])] = True
    runs = [run_on(model.model, r) for r in held_out or kept]
    temperature = fit_across_groups(
        [r.action_logits for r in runs], [r.labels for r in runs], [r.recording.group for r in runs], trained
    ).value
    means, stages = fit_durations(kept)
    smoothing = SmoothingCard(mean_duration_s=means, duration_stages=stages)
    for recording in test:
        yield _stream(model.model, recording, config.seed, temperature, model.action_prior, trained, smoothing)


def streams_of_model(model: MsStan, card: ModelCard, recordings: Iterable[Recording]) -> Iterator[Stream]:
    """Recordings that a finished model has not seen."""
    trained = np.array([a in card.actions for a in ACTIONS])
    prior = np.array(card.action_prior, np.float32)
    for recording in recordings:
        name = "+".join(m.label for m in MODALITIES if m in present(recording))
        temperature = card.subsets[name].temperature if name in card.subsets else card.temperature
        yield _stream(model, recording, 0, temperature, prior, trained, card.smoothing)


def _stream(
    model: MsStan,
    recording: Recording,
    seed: int,
    temperature: float,
    prior: NDArray[np.float32],
    trained: NDArray[np.bool_],
    smoothing: SmoothingCard,
) -> Stream:
    run = run_on(model, recording)
    probabilities = action_probabilities(run.action_logits, temperature, trained)
    return Stream(
        name=recording.attributes.get("run_id", recording.path.name),
        group=recording.group,
        simulated=recording.simulated,
        seed=seed,
        modalities="+".join(m.label for m in MODALITIES if m in present(recording)),
        time_s=run.time_s,
        labels=run.labels,
        probabilities=np.where(run.seen[:, None], probabilities, np.nan).astype(np.float32),
        prior=prior,
        trained=trained,
        smoothing=smoothing,
    )


def _key(config: TrainingConfig, training: Sequence[Recording], group: str) -> str:
    names = sorted(f"{r.group}/{r.path.name}/{len(r.features.time_s)}" for r in training)
    return hashlib.sha256(json.dumps([config.model_dump_json(), names, group]).encode()).hexdigest()[:24]


_ARRAYS = ("time_s", "labels", "probabilities", "prior", "trained")


def _packed(stream: Stream) -> dict[str, Any]:
    content = {f.name: getattr(stream, f.name) for f in fields(stream)}
    content["smoothing"] = stream.smoothing.model_dump()
    return content | {name: np.asarray(content[name]).tolist() for name in _ARRAYS}


def _unpacked(content: dict[str, Any]) -> Stream:
    types = {"time_s": np.float64, "labels": np.int64, "trained": np.bool_}
    arrays: dict[str, Any] = {name: np.asarray(content[name], types.get(name, np.float32)) for name in _ARRAYS}
    return Stream(**{**content, **arrays, "smoothing": SmoothingCard.model_validate(content["smoothing"])})
