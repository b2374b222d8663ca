"""From what a model knows to a new material with few labelled welds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msstan_core.errors import InputError
from msstan_core.inference.model_card import ModelCard
from msstan_core.inference.model_package import WEIGHTS_FILE, load_package
from msstan_core.inference.network import load_network
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.configuration import TrainingConfig, with_fixed_budget
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import TrainedModel, train

#: Of the learning rate of a training from scratch: what is known shall bend, not break.
RATE_SHARE = 0.25


def initial_weights(model_dir: Path, config: TrainingConfig) -> MsStan:
    """The network of a model folder, to go on training from.

    Raises:
        InputError: when the folder holds no model, or one of another architecture than the configuration's.
    """
    package, wanted = load_package(model_dir), config.model_config_of_size()
    own = package.card.config
    if wanted.measured_imperfections:  # what the model lacks, the training adds
        own = own.model_copy(update={"measured_imperfections": True})
    if not (own.sampling.trained or wanted.sampling.trained):  # a gate that nothing teaches is no other network
        own = own.model_copy(update={"sampling": wanted.sampling})
    if own != wanted:
        differs = [f for f in type(wanted).model_fields if getattr(own, f) != getattr(wanted, f)]
        raise InputError(
            model_dir, f"has another {', '.join(differs)} than the configuration", "train with the model's own fields"
        )
    return load_network(package)


def initial_name(card: ModelCard) -> str:
    """Name, version and weights of a model, as the card of one says it that began with it."""
    return f"{card.name} {card.version} (weights {card.files.get(WEIGHTS_FILE, 'unknown')[:12]})"


def going_on(config: TrainingConfig) -> TrainingConfig:
    """The configuration for weights that know something already: at a share of the learning rate.

    The telemetry's own opinion (``trained_part: measured``) is taught at the whole rate: it may begin from nothing.
    """
    if config.trained_part == "measured":
        return config
    return config.model_copy(update={"learning_rate": RATE_SHARE * config.learning_rate})


def adapt(
    model: MsStan, config: TrainingConfig, recordings: Sequence[Recording], *, part: str, steps: int
) -> TrainedModel:
    """Go on training on few labelled recordings of something new; ``model`` itself is left as it is.

    Args:
        model: to start from. config: it was trained with. recordings: of the new material.
        part: "all" weights or "head" only. steps: how many, at a quarter of the learning rate.
    """
    changed = with_fixed_budget(config).model_copy(update={"trained_part": part, "steps": steps})
    return train(going_on(changed), recordings, initial=model)
