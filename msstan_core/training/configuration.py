"""The YAML file that describes a training run; unknown keys and impossible values stop with a line that names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from msstan_core.errors import InputError
from msstan_core.model.configuration import SIZES, ModelConfig
from msstan_core.training.extended_file import merged, read_extended
from msstan_core.training.losses.weights import LossWeights, check_losses
from msstan_core.training.modes import AdversarialConfig, EarlyStoppingConfig, SemiSupervisedConfig
from msstan_core.vocabulary import ISO_CODES, MODALITIES, Modality


class WithholdRule(BaseModel):
    """Recordings whose attributes match give only part of their modalities to the network.

    Where labels are computed from telemetry, telemetry must be withheld, or the network learns the labelling rule.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    where: dict[str, str] = Field(description="attribute -> value, all must match")
    modalities: tuple[str, ...] = Field(description="what the network does not get")

    @field_validator("modalities")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [m.label for m in MODALITIES]
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        return names


class AugmentationConfig(BaseModel):
    """Random changes of the training clips."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    modality_dropout: float = Field(0.3, ge=0, lt=1, description="probability that a clip loses one given modality")
    single_modality: float = Field(0.0, ge=0, lt=1, description="probability that a clip keeps one modality only")
    dropout_span: float = Field(0.3, ge=0, le=1, description="share of the dropouts that last only part of the clip")
    sound_gain_db: float = Field(8.0, ge=0, le=40, description="uniform +-dB on the microphone's level")
    sound_floor_db: float = Field(15.0, ge=0, le=60, description="up to this much above the quietest level: shop noise")
    sound_tilt_db: float = Field(4.0, ge=0, le=20, description="uniform +-dB slope over the bands: another microphone")
    sound_masked_bands: int = Field(6, ge=0, le=48, description="widest run of bands hidden (SpecAugment)")
    camera_noise: float = Field(0.1, ge=0, le=2, description="std of noise on backbone features, in their own std")
    thermal_scale: float = Field(0.1, ge=0, lt=1, description="uniform +-share on temperatures: emissivity")
    occlusion: float = Field(0.0, ge=0, le=1, description="probability that a box hides part of an image in a clip")
    occlusion_size: float = Field(0.6, gt=0, le=1, description="largest side of such a box, share of the image's")
    camera_grain: float = Field(0.0, ge=0, le=2, description="std of noise per tick on backbone features, in their std")
    thermal_noise_c: float = Field(0.0, ge=0, le=200, description="std of noise per tick and pixel, degC")
    programme_dropout: float = Field(0.3, ge=0, le=1, description="probability that a clip's programme is not told")
    programme_error: float = Field(
        0.03, ge=0, le=0.5, description="std of the error of programmed values, share of them"
    )
    telemetry_noise: float = Field(0.0, ge=0, le=2, description="std of noise per tick on telemetry, in its own std")


class TrainingConfig(BaseModel):
    """One training run.

    Its file may say ``extends: default.yaml`` beside these fields: it then states what differs from that file. Mappings
    (``augmentation``, ``model``, ...) are merged key by key, everything else is replaced.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = "msstan"
    version: str = "0"
    size: str = Field("nano", description="nano or base")
    model: dict[str, object] = Field(default_factory=dict, description="fields of the model that differ from the size")
    seed: int = Field(0, ge=0)
    steps: int = Field(600, ge=1, description="optimiser steps")
    clips_per_step: int = Field(8, ge=1, le=256)
    clip_ticks: int = Field(192, ge=8, le=4096)
    warm_up_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a clip, from its beginning, that the losses leave out: memory fills first",
    )
    image_free_steps: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the steps that hide camera and thermal camera where there is something else: they cost "
        "little, and teach microphone and telemetry; the other steps take recordings that have images, if any has",
    )
    measured_ticks: int = Field(
        0,
        ge=0,
        le=65_536,
        description="single ticks a step, drawn at random, that teach the second opinion on imperfections; of no "
        "effect in a model without measured_imperfections, and with trained_part: head",
    )
    learning_rate: float = Field(2e-3, gt=0, le=1)
    weight_decay: float = Field(0.01, ge=0, le=1, description="equation 22, decoupled (AdamW)")
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    class_balance: float = Field(0.5, ge=0, le=1, description="0: ticks count equally; 1: actions count equally")
    imperfection_weight: float = Field(0.5, ge=0, description="weight of the imperfection loss")
    losses: LossWeights = LossWeights()
    group_balance: float = Field(0.5, ge=0, le=1, description="0: ticks count equally; 1: groups count equally")
    real_weight: float = Field(
        1.0, gt=0, le=1000, description="times as often real recordings are drawn than simulated ones"
    )
    validation_share: float = Field(0.15, ge=0, lt=1, description="share of the groups held out for calibration")
    false_alarms_per_hour: float = Field(
        1.0, gt=0, le=60, description="of nominal welding: of all alarms together, and of novelty as a suspicion"
    )
    withhold: tuple[WithholdRule, ...] = ()
    trained_imperfections: Literal["labelled"] | tuple[int, ...] = Field(
        (), description="ISO codes the data labels completely; labelled: those that seven of its recordings show"
    )
    augmentation: AugmentationConfig = AugmentationConfig()
    trained_part: Literal["all", "head", "measured"] = Field(
        "all",
        description="head: the output layers only, for few new welds; measured: the second opinion on imperfections",
    )
    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    semi_supervised: SemiSupervisedConfig = SemiSupervisedConfig()
    mixed_precision: bool = Field(True, description="where there is a CUDA device; a CPU computes in single precision")
    tensorboard: bool = Field(False, description="scalars for TensorBoard too; needs tensorboard installed")
    checkpoint_every: int = Field(50, ge=1, description="steps between checkpoints")
    data_description: list[str] = Field(default_factory=list, description="for the model card, beside what is counted")
    limits: list[str] = Field(default_factory=list, description="for the model card, beside what follows from the data")

    @field_validator("size")
    @classmethod
    def _size(cls, size: str) -> str:
        if size not in SIZES:
            raise ValueError(f"{size!r} is not one of {', '.join(SIZES)}")
        return size

    @field_validator("trained_imperfections")
    @classmethod
    def _codes(cls, codes: Literal["labelled"] | tuple[int, ...]) -> Literal["labelled"] | tuple[int, ...]:
        for code in () if codes == "labelled" else codes:
            if code not in ISO_CODES:
                raise ValueError(f"{code} is not one of {', '.join(map(str, ISO_CODES))}")
        return codes

    def model_config_of_size(self) -> ModelConfig:
        """The network's configuration: the size with this run's changes, group by group."""
        return ModelConfig.model_validate(merged(SIZES[self.size]().model_dump(), self.model))

    @property
    def warm_up_ticks(self) -> int:
        """Ticks at the beginning of a clip that the losses leave out."""
        return round(self.warm_up_share * self.clip_ticks)

    @property
    def programme_columns(self) -> slice:
        """Where the telemetry says how far it is from the job's programme."""
        return self.model_config_of_size().inputs.programme_columns

    def withheld(self, attributes: dict[str, str]) -> frozenset[Modality]:
        """Modalities of a recording that the network must not get."""
        names = {
            name
            for rule in self.withhold
            if all(attributes.get(k) == v for k, v in rule.where.items())
            for name in rule.modalities
        }
        return frozenset(Modality[name.upper()] for name in names)


