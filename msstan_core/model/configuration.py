"""Sizes and switches of the network; stored beside the weights."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from msstan_core.model.switches import (
    AggregationConfig,
    BackgroundConfig,
    ContextConfig,
    FusionConfig,
    KnowledgeConfig,
    MagnificationConfig,
    MemoryConfig,
    OcclusionConfig,
    ProjectionConfig,
    SamplingConfig,
    SeparableConvolutionConfig,
    SpatialAttentionConfig,
)
from msstan_core.preprocessing.input_spec import InputSpec


class ModelConfig(BaseModel):
    """One published variant is one set of these values; see :func:`nano` and :func:`base`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    size: str = Field("nano", description="name of the variant")
    inputs: InputSpec = InputSpec()
    backbone_blocks: int = Field(
        8, ge=4, le=11, description="EfficientNet-Lite0 blocks kept; 8 and 11 end at stride 16"
    )
    pretrained: bool = Field(True, description="ImageNet weights for the camera backbone")
    width: int = Field(96, ge=16, le=512, multiple_of=8, description="feature dimension d")
    attention_heads: int = Field(4, ge=1, le=16)
    thermal_statistics: bool = Field(False, description="temperatures and their change beside the thermal map")
    measured_values: bool = Field(False, description="telemetry and temperatures reach the heads directly, too")
    measured_imperfections: bool = Field(
        False, description="a second opinion on the imperfections from the telemetry of single ticks"
    )
    windows: tuple[int, ...] = Field((4, 16, 64), min_length=1, description="temporal windows tau in ticks, ascending")
    temporal_kernel: int = Field(5, ge=2, le=15, description="taps of the separable temporal convolution")
    dropout: float = Field(0.2, ge=0, lt=1, description="of the combined feature (23)")
    spatial_attention: SpatialAttentionConfig = SpatialAttentionConfig()
    aggregation: AggregationConfig = AggregationConfig()
    separable_convolution: SeparableConvolutionConfig = SeparableConvolutionConfig()
    measured_scales: tuple[float, ...] = Field(
        (8.0,), max_length=8, description="magnifications at which measured values are read beside their own scale"
    )
    memory: MemoryConfig = MemoryConfig()
    occlusion: OcclusionConfig = OcclusionConfig()
    background: BackgroundConfig = BackgroundConfig()
    magnification: MagnificationConfig = MagnificationConfig()
    projection: ProjectionConfig = ProjectionConfig()
    sampling: SamplingConfig = SamplingConfig()
    knowledge: KnowledgeConfig = KnowledgeConfig()
    fusion: FusionConfig = FusionConfig()
    context: ContextConfig = ContextConfig()

    @model_validator(mode="after")
    def _windows_ascend(self) -> Self:
        if any(tau < 1 for tau in self.windows) or list(self.windows) != sorted(set(self.windows)):
            raise ValueError(f"windows {self.windows} are not ascending numbers of ticks")
        return self

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.attention_heads:
            raise ValueError(f"attention_heads {self.attention_heads} do not divide width {self.width}")
        return self

    @property
    def uses_thumbnail(self) -> bool:
        """Whether a mechanism reads the small grey camera image (model/thumbnail.py) beside the backbone's features."""
        return self.sampling.trained or (self.knowledge.enabled and self.knowledge.hottest_spot)

    @property
    def ring_ticks(self) -> int:
        """Ticks of history that the streaming state holds."""
        return max(self.windows)


def nano() -> ModelConfig:
    """For two CPU cores."""
    return ModelConfig(
        thermal_statistics=True,
        measured_values=True,
        measured_imperfections=True,
        measured_scales=(4.0, 16.0, 64.0),
        memory=MemoryConfig(enabled=True, reads_measured=True),
        inputs=InputSpec(telemetry_drift=True, telemetry_history=True, telemetry_programme=True),
    )


def base() -> ModelConfig:
    """For a GPU."""
    return ModelConfig(
        size="base",
        thermal_statistics=True,
        measured_values=True,
        measured_imperfections=True,
        measured_scales=(4.0, 16.0, 64.0),
        memory=MemoryConfig(enabled=True, width=192, reads_measured=True),
        inputs=InputSpec(
            camera_px=160, thermal_px=96, telemetry_drift=True, telemetry_history=True, telemetry_programme=True
        ),
        backbone_blocks=11,
        width=192,
        attention_heads=6,
    )


SIZES = {"nano": nano, "base": base}
