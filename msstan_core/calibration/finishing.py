"""After training: calibration, the action filter, thresholds of anomalies; then the model folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from msstan_core.adaptation.guard import GuardSet
from msstan_core.calibration.anomaly_fitting import (
    HeldOutRun,
    defective_welds,
    held_out_scores,
    imperfection_figures,
    imperfection_thresholds,
    nominal_welds,
    severities,
    training_welds,
)
from msstan_core.calibration.joint import TooFewBlocks, calibrate_jointly
from msstan_core.calibration.logit_lines import along, fit_logit_lines
from msstan_core.calibration.novelty import CalibratedNovelty, calibrate_novelty
from msstan_core.calibration.recalibration import alarm_limits
from msstan_core.calibration.subsets import Thresholds, calibrate_subsets, fit_actions
from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.probabilities import ActionScale
from msstan_core.inference.card_text import CARD_TEXT_FILE, card_markdown
from msstan_core.inference.export import export_step
from msstan_core.inference.model_card import (
    AlarmLimits,
    ModelCard,
    SeverityCard,
    SmoothingCard,
    SubsetCard,
    suspected_among,
)
from msstan_core.inference.model_package import GUARD_FILE, NOMINAL_FILE, WEIGHTS_FILE, save_card
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.durations import fit_durations
from msstan_core.training.network_runs import NetworkRun, decided, filtered_beliefs, fully_sensed, run_on, sensors_of
from msstan_core.training.provenance import (
    beginning_statements,
    data_statements,
    imperfections_learnt,
    limit_statements,
)
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import TrainedModel
from msstan_core.vocabulary import ACTIONS, MODALITIES

__all__ = ["Anomalies", "Fitted", "filtered_actions", "fit", "fit_anomalies", "save_model"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the decision layer learns about actions."""

    action_scale: ActionScale
    published_temperature: float
    smoothing: SmoothingCard
    trained: NDArray[np.bool_]  #: [9]
    metrics: dict[str, object]
    runs: list[NetworkRun]  #: of the network over the recordings that this was fitted on
    beliefs: list[NDArray[np.float32]]  #: of the filter over them, each [N, 9]

    def filter(self, prior: NDArray[np.float32]) -> ActionFilter:
        """A fresh action filter with these parameters; ``prior`` [9] of the network's training."""
        return ActionFilter.from_card(self.smoothing, self.action_scale.prior_of(prior), self.trained)


def filtered_actions(
    action_filter: ActionFilter, recording: Recording, probabilities: NDArray[np.float32]
) -> NDArray[np.int64]:
    """[N] indices into ACTIONS after the filter; UNLABELLED where no modality was valid."""
    nothing = np.empty((len(probabilities), 0), np.float32)
    run = NetworkRun(recording, nothing, nothing, nothing)
    return decided(run, filtered_beliefs(action_filter, run, probabilities))


def fit(trained_model: TrainedModel, training: Sequence[Recording], held_out: Sequence[Recording]) -> Fitted:
    """Fit calibration and smoothing. ``held_out`` are groups that training has not seen; the training set if empty."""
    trained = np.zeros(len(ACTIONS), bool)
    for recording in training:
        labels = recording.features.action
        trained[np.unique(labels[labels != UNLABELLED])] = True
    means, stages = fit_durations(fully_sensed(training))
    durations = SmoothingCard(mean_duration_s=means, duration_stages=stages)
    runs = [run_on(trained_model.model, r) for r in list(held_out) or list(training)]
    fitted = fit_actions(runs, trained, durations, trained_model.action_prior)
    figures = fitted.figures(len(runs))
    metrics: dict[str, object] = {
        "held_out_recordings": len(held_out),
        "held_out_tick_accuracy": fitted.network.accuracy,
        "held_out_tick_accuracy_without_offsets": fitted.network.accuracy_before,
        "smoothing_scores": {name: round(score, 4) for name, score in fitted.smoothing_scores.items()},
        **{name: figures[name] for name in figures if "ece" in name},
    }
    return Fitted(
        fitted.network.scale,
        fitted.published.scale.temperature,
        fitted.smoothing,
        trained,
        metrics,
        runs,
        fitted.beliefs,
    )


@dataclass(frozen=True, slots=True)
class Anomalies:
    """What the decision layer learns about anomalies and about missing modalities."""

    trained: tuple[int, ...]  #: ISO codes that the model answers about
    novelty: CalibratedNovelty | None
    novelty_threshold: float  #: 0 without a detector
    imperfection_lines: dict[int, tuple[float, float]]
    imperfection_thresholds: dict[int, float]
    alarm_limits: AlarmLimits | None  #: None: too few nominal welds were held out
    severity: dict[int, SeverityCard]
    subsets: dict[str, SubsetCard]
    statements: list[str]  #: what stands behind the thresholds
    metrics: dict[str, object]


