"""Training without one group of recordings at a time, by one of three regimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np

from msstan_core.calibration.finishing import Fitted, fit
from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording
from msstan_core.training.splits import hold_out_fully_sensed
from msstan_core.training.trainer import TrainedModel, train
from msstan_core.vocabulary import ACTIONS, Action


class Regime(StrEnum):
    """What the folds are trained on; the recordings judged are always the real ones of the left-out group."""

    TOGETHER = "together"  #: all recordings given, real and simulated in one training
    SIMULATED = "simulated"  #: simulated recordings only: nothing real is ever seen
    PRETRAINED = "pretrained"  #: first the simulated recordings, then the real ones of the training side


#: What an action is called where the labels do not tell it apart.
_COARSER = {
    Action.ELECTRODE_MOVEMENT: Action.IDLE,
    Action.MATERIAL_PLACEMENT: Action.IDLE,
    Action.HEAT_INPUT_ADJUSTMENT: Action.MATERIAL_DEPOSITION,
    Action.CRATER_FILL: Action.MATERIAL_DEPOSITION,
}


def reduced_to_actions_of(simulated: Sequence[Recording], real: Sequence[Recording]) -> list[Recording]:
    """The simulated recordings with actions that no real label names called by their coarser name.

    A simulator labels nine actions, a rule on the current five; trained on nine, a model would be wrong on real labels
    for being exact.
    """
    named = {int(label) for recording in real for label in np.unique(recording.features.action)}
    table = np.arange(len(ACTIONS))
    for action, coarser in _COARSER.items():
        if ACTIONS.index(action) not in named:
            table[ACTIONS.index(action)] = ACTIONS.index(coarser)

    def reduced(recording: Recording) -> Recording:
        labels = recording.features.action
        coarse = np.where(labels == UNLABELLED, UNLABELLED, table[np.maximum(labels, 0)])
        return replace(recording, features=replace(recording.features, action=coarse))

    return [reduced(recording) for recording in simulated]


class Folds:
    """Trains the folds of one seed; what does not depend on the left-out group is trained once.

    Args:
        config: of the trainings. regime: what they see.
        simulated: recordings with the actions of real labels, see :func:`reduced_to_actions_of`; not used together.
        simulation_steps: optimiser steps of the training on simulation alone, which all folds share; None: as many as
            the configuration says for every training.

    Raises:
        InputError: where the regime asks for simulated recordings and there are none.
    """

    def __init__(
        self, config: TrainingConfig, regime: Regime, simulated: list[Recording], simulation_steps: int | None = None
    ) -> None:
        if regime is not Regime.TOGETHER and not simulated:
            raise InputError(
                "--data", f"holds no simulated recording for --regime {regime}", "add the output of msstan simulate"
            )
        self.config, self.regime = config, regime
        self.simulation_config = config.model_copy(update={"steps": simulation_steps or config.steps})
        self._simulated = simulated
        self._on_simulation: tuple[TrainedModel, Fitted] | None = None

    def trained(
        self, training: Sequence[Recording], progress: Callable[[int, int, float], None]
    ) -> tuple[TrainedModel, Fitted]:
        """The model for one fold, with calibration and filter fitted on held-out groups of its training side.

        Args:
            training: everything but the left-out group. progress: called with (step, steps, loss).
        """
        if self.regime is Regime.TOGETHER:
            return _train(self.config, training, None, progress)
        if self._on_simulation is None:
            self._on_simulation = _train(self.simulation_config, self._simulated, None, progress)
        if self.regime is Regime.SIMULATED:
            return self._on_simulation
        real = [r for r in training if not r.simulated]
        return _train(self.config, real, self._on_simulation[0].model, progress)


def _train(
    config: TrainingConfig,
    recordings: Sequence[Recording],
    initial: MsStan | None,
    progress: Callable[[int, int, float], None],
) -> tuple[TrainedModel, Fitted]:
    kept, held_out = hold_out_fully_sensed(recordings, config.validation_share, config.seed)
    model = train(config, kept, held_out=held_out, initial=initial, progress=progress)
    return model, fit(model, kept, held_out)