def with_fixed_budget(config: TrainingConfig) -> TrainingConfig:
    """The same without early stopping: whoever is compared trains as long as the others."""
    return config.model_copy(update={"early_stopping": EarlyStoppingConfig(enabled=False)})


def with_changes(config: TrainingConfig, changes: Mapping[str, Any]) -> TrainingConfig:
    """The configuration with fields that command-line options of the same names override.

    Raises:
        InputError: naming the option and what is wrong with it.
    """
    try:
        return TrainingConfig.model_validate({**config.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{'.'.join(str(part) for part in first['loc']).replace('_', '-')}"
        raise InputError(option, f"{first['msg']} (got {first['input']!r})", "give another value") from None


def load_training_config(path: Path) -> TrainingConfig:
    """Read and check a training YAML, which may build on another (``extends``: see
    :mod:`~msstan_core.training.extended_file`).

    Raises:
        InputError: naming the file, the field and what is wrong with it.
    """
    file = read_extended(path, example="config/training/default.yaml")
    section: tuple[str, ...] = ()
    try:
        config = TrainingConfig.model_validate(file.content)
        section = ("model",)
        check_losses(path, config.losses, config.model_config_of_size())
    except ValidationError as error:
        first = error.errors()[0]
        where = (*section, *first["loc"])
        problem = f"{'.'.join(map(str, where))}: {first['msg']} (got {first['input']!r})"
        raise InputError(file.file_of(where), problem, "correct this field") from None
    return config
