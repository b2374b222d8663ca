"""Sizes and scales of the network's inputs; stored beside the weights, so that they travel together."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from msstan_core.errors import InputError
from msstan_core.preprocessing.process_drift import DRIFT_COUNT
from msstan_core.preprocessing.process_history import HISTORY_COUNT
from msstan_core.preprocessing.programme_departure import DEPARTURE_COUNT
from msstan_core.preprocessing.telemetry_features import FEATURE_COUNT


class LogMelSpec(BaseModel):
    """Log-mel spectrogram of the last ``frames`` hops; rate-independent (everything in seconds and hertz)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bands: int = Field(48, ge=8, le=256)
    frames: int = Field(16, ge=1, le=512)
    hop_s: float = Field(0.020, gt=0, le=1)
    window_s: float = Field(0.040, gt=0, le=1)
    low_hz: float = Field(80.0, ge=0)
    high_hz: float = Field(7600.0, gt=0, description="bands above half the sample rate read as silence")

    @property
    def length_s(self) -> float:
        """Seconds of sound that one spectrogram covers."""
        return (self.frames - 1) * self.hop_s + self.window_s

    def refuse_short_sound(self, audio_window_s: float, where: object) -> None:
        """Raise InputError at ``where`` when a tick's sound (``alignment.audio_window_s``) is shorter than this."""
        if audio_window_s < self.length_s:
            raise InputError(
                where,
                f"log_mel covers {self.length_s:g} s of sound, alignment.audio_window_s is {audio_window_s:g}",
                f"set that to {self.length_s:g} at least (offline: in the file of --params), or take fewer frames",
            )


class InputSpec(BaseModel):
    """Sizes of all inputs of the step graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    camera_px: int = Field(128, ge=32, le=512, multiple_of=16)
    thermal_px: int = Field(48, ge=16, le=256, multiple_of=8)
    log_mel: LogMelSpec = LogMelSpec()
    telemetry_drift: bool = Field(False, description="telemetry also relative to the weld's own beginning")
    telemetry_history: bool = Field(False, description="telemetry also relative to the last seconds, with timers")
    telemetry_programme: bool = Field(False, description="telemetry also relative to the job's programmed values")

    @property
    def telemetry_count(self) -> int:
        """Numbers that the telemetry branch reads."""
        drift = DRIFT_COUNT if self.telemetry_drift else 0
        history = HISTORY_COUNT if self.telemetry_history else 0
        return FEATURE_COUNT + drift + history + (DEPARTURE_COUNT if self.telemetry_programme else 0)

    @property
    def programme_columns(self) -> slice:
        """Where the telemetry says how far it is from the programme; empty where it does not."""
        count = self.telemetry_count
        return slice(count - (DEPARTURE_COUNT if self.telemetry_programme else 0), count)
