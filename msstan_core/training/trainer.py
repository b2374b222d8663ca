"""The optimisation loop: AdamW, warm-up and cosine decay, checkpoints, exact resume, a CSV log, a progress bar."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.clips import ClipSampler, class_weights
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.losses.classification import action_loss, imperfection_loss
from msstan_core.training.losses.total import mechanism_losses
from msstan_core.training.recording_features import UNLABELLED, Recording

CHECKPOINT_FILE = "checkpoint.pt"
LOG_FILE = "training_log.csv"
LOG_COLUMNS = ("step", "loss", "action_loss", "imperfection_loss", "learning_rate")
WARM_UP_SHARE = 0.05
GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The network after training, with what calibration needs to know of it."""

    model: MsStan
    action_prior: NDArray[np.float32]  #: [9] share of each action as the loss weighted it
    final_loss: float  #: mean over the last tenth of the steps


def train(
    config: TrainingConfig,
    recordings: Sequence[Recording],
    run_dir: Path | None = None,
    *,
    initial: MsStan | None = None,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> TrainedModel:
    """Train on recordings.

    Args:
        config: of the run. recordings: the training split.
        initial: weights to start from, of the same configuration; None: random ones (the camera backbone is pretrained
            in any case, where the configuration says so).
        run_dir: for checkpoint and log; a checkpoint of the same configuration there is resumed. None: keep nothing.
        progress: called after each step with (step, steps, loss).

    Raises:
        InputError: when no tick is labelled, or the checkpoint belongs to another configuration.
    """
    if not any((r.features.action != UNLABELLED).any() for r in recordings):
        raise InputError("training data", "has no labelled tick", "add annotations.csv to the bags")
    torch.manual_seed(config.seed)
    model = MsStan(config.model_config_of_size())
    if initial is not None:
        model.load_state_dict(initial.state_dict())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
    sampler = ClipSampler(recordings, config.clip_ticks, config.group_balance, config.augmentation, config.seed)
    weights, prior = class_weights(recordings, config.class_balance)
    weights = weights.to(device)
    run = _Run(config, run_dir, model, optimiser, sampler)
    first_step = run.resume()
    losses: list[float] = []
    for step in range(first_step, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, config.steps)
        batch = sampler.draw(config.clips_per_step)
        features = batch.features.map(lambda part: part.to(device))
        output, auxiliary = model.unroll_with_auxiliary(features)
        # Ticks where every modality was dropped teach nothing but the prior.
        seen = batch.weight.to(device) * (features.valid.amax(dim=2) > 0)
        labels = batch.action.to(device)
        action = action_loss(output.action_logits, labels, seen, weights, config.label_smoothing)
        imperfection = imperfection_loss(output.imperfection_logits, batch.imperfection.to(device))
        others = mechanism_losses(config.losses, model, output, auxiliary, labels, features.valid, seen)
        loss = config.losses.action * action + config.imperfection_weight * imperfection + sum(others.values())  # (32)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, GRADIENT_NORM)
        optimiser.step()
        losses.append(float(loss.detach()))
        run.after_step(step, losses[-1], float(action.detach()), float(imperfection.detach()))
        progress(step + 1, config.steps, losses[-1])
    model.eval().cpu()
    tail = losses[-max(1, config.steps // 10) :]
    return TrainedModel(model, prior, float(np.mean(tail)) if tail else float("nan"))


def _schedule(step: int, steps: int) -> float:
    """Linear warm-up, then cosine to 2 % of the learning rate."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


class _Run:
    """Checkpoint and log of one run on disk."""

    def __init__(
        self,
        config: TrainingConfig,
        directory: Path | None,
        model: MsStan,
        optimiser: torch.optim.Optimizer,
        sampler: ClipSampler,
    ) -> None:
        self._config, self._directory = config, directory
        self._model, self._optimiser, self._sampler = model, optimiser, sampler
        self._rows: list[tuple[object, ...]] = []

    def resume(self) -> int:
        """Restore the last checkpoint; returns the step to go on with (0 without one)."""
        if self._directory is None:
            return 0
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / CHECKPOINT_FILE
        if not path.is_file():
            self._start_log()
            return 0
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many types for damaged files
            raise InputError(path, f"cannot be read ({error})", "delete it to start this run over") from error
        if saved["config"] != self._config.model_dump_json():
            raise InputError(
                path, "belongs to another configuration", "choose another --out, or delete it to start over"
            )
        self._model.load_state_dict(saved["model"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self._sampler.random_state = saved["sampler"]
        torch.set_rng_state(saved["torch_rng"])
        return int(saved["step"])

    def after_step(self, step: int, loss: float, action: float, imperfection: float) -> None:
        """Log the step; write a checkpoint when it is time."""
        if self._directory is None:
            return
        rate = self._optimiser.param_groups[0]["lr"]
        self._rows.append((step + 1, f"{loss:.5f}", f"{action:.5f}", f"{imperfection:.5f}", f"{rate:.3g}"))
        if (step + 1) % self._config.checkpoint_every == 0 or step + 1 == self._config.steps:
            self._save(step + 1)

    def _save(self, step: int) -> None:
        assert self._directory is not None
        path = self._directory / CHECKPOINT_FILE
        temporary = path.with_suffix(".part")
        content = {
            "config": self._config.model_dump_json(),
            "step": step,
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "sampler": self._sampler.random_state,
            "torch_rng": torch.get_rng_state(),
        }
        torch.save(content, temporary)
        os.replace(temporary, path)
        with (self._directory / LOG_FILE).open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(self._rows)
        self._rows.clear()

    def _start_log(self) -> None:
        assert self._directory is not None
        with (self._directory / LOG_FILE).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerow(LOG_COLUMNS)
