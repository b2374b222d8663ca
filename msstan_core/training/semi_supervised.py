"""What recordings without labels teach: the answer to a clip holds for the clip as another cell would see it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.clips import ClipSampler
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.precision import Precision
from msstan_core.training.recording_features import Recording


def is_labelled(recording: Recording) -> bool:
    """Whether any tick has an action."""
    return bool((recording.features.action != UNLABELLED).any())


def consistency_loss(teacher: Tensor, logits: Tensor, counted: Tensor) -> Tensor:
    """Mean over counted ticks of the squared distance between two sets of probabilities.

    Args:
        teacher: [B, T, 9] probabilities, no gradient. logits: [B, T, 9]. counted: [B, T] >= 0.
    """
    distance = (logits.softmax(dim=2) - teacher).square().sum(dim=2)
    return (distance * counted).sum() / counted.sum().clamp(min=1e-6)


def pseudo_label_loss(teacher: Tensor, logits: Tensor, counted: Tensor, confidence: float) -> Tensor:
    """Mean over counted ticks of the cross-entropy to the teacher's action; 0 where it is less sure than that.

    Args: as :func:`consistency_loss`.
    """
    sure, action = teacher.max(dim=2)
    losses = functional.cross_entropy(logits.transpose(1, 2), action, reduction="none")
    return (losses * counted * (sure >= confidence)).sum() / counted.sum().clamp(min=1e-6)


class Unlabelled:
    """The unlabelled recordings of a run, and the loss over clips of them.

    Args:
        config: of the run. recordings: all of its training split; those without labels are taken.

    Raises:
        InputError: when the mode is on and there are none.
    """

    def __init__(self, config: TrainingConfig, recordings: Sequence[Recording]) -> None:
        self._config, self._settings = config, config.semi_supervised
        self._sampler: ClipSampler | None = None
        if self._settings.mode == "off":
            return
        bare = [r for r in recordings if not is_labelled(r)]
        if not bare:
            raise InputError(
                "semi_supervised", "finds no recording without labels", "add some to --data, or set mode: off"
            )
        # A seed of its own: the labelled clips of a run do not depend on whether unlabelled ones are drawn.
        self._sampler = ClipSampler.of_config(config, bare, config.seed + 0x5E31)

    def loss(self, model: MsStan, step: int, device: torch.device, precision: Precision) -> Tensor | None:
        """The weighted loss of one step; None when the mode is off. The teacher is the network itself, undisturbed."""
        if self._sampler is None:
            return None
        settings = self._settings
        plain, changed, weight = self._sampler.draw_views(settings.clips_per_step)
        plain, changed = (view.map(lambda part: part.to(device)) for view in (plain, changed))
        model.eval()
        with torch.no_grad(), precision.forward():
            teacher = model.unroll(plain).action_logits
        model.train()
        with precision.forward():
            logits = model.unroll(changed).action_logits
        teacher, logits = teacher.float().softmax(dim=2), logits.float()
        counted = weight.to(device) * (plain.valid.amax(dim=2) > 0) * (changed.valid.amax(dim=2) > 0)
        loss = (
            consistency_loss(teacher, logits, counted)
            if settings.mode == "consistency"
            else pseudo_label_loss(teacher, logits, counted, settings.confidence)
        )
        ramp = min(1.0, (step + 1) / max(1.0, settings.ramp_up * self._config.steps))
        return settings.weight * ramp * loss

    def state(self) -> dict[str, object]:
        """For the checkpoint."""
        return {} if self._sampler is None else self._sampler.random_state

    def restore(self, state: dict[str, object]) -> None:
        """From the checkpoint."""
        if self._sampler is not None:
            self._sampler.random_state = state
