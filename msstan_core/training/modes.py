"""Settings of what training can do beside plain supervised steps; everything is off by default."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EarlyStoppingConfig(_Group):
    """Stop when the held-out groups get no better, and keep the weights that were best on them."""

    enabled: bool = False
    every: int = Field(50, ge=1, description="steps between looks at the held-out groups")
    patience: int = Field(4, ge=1, description="looks without improvement before training stops")
    least_improvement: float = Field(0.0, ge=0, description="a lower loss by less than this is none")


class AdversarialConfig(_Group):
    """Fast gradient sign perturbation of what the sensors say (Goodfellow et al. 2015), on the features."""

    epsilon: float = Field(
        0.0, ge=0, le=1, description="step in the direction of the loss, in std of the values; 0: off"
    )
    share: float = Field(0.5, ge=0, le=1, description="share of the steps; such a step takes twice the time")


class SemiSupervisedConfig(_Group):
    """What recordings without labels teach: the same answer for a clip and for its augmented self."""

    mode: Literal["off", "consistency", "pseudo_labels"] = Field(
        "off",
        description="consistency: squared distance of the probabilities; pseudo_labels: confident answers as labels",
    )
    weight: float = Field(1.0, ge=0, description="of this loss beside the others")
    confidence: float = Field(0.9, gt=0, lt=1, description="least probability of a pseudo-label")
    clips_per_step: int = Field(4, ge=1, le=256)
    ramp_up: float = Field(0.3, ge=0, le=1, description="share of the steps over which the weight grows from 0")
