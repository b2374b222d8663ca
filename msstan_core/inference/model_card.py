"""``card.json``: everything that must be known to run a model's weights and to judge them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, field_validator

from msstan_core.decision.probabilities import ActionScale
from msstan_core.model.configuration import ModelConfig
from msstan_core.preprocessing.process_quantities import QUANTITY_NAMES
from msstan_core.vocabulary import ACTIONS, IMPERFECTIONS, MODALITIES, Action, Modality

CARD_FORMAT = 1
#: Threshold of an imperfection that is never suspected: no probability reaches it.
NEVER = 2.0
#: Slope and offset of a logit.
LogitLine = tuple[Annotated[float, Field(gt=0)], float]


class SmoothingCard(BaseModel):
    """Parameters of the action filter, learnt from the training labels (decision/action_filter.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mean_duration_s: dict[str, float] = Field(description="action -> mean seconds it lasts")
    duration_stages: dict[str, Annotated[int, Field(ge=1, le=64)]] = Field(
        default_factory=dict, description="action -> stages of its duration, 1 where missing; more: less spread"
    )
    emission_power: float = Field(
        0.3, gt=0, le=1, description="tempering of the network's probabilities; 0.3: of cards from before it was fitted"
    )
    filtered: bool = Field(
        True, description="False: on groups not trained on the network's own answer was better; it is taken unfiltered"
    )


class AlarmLimits(BaseModel):
    """From which scores a suspicion is an alarm, and which rate of false alarms they keep to together."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    false_alarms_per_hour: float = Field(
        gt=0, description="alarmed blocks an hour of nominal welds, all kinds together"
    )
    upper95_per_hour: float = Field(gt=0, description="not exceeded with 95 % confidence over draws of nominal welds")
    imperfection_thresholds: dict[int, float] = Field(description="ISO code -> probability; above 1: never")
    novelty_threshold: float | None = Field(None, description="distance; None: novelty raises no alarm")
    statements: list[str] = Field(default_factory=list, description="what stands behind them, in words")


class SeverityTerm(BaseModel):
    """How far a quantity was from the job's programme when it was farthest."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    quantity: str = Field(description="of preprocessing.process_quantities.QUANTITY_NAMES")
    extreme: Literal["lowest", "highest"] = Field(description="of log(measured / programmed) while the event lasts")
    weight: float = 1.0

    @field_validator("quantity")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in QUANTITY_NAMES:
            raise ValueError(f"{value!r} is none of {', '.join(QUANTITY_NAMES)}")
        return value


class SeverityCard(BaseModel):
    """How bad an imperfection is: a sum of departures (decision/severity.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    terms: tuple[SeverityTerm, ...]
    offset: float
    correlation: float = Field(description="rank correlation with labelled severities on groups not fitted on")
    spans: int = Field(ge=1, description="labelled spans that it was fitted on")


#: Fields of a card that change nothing of the scores, only what is made of them, or that are for people.
_NOT_OF_SCORES = (
    "version", "novelty_threshold", "imperfection_thresholds", "severity", "suspicion_statements", "alarm_limits",
    "data", "trained_groups", "held_out_groups", "calibrated_groups", "limits", "metrics",
)  # fmt: skip


def _of_all_actions(offsets: tuple[float, ...]) -> tuple[float, ...]:
    if offsets and (len(offsets) != len(ACTIONS) or not np.isfinite(offsets).all()):
        raise ValueError(f"are not {len(ACTIONS)} finite numbers")
    return offsets


#: Of the 9 actions, or none (bias-corrected temperature scaling, decision/probabilities.py).
ActionOffsets = Annotated[
    tuple[float, ...], AfterValidator(_of_all_actions), Field(description="added to the logits over the temperature")
]


class SubsetCard(BaseModel):
    """What holds while exactly these modalities are valid; measured without the others (calibration/subsets.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    temperature: float = Field(gt=0, description="calibration of the action logits")
    action_offsets: ActionOffsets = ()
    published_temperature: float = Field(1.0, gt=0, description="calibration of the action filter's belief")
    emission_power: float | None = Field(
        None, gt=0, le=1, description="tempering of the network's probabilities in the filter; None: the card's"
    )
    filtered: bool | None = Field(None, description="whether the filter is used; None: as the card says")
    novelty_threshold: float | None = Field(None, description="never below the card's; None: the card's")
    imperfection_lines: dict[int, LogitLine] = Field(default_factory=dict, description="the card's where missing")
    imperfection_thresholds: dict[int, float] = Field(
        default_factory=dict, description="ISO code -> probability, never below the card's; the card's where missing"
    )
    alarm_limits: AlarmLimits | None = Field(None, description="None: no alarm while only these modalities are valid")
    figures: dict[str, float] = Field(
        default_factory=dict,
        description="recordings, ticks, and on groups not fitted on: accuracy, mean confidence, expected calibration "
        "error of the network's and of the published probabilities before and after",
    )

    @property
    def action_scale(self) -> ActionScale:
        """How the action logits are read."""
        return ActionScale(self.temperature, self.action_offsets)


def subset_name(modalities: Iterable[Modality]) -> str:
    """``"camera+acoustic"``: the key of a subset in the card, in the vocabulary's order."""
    chosen = frozenset(modalities)
    return "+".join(m.label for m in MODALITIES if m in chosen)


def suspected_among(codes: Iterable[int], thresholds: Mapping[int, float]) -> tuple[int, ...]:
    """Those ISO codes whose threshold a probability can reach; one without a threshold of its own is suspected."""
    return tuple(code for code in codes if thresholds.get(code, 0.0) < NEVER)


class ModelCard(BaseModel):
    """Everything that must be known to run the weights and to judge them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = CARD_FORMAT
    name: str
    version: str
    config: ModelConfig
    action_labels: tuple[str, ...] = tuple(a.name for a in ACTIONS)
    iso_codes: tuple[int, ...] = tuple(i.iso_code for i in IMPERFECTIONS)
    trained_actions: tuple[str, ...]
    trained_imperfections: tuple[int, ...]
    trained_modalities: tuple[str, ...]
    temperature: float = Field(1.0, gt=0, description="calibration of the action logits")
    action_offsets: ActionOffsets = ()
    action_prior: tuple[float, ...] = Field(description="share of each action in training, as weighted by the loss")
    smoothing: SmoothingCard
    novelty_threshold: float = Field(float("inf"), description="distance from which an embedding is novel")
    imperfection_lines: dict[int, LogitLine] = Field(
        default_factory=dict,
        description="ISO code -> slope and offset of its logit, by which its probability is the share of ticks at "
        "which it is there; (1, 0) where missing",
    )
    imperfection_thresholds: dict[int, float] = Field(
        default_factory=dict,
        description="ISO code -> probability from which it counts, where calibrated; above 1: never",
    )
    alarm_limits: AlarmLimits | None = Field(None, description="with all modalities valid; None: no alarm is raised")
    severity: dict[int, SeverityCard] = Field(
        default_factory=dict, description="ISO code -> how bad it is by the telemetry, where labels say that it tells"
    )
    published_temperature: float = Field(1.0, gt=0, description="calibration of the action filter's belief")
    subsets: dict[str, SubsetCard] = Field(
        default_factory=dict, description="modalities, e.g. camera+acoustic -> calibration while only they are valid"
    )
    suspicion_statements: list[str] = Field(
        default_factory=list,
        description="what stands behind the thresholds of suspicions, in words",
        validation_alias=AliasChoices("suspicion_statements", "alarms"),  # cards before alarms were something else
    )
    data: list[str] = Field(default_factory=list, description="what it was trained on, in words")
    trained_groups: tuple[str, ...] | None = Field(
        None,
        description="groups of recordings that the weights have learnt from, in this training or in one before it; "
        "None: not written down",
    )
    held_out_groups: tuple[str, ...] | None = Field(
        None, description="groups of recordings that only calibration and thresholds have seen; None: not written down"
    )
    calibrated_groups: tuple[str, ...] = Field(
        (), description="groups of recorded welds that set alarm limits or severities after the training"
    )
    limits: list[str] = Field(default_factory=list)
    metrics: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict, description="file name -> sha256")

    @field_validator("severity", mode="before")
    @classmethod
    def _of_now(cls, given: Any) -> Any:
        """Cards of earlier versions took it from the probability, which hardly told it."""
        if not isinstance(given, Mapping):
            return given
        return {code: own for code, own in given.items() if not isinstance(own, list | tuple)}

    def subset(self, name: str) -> SubsetCard:
        """What holds while the modalities of this name are valid; the card's own where they were not calibrated."""
        own = SubsetCard(
            temperature=self.temperature,
            action_offsets=self.action_offsets,
            published_temperature=self.published_temperature,
        )
        return self.subsets.get(name, own)

    def smoothing_with(self, subset: SubsetCard) -> SmoothingCard:
        """The action filter while only the modalities of ``subset`` are valid: its own choice, else the card's."""
        own = {"emission_power": subset.emission_power, "filtered": subset.filtered}
        return self.smoothing.model_copy(update={name: value for name, value in own.items() if value is not None})

    def suspected_with(self, subset: str) -> tuple[int, ...]:
        """ISO codes that are suspected at all while the modalities of this name are valid, see :func:`subset_name`."""
        own = self.subsets[subset].imperfection_thresholds if subset in self.subsets else {}
        thresholds = {**self.imperfection_thresholds, **own}
        return suspected_among(self.trained_imperfections, thresholds)

    def limits_with(self, modalities: Iterable[Modality]) -> AlarmLimits | None:
        """Limits of alarms while exactly these modalities are valid; None: no alarm is raised."""
        name = subset_name(modalities)
        if name == subset_name(self.modalities):
            return self.alarm_limits
        subset = self.subsets.get(name)
        return None if subset is None else subset.alarm_limits

    def scores_sha256(self) -> str:
        """Hash of everything that decides what is said of a tick before any threshold: equal hashes, equal scores."""
        of_subsets = {
            name: {"novelty_threshold", "imperfection_thresholds", "alarm_limits", "figures"} for name in self.subsets
        }
        without = {name: True for name in _NOT_OF_SCORES} | {"subsets": of_subsets}
        return hashlib.sha256(self.model_dump_json(exclude=without).encode()).hexdigest()

    @property
    def action_scale(self) -> ActionScale:
        """How the action logits are read with all modalities, and with those that were not calibrated."""
        return ActionScale(self.temperature, self.action_offsets)

    @property
    def modalities(self) -> frozenset[Modality]:
        """Modalities that training has seen; others are masked."""
        return frozenset(m for m in MODALITIES if m.label in self.trained_modalities)

    @property
    def actions(self) -> frozenset[Action]:
        """Actions that training has seen; the probabilities of others say nothing."""
        return frozenset(Action[name] for name in self.trained_actions)
