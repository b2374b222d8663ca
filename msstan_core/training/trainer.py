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

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.checkpoint import CHECKPOINT_FILE, Checkpoint, Part
from msstan_core.training.clips import ClipSampler, class_weights
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.drawing import Drawing
from msstan_core.training.early_stopping import EarlyStopping, held_out_loss
from msstan_core.training.measured_ticks import TickSampler
from msstan_core.training.objective import Objective
from msstan_core.training.precision import Precision
from msstan_core.training.recording_features import Recording
from msstan_core.training.semi_supervised import Unlabelled, is_labelled
from msstan_core.training.training_log import TrainingLog

__all__ = ["CHECKPOINT_FILE", "TrainedModel", "train"]

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
    run = _Run(config, recordings, run_dir, held_out, initial)
    run.go_on(progress)
    return run.result()


class _Run:
    """One training: its parts, as they are made once and go on from a checkpoint."""

    def __init__(
        self,
        config: TrainingConfig,
        recordings: Sequence[Recording],
        run_dir: Path | None,
        held_out: Sequence[Recording],
        initial: MsStan | None,
    ) -> None:
        # Draws are by place in the list: in whatever order they are given, the same run.
        recordings = sorted(recordings, key=lambda r: (r.group, r.path.name, r.source))
        labelled = [r for r in recordings if is_labelled(r)]
        if not labelled:
            raise InputError("training data", "has no labelled tick", "label the bags: msstan label --help")
        self.config = config
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = _network(config, initial).to(self.device).train()
        self.trainable = _trained(self.model, config)
        self.optimiser = torch.optim.AdamW(self.trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
        # Recordings without actions may still say which imperfections there are.
        known = [r for r in recordings if is_labelled(r) or np.isfinite(r.features.imperfection).any()]
        self.clips = ClipSampler.of_config(config, known, config.seed, config.image_free_steps)
        self.ticks = _measured_ticks(config, known, self.model)
        self.unlabelled = Unlabelled(config, recordings)
        weights, self.prior = class_weights(labelled, config.class_balance)
        self.precision = Precision(self.device, mixed=config.mixed_precision)
        self.objective = Objective(config, self.model, weights.to(self.device), self.precision)
        judged = [r for r in held_out if is_labelled(r)]
        self.stopping = EarlyStopping(config.early_stopping, self.model, lambda: self._loss_on(judged), len(judged))
        self.losses: list[float] = []
        self._taken_at = 0  # the step whose weights are the result
        self._began, self._before_s = time.monotonic(), 0.0
        self.log = TrainingLog(run_dir, tensorboard=config.tensorboard)
        seen = [*recordings, *(held_out if config.early_stopping.enabled else ())]
        described = config.model_dump_json() + config.model_config_of_size().model_dump_json()
        self.checkpoint = Checkpoint(run_dir, described, _sources(seen), self._parts())

    def go_on(self, progress: Callable[[int, int, float], None]) -> None:
        """From the checkpoint, or the beginning, to the last step."""
        config, stopping = self.config, self.stopping
        step = self.checkpoint.restore()
        self.log.resume(step)
        while step < config.steps and not stopping.stopped:
            figures = self._step(step)
            step += 1
            self.losses.append(figures["loss"])
            figures["held_out_loss"] = stopping.after_step(step, last=step == config.steps)
            self.log.add(step, figures)
            if step % config.checkpoint_every == 0 or step == config.steps or stopping.stopped:
                self.log.write()
                self.checkpoint.save(step)
            progress(step, config.steps, figures["loss"])
        stopping.restore_best()
        self._taken_at = stopping.best_step or step

    def result(self) -> TrainedModel:
        """The network, ready to answer on the CPU."""
        self.model.requires_grad_(True).backbone.requires_grad_(False)
        self.model.eval().cpu()
        tail = self.losses[-_tail(self.config) :]
        final_loss = float(np.mean(tail)) if tail else float("nan")
        return TrainedModel(self.model, self.prior, final_loss, self._taken_at, self._seconds())

    def _step(self, step: int) -> dict[str, float]:
        """One step of the optimiser; the figures of the log."""
        config = self.config
        rate = config.learning_rate * _schedule(step, config.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch = None if config.trained_part == "measured" else self.clips.draw(config.clips_per_step)
        loss, terms = self.objective(batch, self.ticks.draw(), self.device)
        more = self.unlabelled.loss(self.model, step, self.device, self.precision)
        loss = loss if more is None else loss + more
        figure = float(loss.detach())
        if not math.isfinite(figure):  # its gradient would spoil every weight
            raise InputError(
                f"training, step {step + 1}",
                f"the loss is {figure}",
                "set a lower learning_rate, and look for absurd values in the recordings; the last checkpoint is kept",
            )
        self.precision.update(loss, self.optimiser, self.trainable)
        said = {name: float(term.detach()) for name, term in terms.items()}
        return {"loss": figure, "learning_rate": rate, **said}

    def _loss_on(self, judged: Sequence[Recording]) -> float:
        losses = self.config.losses
        return held_out_loss(self.model, judged, self.objective.weights, losses.action, self.config.imperfection_weight)

    def _seconds(self) -> float:
        """That the steps took, those of the runs that this one goes on from included."""
        return self._before_s + time.monotonic() - self._began

    def _parts(self) -> dict[str, Part]:
        """What a checkpoint holds, so that a resumed run ends as one that was never interrupted."""
        return {
            "model": Part(self.model.state_dict, self.model.load_state_dict),
            "optimiser": Part(self.optimiser.state_dict, self.optimiser.load_state_dict),
            "sampler": _random_part(self.clips),
            "ticks": _random_part(self.ticks),
            "unlabelled": Part(self.unlabelled.state, self.unlabelled.restore),
            "stopping": Part(self.stopping.state, self.stopping.restore),
            "precision": Part(self.precision.state, self.precision.restore),
            "seconds": Part(self._seconds, lambda seconds: setattr(self, "_before_s", seconds)),
            "losses": Part(lambda: self.losses[-_tail(self.config) :], self.losses.extend),
            "random": Part(torch.get_rng_state, torch.set_rng_state),
            "random_cuda": Part(torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all),
        }


def _network(config: TrainingConfig, initial: MsStan | None) -> MsStan:
    """The network to train, with these weights where there are some."""
    torch.manual_seed(config.seed)
    model = MsStan(config.model_config_of_size())
    if initial is not None:
        # A model that had no second opinion begins with one that has not been taught.
        model.load_state_dict({**model.state_dict(), **initial.state_dict()})
    return model


def _measured_ticks(config: TrainingConfig, recordings: Sequence[Recording], model: MsStan) -> TickSampler:
    """What teaches the opinion of the telemetry, which counts from now on where there is something to learn it from."""
    ticks = TickSampler(config, recordings)
    if ticks.found and model.measured_imperfections is not None:
        model.measured_imperfections.teach()
    elif config.trained_part == "measured":
        raise InputError(
            "trained_part: measured",
            "finds no tick with telemetry whose imperfections are known",
            "set measured_ticks, and add bags that label their imperfections completely",
        )
    return ticks


def _random_part(drawing: Drawing) -> Part:
    return Part(lambda: drawing.random_state, lambda state: setattr(drawing, "random_state", state))


def _trained(model: MsStan, config: TrainingConfig) -> list[torch.nn.Parameter]:
    """The parameters that this run changes; the others are frozen."""
    if config.trained_part != "all":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(_PARTS[config.trained_part]))
    return [p for p in model.parameters() if p.requires_grad]


def _sources(recordings: Sequence[Recording]) -> str:
    """Which recordings these are, and how they are labelled: a run that has seen others is not gone on with."""
    named = sorted(f"{r.source} {r.group} {r.path.name} {len(r.features.time_s)} {r.labels_sha256}" for r in recordings)
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _tail(config: TrainingConfig) -> int:
    return max(1, config.steps // 10)


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up, then cosine to 2 % of the learning rate."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
