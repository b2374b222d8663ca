"""What networks say of recordings that they have not seen, kept on disk: training is dear, comparing decisions not."""

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

from msstan_core.calibration.finishing import Fitted
from msstan_core.decision.action_smoothing import Hysteresis, SmoothingConfig, smoother
from msstan_core.decision.probabilities import ActionScale, action_probabilities
from msstan_core.inference.model_card import ModelCard, SmoothingCard
from msstan_core.model.ms_stan import MsStan
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.output_files import written_whole
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.folds import Folds, Regime, reduced_to_actions_of
from msstan_core.studies.kept_runs import network_code_sha256
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.network_runs import present, run_on
from msstan_core.training.recording_features import Recording
from msstan_core.training.semi_supervised import is_labelled
from msstan_core.training.splits import leave_one_group_out
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
    prior: NDArray[np.float32]  #: [9] that the probabilities presume
    trained: NDArray[np.bool_]  #: [9]
    smoothing: SmoothingCard  #: the action filter as the network's own held-out groups chose it


def said(
    stream: Stream, config: SmoothingConfig | None = None, *, emission_power: float | None = None
) -> NDArray[np.int64]:
    """[N] the action said at each tick, index into ACTIONS; UNLABELLED where nothing was seen.

    Args:
        stream: of one recording. config: how it is steadied; None: as the monitor does by default.
        emission_power: of the filter; None: the stream's own.
    """
    config, card = config or SmoothingConfig(), stream.smoothing
    if emission_power is not None:
        card = card.model_copy(update={"emission_power": emission_power})
    smooth = smoother(config, card, stream.prior, stream.trained)
    hysteresis = Hysteresis(config.lead, config.hold_s)
    out = np.full(len(stream.time_s), UNLABELLED)
    for i, (time_s, p) in enumerate(zip(stream.time_s, stream.probabilities, strict=True)):
        belief = smooth.update(float(time_s), p)
        if np.isfinite(p).all():
            out[i] = hysteresis.update(round(time_s * NANOSECONDS_PER_SECOND), belief)
    return out


def streams_of_folds(
    config: TrainingConfig,
    recordings: Sequence[Recording],
    seeds: int,
    keep: Path,
    *,
    regime: Regime = Regime.TOGETHER,
    simulation_steps: int | None = None,
    only_groups: frozenset[str] | None = None,
    progress: Callable[[int, str, int, int, float], None] = lambda seed, group, step, steps, loss: None,
) -> Iterator[Stream]:
    """Every labelled real recording by networks trained without its group; what was computed before is read again.

    Calibration and filter are fitted on groups of the training side only.

    Args:
        config: its seed is the first one. recordings: all; simulated ones are only trained on. seeds: how many.
        keep: folder for the streams; those of other recordings, configurations or revisions are left alone.
        regime: what to train on. simulation_steps: of the training on simulation, see :class:`Folds`.
        only_groups: leave out only these.
        progress: called with (seed, group, step, steps, loss).

    Raises:
        InputError: where the regime asks for simulated recordings that are not there.
    """
    keep.mkdir(parents=True, exist_ok=True)
    simulated = [r for r in recordings if r.simulated]
    reduced = reduced_to_actions_of(simulated, [r for r in recordings if not r.simulated])
    for seed in range(config.seed, config.seed + seeds):
        folds = Folds(config.model_copy(update={"seed": seed}), regime, reduced, simulation_steps)
        for group, training, test in leave_one_group_out(recordings):
            if only_groups is not None and group not in only_groups:
                continue
            path = keep / f"{_key(folds, [*training, *simulated], test, group)}.json"
            if not path.is_file():
                model, fitted = folds.trained(training, partial(progress, seed, group))
                streams = [_stream(model.model, r, seed, fitted, model.action_prior) for r in test if is_labelled(r)]
                with written_whole(path) as file:
                    file.write_text(json.dumps([_packed(s) for s in streams]), encoding="utf-8")
            yield from map(_unpacked, json.loads(path.read_text(encoding="utf-8")))


def streams_of_model(model: MsStan, card: ModelCard, recordings: Iterable[Recording]) -> Iterator[Stream]:
    """Recordings that a finished model has not seen."""
    trained = np.array([a in card.actions for a in ACTIONS])
    prior = np.array(card.action_prior, np.float32)
    for recording in recordings:
        subset = card.subset(_modalities(recording))
        known = _Calibrated(subset.action_scale, trained, card.smoothing_with(subset))
        yield _stream(model, recording, 0, known, prior)


@dataclass(frozen=True, slots=True)
class _Calibrated:
    """What a card says of actions with one set of modalities."""

    action_scale: ActionScale
    trained: NDArray[np.bool_]  #: [9]
    smoothing: SmoothingCard


def _stream(
    model: MsStan, recording: Recording, seed: int, known: Fitted | _Calibrated, prior: NDArray[np.float32]
) -> Stream:
    run = run_on(model, recording)
    probabilities = action_probabilities(run.action_logits, known.action_scale, known.trained)
    return Stream(
        name=recording.attributes.get("run_id", recording.path.name),
        group=recording.group,
        simulated=recording.simulated,
        seed=seed,
        modalities=_modalities(recording),
        time_s=run.time_s,
        labels=run.labels,
        probabilities=np.where(run.seen[:, None], probabilities, np.nan).astype(np.float32),
        prior=known.action_scale.prior_of(prior),
        trained=known.trained,
        smoothing=known.smoothing,
    )


def _modalities(recording: Recording) -> str:
    return "+".join(m.label for m in MODALITIES if m in present(recording))


def _key(folds: Folds, learnt: Sequence[Recording], answered: Sequence[Recording], group: str) -> str:
    names = [
        sorted({f"{r.source}/{r.group}/{r.path.name}/{len(r.features.time_s)}" for r in side})
        for side in (learnt, answered)
    ]
    configs = [folds.config.model_dump_json(), folds.simulation_config.model_dump_json()]
    content = [*configs, folds.regime, names, group, network_code_sha256()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]


_ARRAYS = ("time_s", "labels", "probabilities", "prior", "trained")


def _packed(stream: Stream) -> dict[str, Any]:
    content = {f.name: getattr(stream, f.name) for f in fields(stream)}
    content["smoothing"] = stream.smoothing.model_dump()
    return content | {name: np.asarray(content[name]).tolist() for name in _ARRAYS}


def _unpacked(content: dict[str, Any]) -> Stream:
    types = {"time_s": np.float64, "labels": np.int64, "trained": np.bool_}
    arrays: dict[str, Any] = {name: np.asarray(content[name], types.get(name, np.float32)) for name in _ARRAYS}
    return Stream(**{**content, **arrays, "smoothing": SmoothingCard.model_validate(content["smoothing"])})
