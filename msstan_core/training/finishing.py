"""After training: calibration, the action filter's durations, the nominal embeddings; then the model folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from msstan_core.adaptation.guard import GuardSet
from msstan_core.decision.anomaly import NominalEmbeddings
from msstan_core.decision.calibration import action_probabilities, expected_calibration_error, fit_temperature
from msstan_core.decision.smoothing import ActionFilter
from msstan_core.inference.card_text import CARD_TEXT_FILE, card_markdown
from msstan_core.inference.export import export_step
from msstan_core.inference.model_package import (
    GUARD_FILE,
    NOMINAL_FILE,
    WEIGHTS_FILE,
    ModelCard,
    SmoothingCard,
    save_card,
)
from msstan_core.model.ms_stan import MsStan, Output
from msstan_core.training.clips import whole_recording
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.durations import fit_durations
from msstan_core.training.metrics import shifted_phase_macro_f1
from msstan_core.training.recording_features import UNLABELLED, Recording
from msstan_core.training.trainer import TrainedModel
from msstan_core.vocabulary import ACTIONS, ARC_ON, MODALITIES

EMISSION_POWERS = (0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)
#: Novelty threshold: the largest of the block maxima on held-out nominal welds, with this margin.
NOVELTY_MARGIN = 1.1
NOMINAL_TICKS = 20_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """Everything the decision layer learns from data."""

    temperature: float
    smoothing: SmoothingCard
    trained: NDArray[np.bool_]  #: [9]
    metrics: dict[str, object]

    def filter(self, prior: NDArray[np.float32]) -> ActionFilter:
        """A fresh action filter with these parameters."""
        return ActionFilter.from_card(self.smoothing, prior, self.trained)


def run_network(model: MsStan, recording: Recording) -> Output:
    """The network over a whole recording, batch axis removed; equal to streaming it tick by tick."""
    with torch.inference_mode():
        output = model.unroll(whole_recording(recording))
    return Output(*(part[0] for part in output))


def filtered_actions(
    action_filter: ActionFilter, recording: Recording, probabilities: NDArray[np.float32]
) -> NDArray[np.int64]:
    """[N] indices into ACTIONS after the filter; UNLABELLED where no modality was valid."""
    action_filter.reset()
    valid: NDArray[np.bool_] = recording.features.valid.max(axis=1) > 0
    out = np.full(len(probabilities), UNLABELLED)
    for i, (time_s, p) in enumerate(zip(recording.features.time_s, probabilities, strict=True)):
        observed = p if valid[i] else np.full_like(p, np.nan)
        belief = action_filter.update(float(time_s), observed)
        if valid[i]:
            out[i] = int(np.argmax(belief))
    return out


def fit(trained_model: TrainedModel, training: Sequence[Recording], held_out: Sequence[Recording]) -> Fitted:
    """Fit calibration and smoothing. ``held_out`` are groups that training has not seen; the training set if empty."""
    trained = np.zeros(len(ACTIONS), bool)
    for recording in training:
        labels = recording.features.action
        trained[np.unique(labels[labels != UNLABELLED])] = True
    means, stages = fit_durations(training)
    judged = list(held_out) or list(training)
    logits = [run_network(trained_model.model, r).action_logits.numpy() for r in judged]
    all_logits = np.concatenate(logits)
    all_labels = np.concatenate([r.features.action for r in judged])
    known = all_labels != UNLABELLED
    temperature = fit_temperature(all_logits[known], all_labels[known], trained)
    before = action_probabilities(all_logits[known], 1.0, trained)
    after = action_probabilities(all_logits[known], temperature, trained)
    scores: dict[float, float] = {}
    for power in EMISSION_POWERS:
        candidate = SmoothingCard(mean_duration_s=means, duration_stages=stages, emission_power=power)
        action_filter = ActionFilter.from_card(candidate, trained_model.action_prior, trained)
        per_recording = [
            _judge(action_filter, r, action_probabilities(x, temperature, trained))
            for r, x in zip(judged, logits, strict=True)
        ]
        scores[power] = float(np.nanmean(per_recording))
    best = max(scores, key=lambda power: scores[power])
    metrics: dict[str, object] = {
        "held_out_recordings": len(held_out),
        "held_out_tick_accuracy": float((after.argmax(axis=1) == all_labels[known]).mean()),
        "held_out_filter_score": scores[best],
        "ece_before": expected_calibration_error(before.max(axis=1), before.argmax(axis=1) == all_labels[known]),
        "ece_after": expected_calibration_error(after.max(axis=1), after.argmax(axis=1) == all_labels[known]),
    }
    smoothing = SmoothingCard(mean_duration_s=means, duration_stages=stages, emission_power=best)
    return Fitted(temperature, smoothing, trained, metrics)


#: Points of macro-F1 that a second of delay costs when the filter's tempering is chosen.
DELAY_COST_PER_S = 0.05


def _judge(action_filter: ActionFilter, recording: Recording, probabilities: NDArray[np.float32]) -> float:
    """How good a filter is: agreement with the labels up to their clock's offset, less a price for delay."""
    actions = filtered_actions(action_filter, recording, probabilities)
    score, shift_s = shifted_phase_macro_f1(recording.features.time_s, recording.features.action, actions)
    return score - DELAY_COST_PER_S * max(shift_s, 0.0)


