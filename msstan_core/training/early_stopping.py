"""When to stop: the loss on groups that training does not see, and the weights that were best on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.clips import whole_recording
from msstan_core.training.losses.classification import action_loss, imperfection_loss
from msstan_core.training.modes import EarlyStoppingConfig
from msstan_core.training.recording_features import Recording


def held_out_loss(
    model: MsStan,
    recordings: Sequence[Recording],
    class_weights: Tensor,
    action_weight: float,
    imperfection_weight: float,
) -> float:
    """Weighted action and imperfection loss over whole recordings, not augmented; each recording counts the same."""
    device, training = class_weights.device, model.training
    model.eval()
    total = 0.0
    with torch.inference_mode():
        for recording in recordings:
            features = whole_recording(recording).map(lambda part: part.to(device))
            output = model.unroll(features)
            labels = torch.from_numpy(recording.features.action)[None].to(device)
            seen = features.valid.amax(dim=2)
            actions = action_loss(output.action_logits, labels, seen, class_weights, 0.0)
            truth = torch.from_numpy(recording.features.imperfection)[None].to(device)
            imperfections = imperfection_loss(output.imperfection_logits, truth, seen)
            total += float(action_weight * actions + imperfection_weight * imperfections)
    model.train(training)
    return total / len(recordings)


class EarlyStopping:
    """Looks at the held-out loss now and then; knows the best weights, and whether to go on.

    Args:
        config: when to look and when to stop. model: whose weights are kept. judge: the held-out loss, now.
        held_out: how many recordings there are to judge on.

    Raises:
        InputError: when it is enabled and nothing is held out.
    """

    def __init__(self, config: EarlyStoppingConfig, model: MsStan, judge: Callable[[], float], held_out: int) -> None:
        if config.enabled and held_out == 0:
            raise InputError(
                "early_stopping", "has no held-out recording", "set validation_share and give four groups or more"
            )
        self._config, self._model, self._judge = config, model, judge
        self._best: dict[str, Tensor] | None = None
        self.best_loss, self.best_step, self._looks = math.inf, 0, 0

    @property
    def stopped(self) -> bool:
        """Whether training shall not go on."""
        return self._config.enabled and self._looks >= self._config.patience

    def after_step(self, step: int, *, last: bool) -> float:
        """The held-out loss after ``step`` steps where it is time to look, else NaN."""
        if not self._config.enabled or (step % self._config.every and not last):
            return math.nan
        loss = self._judge()
        if loss < self.best_loss - self._config.least_improvement or self._best is None:
            self.best_loss, self.best_step, self._looks = loss, step, 0
            self._best = {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}
        else:
            self._looks += 1
        return loss

    def restore_best(self) -> None:
        """Give the model its best weights back."""
        if self._best is not None:
            self._model.load_state_dict(self._best)

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"best": self._best, "loss": self.best_loss, "step": self.best_step, "looks": self._looks}

    def restore(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        self._best, self.best_loss = state["best"], float(state["loss"])
        self.best_step, self._looks = int(state["step"]), int(state["looks"])
