"""The optimisation loop: AdamW, warm-up and cosine decay, early stopping, checkpoints and exact resume, logs."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import Features, MsStan
from msstan_core.training.adversarial import perturbed
from msstan_core.training.checkpoint import CHECKPOINT_FILE, Checkpoint, Part
from msstan_core.training.clips import Batch, ClipSampler, class_weights
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.early_stopping import EarlyStopping, held_out_loss
from msstan_core.training.losses.classification import action_loss, imperfection_loss
from msstan_core.training.losses.total import mechanism_losses
from msstan_core.training.measured_ticks import MeasuredTicks, TickSampler
from msstan_core.training.precision import Precision, in_single_precision
from msstan_core.training.recording_features import Recording
from msstan_core.training.semi_supervised import Unlabelled, is_labelled
from msstan_core.training.training_log import TrainingLog

__all__ = ["CHECKPOINT_FILE", "Objective", "TrainedModel", "train"]

WARM_UP_SHARE = 0.05
#: What ``trained_part`` trains, other than all: parameters whose names begin so.
_PARTS = {"head": "heads.", "measured": "measured_imperfections."}


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The network after training, with what calibration needs to know of it."""

    model: MsStan
    action_prior: NDArray[np.float32]  #: [9] share of each action as the loss weighted it
    final_loss: float  #: mean over the last tenth of the steps
    steps: int = 0  #: after which the weights were taken: the last, or the best with early stopping
    seconds: float = 0.0  #: that the steps took, those before an interruption included