def fit_novelty(
    model: MsStan, training: Sequence[Recording], held_out: Sequence[Recording], seed: int
) -> tuple[NominalEmbeddings | None, float]:
    """Nominal embeddings of arc-on ticks without imperfection, and the threshold from held-out nominal welds."""
    nominal = _nominal_embeddings(model, training)
    if not nominal:
        return None, math.inf
    pool = np.concatenate(nominal)
    if len(pool) > NOMINAL_TICKS:
        pool = pool[np.random.default_rng(seed).choice(len(pool), NOMINAL_TICKS, replace=False)]
    if len(pool) < 2 * pool.shape[1]:
        return None, math.inf
    embeddings = NominalEmbeddings.fit(pool)
    judged = _nominal_embeddings(model, held_out) or nominal
    maxima = [float(embeddings.distance(e).max()) for e in judged]
    return embeddings, NOVELTY_MARGIN * max(maxima)


def _nominal_embeddings(model: MsStan, recordings: Sequence[Recording]) -> list[NDArray[np.float32]]:
    arc = [ACTIONS.index(a) for a in ARC_ON]
    out = []
    for recording in recordings:
        features = recording.features
        defective = (np.nan_to_num(features.imperfection) > 0).any(axis=1)
        if recording.attributes.get("verdict", "good") != "good":
            continue
        keep = np.isin(features.action, arc) & ~defective & features.valid.any(axis=1)
        if keep.any():
            out.append(run_network(model, recording).embedding.numpy()[keep])
    return out


def save_model(
    directory: Path,
    config: TrainingConfig,
    trained_model: TrainedModel,
    fitted: Fitted,
    novelty: tuple[NominalEmbeddings | None, float],
    training: Sequence[Recording],
    metrics: dict[str, object],
    guard: GuardSet | None = None,
) -> ModelCard:
    """Write the model folder: weights, ONNX graph, nominal embeddings, guard set, card (last)."""
    directory.mkdir(parents=True, exist_ok=True)
    torch.save(trained_model.model.state_dict(), directory / WEIGHTS_FILE)
    difference = export_step(trained_model.model, directory)
    embeddings, threshold = novelty
    if embeddings is not None:
        embeddings.save(directory / NOMINAL_FILE)
    (directory / GUARD_FILE).unlink(missing_ok=True)  # one of earlier weights would guard nothing
    if guard is not None:
        guard.save(directory / GUARD_FILE)
    seen: NDArray[np.bool_] = np.concatenate([r.features.valid for r in training]).max(axis=0) > 0
    card = ModelCard(
        name=config.name,
        version=config.version,
        config=config.model_config_of_size(),
        trained_actions=tuple(a.name for a, known in zip(ACTIONS, fitted.trained, strict=True) if known),
        trained_imperfections=config.trained_imperfections,
        trained_modalities=tuple(m.label for m in MODALITIES if seen[m]),
        temperature=fitted.temperature,
        action_prior=tuple(float(p) for p in trained_model.action_prior),
        smoothing=fitted.smoothing,
        novelty_threshold=threshold if embeddings is not None else 0.0,
        data=config.data_description,
        limits=config.limits,
        metrics={**fitted.metrics, **metrics, "onnx_difference": difference},
    )
    card = save_card(directory, card)
    (directory / CARD_TEXT_FILE).write_text(card_markdown(card), encoding="utf-8")
    return card
