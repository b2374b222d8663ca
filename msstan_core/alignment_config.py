"""How samples become ticks: clock, rates, windows, offsets and what counts as stale."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StalenessConfig(BaseModel):
    """Age in seconds from which a modality no longer counts as fresh."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    camera: float = Field(0.2, gt=0, le=10)
    thermal: float = Field(0.3, gt=0, le=10)
    acoustic: float = Field(0.3, gt=0, le=10)
    telemetry: float = Field(0.5, gt=0, le=10)


class OffsetConfig(BaseModel):
    """Seconds added to the stamps of a modality whose clock differs (see recordings/offsets.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    camera: float = Field(0.0, ge=-60, le=60)
    thermal: float = Field(0.0, ge=-60, le=60)
    acoustic: float = Field(0.0, ge=-60, le=60)
    telemetry: float = Field(0.0, ge=-60, le=60)


class AlignmentConfig(BaseModel):
    """How samples become ticks."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    clock: Literal["auto", "camera", "thermal", "timer"] = "auto"
    tick_rate_hz: float = Field(25.0, ge=1, le=1000, description="rate of the timer clock")
    max_tick_rate_hz: float = Field(32.0, ge=1, le=1000, description="frames above this rate make no tick")
    clock_timeout_s: float = Field(0.5, gt=0, le=10, description="auto: a clock silent for this long is replaced")
    time_jump_s: float = Field(
        0.5, gt=0, le=60, description="stamps this far back or ahead count once a second one follows"
    )
    audio_window_s: float = Field(0.4, gt=0, le=10)
    telemetry_window_s: float = Field(1.0, gt=0, le=60)
    staleness_s: StalenessConfig = StalenessConfig()
    offset_s: OffsetConfig = OffsetConfig()