def train(
    config: TrainingConfig,
    recordings: Sequence[Recording],
    run_dir: Path | None = None,
    *,
    held_out: Sequence[Recording] = (),
    initial: MsStan | None = None,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> TrainedModel:
    """Train on recordings.

    Args:
        config: of the run. recordings: the training split; those without labels are used where the configuration's
            ``semi_supervised`` says how.
        held_out: groups that early stopping looks at.
        initial: weights to start from, of the same configuration; None: random ones (the camera backbone is pretrained
            in any case, where the configuration says so).
        run_dir: for checkpoint and log; a checkpoint of the same configuration there is resumed. None: keep nothing.
        progress: called after each step with (step, steps, loss).

    Raises:
        InputError: when no tick is labelled, a mode lacks the recordings it needs, or the checkpoint belongs to another
            configuration or other recordings.
    """
    labelled = [r for r in recordings if is_labelled(r)]
    if not labelled:
        raise InputError("training data", "has no labelled tick", "add annotations.csv to the bags")
    torch.manual_seed(config.seed)
    model = MsStan(config.model_config_of_size())
    if initial is not None:
        # A model that had no second opinion begins with one that has not been taught.
        model.load_state_dict({**model.state_dict(), **initial.state_dict()})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    trainable = _trained(model, config)
    optimiser = torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
    # Recordings without actions may still say which imperfections there are.
    known = [r for r in recordings if is_labelled(r) or np.isfinite(r.features.imperfection).any()]
    sampler = ClipSampler.of_config(config, known, config.seed, config.image_free_steps)
    ticks = TickSampler(config, known)
    if ticks.found and model.measured_imperfections is not None:
        model.measured_imperfections.teach()
    elif config.trained_part == "measured":
        raise InputError(
            "trained_part: measured",
            "finds no tick with telemetry whose imperfections are known",
            "set measured_ticks, and add bags that label their imperfections completely",
        )
    unlabelled = Unlabelled(config, recordings)
    weights, prior = class_weights(labelled, config.class_balance)
    precision = Precision(device, mixed=config.mixed_precision)
    objective = Objective(config, model, weights.to(device), precision)
    judged = [r for r in held_out if is_labelled(r)]
    stopping = EarlyStopping(
        config.early_stopping,
        model,
        lambda: held_out_loss(model, judged, objective.weights, config.losses.action, config.imperfection_weight),
        len(judged),
    )
    losses: list[float] = []
    before_s = 0.0  # of the runs that this one goes on from

    def resume_clock(seconds: float) -> None:
        nonlocal before_s
        before_s = seconds

    began = time.monotonic()
    log = TrainingLog(run_dir, tensorboard=config.tensorboard)
    checkpoint = Checkpoint(
        run_dir,
        config.model_dump_json(),
        _sources([*recordings, *(held_out if config.early_stopping.enabled else ())]),
        {
            "model": Part(model.state_dict, model.load_state_dict),
            "optimiser": Part(optimiser.state_dict, optimiser.load_state_dict),
            "sampler": Part(lambda: sampler.random_state, lambda state: setattr(sampler, "random_state", state)),
            "ticks": Part(lambda: ticks.random_state, lambda state: setattr(ticks, "random_state", state)),
            "unlabelled": Part(unlabelled.state, unlabelled.restore),
            "stopping": Part(stopping.state, stopping.restore),
            "precision": Part(precision.state, precision.restore),
            "seconds": Part(lambda: before_s + time.monotonic() - began, resume_clock),
            "losses": Part(lambda: losses[-_tail(config) :], losses.extend),
            "random": Part(torch.get_rng_state, torch.set_rng_state),
            "random_cuda": Part(torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all),
        },
    )
    step = checkpoint.restore()
    log.resume(step)
    while step < config.steps and not stopping.stopped:
        rate = config.learning_rate * _schedule(step, config.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = None if config.trained_part == "measured" else sampler.draw(config.clips_per_step)
        loss, terms = objective(batch, ticks.draw(), device)
        more = unlabelled.loss(model, step, device, precision)
        loss = loss if more is None else loss + more
        precision.update(loss, optimiser, trainable)
        step += 1
        losses.append(float(loss.detach()))
        figures = {"loss": losses[-1], "learning_rate": rate, **{k: float(v.detach()) for k, v in terms.items()}}
        figures["held_out_loss"] = stopping.after_step(step, last=step == config.steps)
        log.add(step, figures)
        if step % config.checkpoint_every == 0 or step == config.steps or stopping.stopped:
            log.write()
            checkpoint.save(step)
        progress(step, config.steps, losses[-1])
    stopping.restore_best()
    model.requires_grad_(True).backbone.requires_grad_(False)
    model.eval().cpu()
    tail = losses[-_tail(config) :]
    final_loss = float(np.mean(tail)) if tail else float("nan")
    return TrainedModel(model, prior, final_loss, stopping.best_step or step, before_s + time.monotonic() - began)


def _trained(model: MsStan, config: TrainingConfig) -> list[torch.nn.Parameter]:
    """The parameters that this run changes; the others are frozen."""
    if config.trained_part != "all":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(_PARTS[config.trained_part]))
    return [p for p in model.parameters() if p.requires_grad]


def _sources(recordings: Sequence[Recording]) -> str:
    """Which recordings these are, in whatever order: a run that has seen others is not gone on with."""
    named = sorted(f"{r.source} {r.group} {r.path.name} {len(r.features.time_s)}" for r in recordings)
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _tail(config: TrainingConfig) -> int:
    return max(1, config.steps // 10)


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up, then cosine to 2 % of the learning rate."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


class Objective:
    """The loss of a batch (32), adversarially perturbed now and then where the configuration says so."""

    def __init__(self, config: TrainingConfig, model: MsStan, weights: Tensor, precision: Precision) -> None:
        self._config, self._model, self.weights, self._precision = config, model, weights, precision

    def __call__(
        self, batch: Batch | None, ticks: MeasuredTicks | None, device: torch.device
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss, its main terms before they are weighted) of clips, of single ticks with telemetry, or of both."""
        loss, terms = torch.zeros((), device=device), dict[str, Tensor]()
        if batch is not None:
            loss, terms = self._of_clips(batch, device)
        if ticks is not None:
            *inputs, labels = (part.to(device) for part in ticks)
            with self._precision.forward():
                logits = self._model.imperfections_measured(*inputs)
            measured = imperfection_loss(logits.float(), labels)
            loss = loss + self._config.imperfection_weight * measured
            terms = {**terms, "measured_loss": measured}
        return loss, terms

    def _of_clips(self, batch: Batch, device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
        features = batch.features.map(lambda part: part.to(device))
        adversary = self._config.adversarial
        if adversary.epsilon > 0 and float(torch.rand(())) < adversary.share:
            features = perturbed(features, lambda f: self._loss(f, batch)[0], adversary.epsilon)
        return self._loss(features, batch)

    def _loss(self, features: Features, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        config, device = self._config, features.valid.device
        with self._precision.forward():
            said, beside = self._model.unroll_with_auxiliary(features)
        output, auxiliary = in_single_precision(said), in_single_precision(beside)
        # Ticks where every modality was dropped teach nothing but the prior.
        seen = batch.weight.to(device) * (features.valid.amax(dim=2) > 0)
        labels = batch.action.to(device)
        action = action_loss(output.action_logits, labels, seen, self.weights, config.label_smoothing)
        imperfection = imperfection_loss(output.imperfection_logits, batch.imperfection.to(device))
        others = mechanism_losses(config.losses, self._model, output, auxiliary, labels, features.valid, seen)
        loss = config.losses.action * action + config.imperfection_weight * imperfection + sum(others.values())
        return loss, {"action_loss": action, "imperfection_loss": imperfection}
