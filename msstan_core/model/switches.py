"""One small group of settings per mechanism of MS-STAN, so that each can be switched, told apart and ablated.

Every default is what the network was before the mechanism existed: model cards written earlier load unchanged.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpatialAttentionConfig(_Group):
    """Where to look (13, 14, 17)."""

    enabled: bool = Field(True, description="off: the plain mean over places")


class AggregationConfig(_Group):
    """How the last tau ticks become one feature (9-12, 15, 16, 18)."""

    kind: Literal["attention", "convolution", "both", "mean"] = Field(
        "attention",
        description="attention over the ticks (15-18), a hierarchy of causal 3D convolutions (11), both, or their mean",
    )
    channels: int = Field(24, ge=4, le=256, description="width of the 3D convolutions")
    grid: int = Field(4, ge=1, le=16, description="places per side that the 3D convolutions see")


class SeparableConvolutionConfig(_Group):
    """Separable causal convolution over time (43, 44)."""

    enabled: bool = True


class MemoryConfig(_Group):
    """A recurrent memory beside the temporal windows, for what lies further back than they reach."""

    enabled: bool = False
    width: int = Field(96, ge=8, le=1024, description="numbers that are remembered")
    reads_measured: bool = Field(False, description="what the measured values say is remembered, too")


class OcclusionConfig(_Group):
    """Learned masks of what hides the scene: smoke, spatter, a hand, a fixture (26-28)."""

    enabled: bool = False
    in_time: bool = Field(True, description="hidden ticks also count less in the temporal attention (28)")


class BackgroundConfig(_Group):
    """What has stayed for long is subtracted (29-31)."""

    enabled: bool = False
    rate: float = Field(
        0.02, gt=0, lt=1, description="share of a new map in the running mean, which remembers 1/rate ticks"
    )


class MagnificationConfig(_Group):
    """What moved since the last tick is amplified (33-35)."""

    enabled: bool = False
    gain: float = Field(0.1, description="first value of the learnable gamma")
    least_noise: float = Field(
        0.02, gt=0, description="least epsilon (34), root mean square of a feature difference; training measures more"
    )


class ProjectionConfig(_Group):
    """Projection head for the contrastive loss (39); used in training only."""

    enabled: bool = False
    width: int = Field(32, ge=2, le=512, description="dimensions of the projected embedding")


class SamplingConfig(_Group):
    """A gate that decides before the camera backbone whether the frame is worth it (40, 41)."""

    enabled: bool = False
    score: Literal["learned", "change"] = Field(
        "learned",
        description="learned: what holding the frame would cost (42 and a target); change: of the image alone",
    )
    threshold: float = Field(0.3, gt=0, lt=1, description="tau of equation 41: frames scored above it are looked at")
    longest_hold: int = Field(8, ge=1, le=64, description="ticks after which a frame is looked at whatever its score")
    width: int = Field(32, ge=4, le=256, description="hidden units of the scoring network")
    held_clips: float = Field(
        0.5, ge=0, le=1, description="share of the training clips whose frames are held as the gate decides"
    )

    @property
    def trained(self) -> bool:
        """Whether training has to do with the gate; one by the change of the image is ready without."""
        return self.enabled and (self.score == "learned" or self.held_clips > 0)


class KnowledgeConfig(_Group):
    """Where a welder would look, added to the attention's logits (45, 46)."""

    enabled: bool = False
    hottest_spot: bool = Field(True, description="brightest place of the camera image, hottest of the thermal image")
    torch_tip: tuple[float, float] | None = Field(
        None, description="projection of the torch tip in the camera image, x and y as shares of its width and height"
    )
    tip_spread: float = Field(0.15, gt=0, le=1, description="standard deviation around the tip, share of the image")
    floor: float = Field(
        0.1, gt=0, le=1, description="share of the prior that is spread evenly, so that it forbids no place"
    )


class FusionConfig(_Group):
    """Which sensor to believe."""

    kind: Literal["attention", "mean"] = Field("attention", description="mean: every valid modality counts the same")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of modality weights dropped in training, never the last")


class ContextConfig(_Group):
    """What is being welded, and with how much heat (section 3.4.3)."""

    enabled: bool = Field(True, description="embeddings of process, material pair and filler")
    heat_input: bool = Field(False, description="arc power and heat input steer the attention")
