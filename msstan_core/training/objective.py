"""The loss of one step: of clips, of single ticks with telemetry, or of both."""

from __future__ import annotations

import torch
from torch import Tensor

from msstan_core.model.ms_stan import Features, MsStan
from msstan_core.training.adversarial import perturbed
from msstan_core.training.clips import Batch
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.losses.classification import action_loss, imperfection_loss
from msstan_core.training.losses.total import mechanism_losses
from msstan_core.training.measured_ticks import MeasuredTicks
from msstan_core.training.precision import Precision, in_single_precision


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
        imperfection = imperfection_loss(output.imperfection_logits, batch.imperfection.to(device), seen)
        others = mechanism_losses(config.losses, self._model, output, auxiliary, labels, features.valid, seen)
        loss = config.losses.action * action + config.imperfection_weight * imperfection + sum(others.values())
        return loss, {"action_loss": action, "imperfection_loss": imperfection}
