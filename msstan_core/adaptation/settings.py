"""How much adaptation may do; docs/decisions.md says what is known about the defaults."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AdaptationSettings(BaseModel):
    """Bounds of the adaptation; the fields are also parameters ``adaptation.NAME`` of the monitor node."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    enabled: bool = Field(
        False, description="learn from feedback from the start; false: only after ~/adaptation ENABLE"
    )
    history_s: float = Field(180.0, ge=5, le=1800, description="how far back feedback can label, s")
    per_action: int = Field(96, ge=8, le=1024, description="labelled ticks kept of each action")
    per_span: int = Field(16, ge=1, le=256, description="ticks kept of one labelled span, evenly over it")
    least_spans: int = Field(3, ge=1, le=100, description="labelled spans before the first adapted head")
    largest_drift: float = Field(0.5, ge=0.01, le=1, description="bound on the head's distance from the shipped one")
    anchor: float = Field(0.02, ge=0, le=10, description="weight of the pull towards the shipped head")
    reference: float = Field(
        30.0, ge=0, le=100, description="labelled spans of an action that its shipped examples weigh as much as"
    )
    consistency: float = Field(0.1, ge=0, le=10, description="weight of temporal consistency (48)")
    guard_tolerance: float = Field(
        0.0, ge=0, le=0.05, description="share of the guard set that an adapted head may answer worse than the shipped"
    )
    watch_period_s: float = Field(0.25, ge=0.05, le=0.5, description="time between checks for a rollback, s")
    stale_s: float = Field(1.0, ge=0.1, le=60, description="no tick for this long: nothing is learnt, s")
    output_prior: bool = Field(False, description="without labels: shift the output by the actions' running shares")
    prior_time_constant_s: float = Field(120.0, ge=10, le=3600, description="of these running shares, s")