def fit_anomalies(
    config: TrainingConfig,
    trained_model: TrainedModel,
    fitted: Fitted,
    training: Sequence[Recording],
    held_out: Sequence[Recording],
    progress: Callable[[str], None] = lambda what: None,
) -> Anomalies:
    """Novelty, imperfection thresholds, severity, and the calibration of every subset of modalities.

    Args:
        config: of the run. trained_model, fitted: see :func:`fit`. training, held_out: the same recordings as there.
        progress: called with what is being done.
    """
    rate, codes = config.false_alarms_per_hour, imperfections_learnt(config, training)
    progress("nominal welds")
    runs = fitted.runs if held_out else []
    fitted_lines = fit_logit_lines(runs, codes)
    lines = {code: line.pair for code, line in fitted_lines.items()}
    runs = [along(lines, run) for run in runs]
    held = [HeldOutRun(run, decided(run, b)) for run, b in zip(runs, fitted.beliefs if runs else [], strict=True)]
    novelty = calibrate_novelty(
        training_welds(trained_model.model, fully_sensed(training), config.seed),
        nominal_welds(held),
        defective=defective_welds(held),
        rate_per_hour=rate,
        seed=config.seed,
    )
    detector = novelty.detector if novelty else None
    found = imperfection_thresholds(runs, codes, rate)
    thresholds = {code: t.probability for code, t in found.items()}
    novelty_threshold = novelty.alarm.threshold if novelty else 0.0
    statements = [novelty.statement()] if novelty else ["novelty: too little nominal data for a detector"]
    statements += [f"imperfection {code}: {t.statement()}" for code, t in found.items()]
    suspected = suspected_among(codes, thresholds)
    nominal = held_out_scores(held, detector, suspected, sensors_of(training))
    joint = calibrate_jointly(nominal, suspected, rate_per_hour=rate)
    limits = None
    if isinstance(joint, TooFewBlocks):
        statements.append(f"no alarms: {joint.statement()}; msstan calibrate sets their limits")
    else:
        limits = alarm_limits(joint, "held-out nominal welds")
    known = Thresholds(detector, novelty_threshold, lines, thresholds, codes, rate)
    subsets = calibrate_subsets(
        trained_model.model,
        held_out,
        fitted.trained,
        fitted.smoothing,
        trained_model.action_prior,
        known,
        seed=config.seed,
        progress=progress,
    )
    metrics: dict[str, object] = {}
    if runs:
        figures = imperfection_figures(runs, codes, thresholds)
        metrics["imperfections"] = {
            code: own | (fitted_lines[int(code)].figures() if int(code) in fitted_lines else {})
            for code, own in figures.items()
        }
    return Anomalies(
        trained=codes,
        novelty=novelty,
        novelty_threshold=novelty_threshold,
        imperfection_lines=lines,
        imperfection_thresholds=thresholds,
        alarm_limits=limits,
        severity=severities([*training, *held_out], config.programme_columns, codes),
        subsets=subsets,
        statements=statements,
        metrics=metrics,
    )


def save_model(
    directory: Path,
    config: TrainingConfig,
    trained_model: TrainedModel,
    fitted: Fitted,
    anomalies: Anomalies,
    training: Sequence[Recording],
    held_out: Sequence[Recording],
    metrics: dict[str, object],
    guard: GuardSet | None = None,
    began_with: ModelCard | None = None,
) -> ModelCard:
    """Write the model folder: weights, ONNX graph, nominal embeddings, guard set, card (last).

    Args:
        directory: to write. config: of the run. trained_model, fitted, anomalies: what came of it.
        training, held_out: the recordings that the card tells of.
        metrics: for the card. guard: None: it will not adapt.
        began_with: card of the weights that the training began with; None: random ones.
    """
    directory.mkdir(parents=True, exist_ok=True)
    torch.save(trained_model.model.state_dict(), directory / WEIGHTS_FILE)
    difference = export_step(trained_model.model, directory)
    novelty = anomalies.novelty
    (directory / NOMINAL_FILE).unlink(missing_ok=True)  # of a model that was here before
    if novelty is not None:
        novelty.detector.save(directory / NOMINAL_FILE)
    (directory / GUARD_FILE).unlink(missing_ok=True)  # one of earlier weights would guard nothing
    if guard is not None:
        guard.save(directory / GUARD_FILE)
    own = {r.group for r in training}
    before = began_with.trained_groups if began_with is not None else ()
    groups = None if before is None else tuple(sorted(own.union(before)))
    card = ModelCard(
        name=config.name,
        version=config.version,
        config=config.model_config_of_size(),
        trained_actions=tuple(a.name for a, known in zip(ACTIONS, fitted.trained, strict=True) if known),
        trained_imperfections=anomalies.trained,
        trained_modalities=tuple(m.label for m in MODALITIES if sensors_of(training)[m]),
        temperature=fitted.action_scale.temperature,
        action_offsets=fitted.action_scale.offsets,
        published_temperature=fitted.published_temperature,
        action_prior=tuple(float(p) for p in trained_model.action_prior),
        smoothing=fitted.smoothing,
        novelty_threshold=anomalies.novelty_threshold,
        imperfection_lines=anomalies.imperfection_lines,
        imperfection_thresholds=anomalies.imperfection_thresholds,
        alarm_limits=anomalies.alarm_limits,
        severity=anomalies.severity,
        subsets=anomalies.subsets,
        suspicion_statements=anomalies.statements,
        data=[*data_statements(training, held_out), *config.data_description],
        trained_groups=groups,
        held_out_groups=tuple(sorted({r.group for r in held_out})),
        limits=limit_statements(config, training, anomalies.trained),
        metrics={**fitted.metrics, **anomalies.metrics, **metrics, "onnx_difference": difference},
    )
    if began_with is not None:
        card.limits.extend(beginning_statements(card, began_with))
    card.limits.extend(config.limits)
    card = save_card(directory, card)
    (directory / CARD_TEXT_FILE).write_text(card_markdown(card), encoding="utf-8")
    return card
