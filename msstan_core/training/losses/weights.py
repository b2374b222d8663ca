"""How much each loss term counts; 0 switches it off."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from msstan_core.errors import InputError
from msstan_core.model.configuration import ModelConfig


class LossWeights(BaseModel):
    """Weights (the lambdas of the paper) and constants of the loss terms.

    Sums over ticks, places and pairs are means here: a weight means the same for every clip length and image size.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    action: float = Field(1.0, ge=0, description="cross-entropy of the actions (21)")
    weight_penalty: float = Field(0.0, ge=0, description="half the squared norm of the action head's weights (22)")
    occlusion: float = Field(0.0, ge=0, description="hidden share of the images (27)")
    reconstruction: float = Field(0.0, ge=0, description="error of the background separation (30)")
    contrastive: float = Field(0.0, ge=0, description="ticks of an action together, others apart (36-39)")
    contrastive_form: Literal["supervised", "margin"] = Field("supervised", description="see losses/contrastive.py")
    contrastive_temperature: float = Field(0.1, gt=0, description="of the supervised form")
    contrastive_margin: float = Field(1.0, gt=0, le=4, description="of the margin form, squared distance on the sphere")
    importance: float = Field(0.0, ge=0, description="what a held frame would have got wrong (40)")
    smoothness: float = Field(0.0, ge=0, description="change of the importance score from tick to tick (42)")
    sparsity: float = Field(0.0, ge=0, description="mean size of the separable convolution's weights (44)")
    semantic: float = Field(0.0, ge=0, description="distance between similar actions (47)")


def check_losses(where: object, losses: LossWeights, model: ModelConfig) -> None:
    """A weighted term whose mechanism is off would be silently nothing.

    Args:
        where: file or place that the weights come from, for the message.

    Raises:
        InputError: naming the term and the switch.
    """
    needed = {
        "occlusion": ("occlusion", model.occlusion.enabled),
        "reconstruction": ("background", model.background.enabled),
        "contrastive": ("projection", model.projection.enabled),
        "importance": ("sampling", model.sampling.enabled),
        "smoothness": ("sampling", model.sampling.enabled),
        "sparsity": ("separable_convolution", model.separable_convolution.enabled),
    }
    for term, (switch, enabled) in needed.items():
        if getattr(losses, term) > 0 and not enabled:
            raise InputError(where, f"losses.{term} needs a mechanism that is off", f"set model.{switch}.enabled: true")
    if model.sampling.score != "learned" and (losses.importance > 0 or losses.smoothness > 0):
        raise InputError(
            where, "losses.importance and losses.smoothness have no score to teach", "set both to 0, or score: learned"
        )
