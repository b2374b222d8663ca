"""From samples to ticks: stamped buffers per modality, one clock, bounded memory, and every loss counted.

The camera's frames are the clock; without a camera the thermal frames are, and without either a timer that runs on
the stamps of what is there. A tick takes, per modality, the newest sample **at or before** its own stamp, with its age
and validity, so nothing ever looks ahead and a late sensor is said rather than waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from msstan_core.audio_ring import AudioRing
from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    AudioChunk,
    CameraFrame,
    Sample,
    TelemetrySample,
    ThermalFrame,
    Tick,
    WeldContext,
)
from msstan_core.sample_buffers import Frame, FrameBuffer, TelemetryBuffer
from msstan_core.vocabulary import MODALITIES, Modality

#: A frame this much earlier than the rate limit asks for is still taken, so that jitter does not halve the rate.
RATE_TOLERANCE = 0.2


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
    time_jump_s: float = Field(0.5, gt=0, le=60, description="a stamp this far back means that time was reset")
    audio_window_s: float = Field(0.4, gt=0, le=10)
    telemetry_window_s: float = Field(1.0, gt=0, le=60)
    staleness_s: StalenessConfig = StalenessConfig()
    offset_s: OffsetConfig = OffsetConfig()


@dataclass(slots=True)
class ModalityStatistics:
    """Counters of one modality since the aligner was made (a reset keeps them)."""

    received: int = 0
    dropped: int = 0  #: superseded before a tick could use them, or pushed out of a full buffer
    out_of_order: int = 0  #: stamped before the newest by less than a time jump; not used
    gaps: int = 0  #: acoustic: samples missing between two chunks
    newest_stamp_ns: int | None = None


@dataclass(slots=True)
class AlignmentStatistics:
    """Counters of the whole aligner."""

    modality: dict[Modality, ModalityStatistics] = field(
        default_factory=lambda: {m: ModalityStatistics() for m in MODALITIES}
    )
    ticks: int = 0
    rate_limited: int = 0  #: frames that came faster than max_tick_rate_hz: left out on purpose
    skipped_timer_ticks: int = 0  #: timer ticks left out because nobody polled or the stream had a hole
    time_jumps: int = 0


class TickAligner:
    """Joins the streams into ticks. Thread-safe: one thread may push while another polls.

    Args:
        config: clock, rates, windows and staleness limits.
        context: of the weld, until another is pushed.
    """

    def __init__(self, config: AlignmentConfig | None = None, context: WeldContext | None = None) -> None:
        self.config = config or AlignmentConfig()
        self.statistics = AlignmentStatistics()
        self._lock = threading.Lock()
        self._offset_ns = [round(getattr(self.config.offset_s, m.label) * NANOSECONDS_PER_SECOND) for m in MODALITIES]
        self._staleness_s = np.array([getattr(self.config.staleness_s, m.label) for m in MODALITIES])
        self._context = context or WeldContext()
        self._restarted = False
        self._last_tick_ns = -1  #: stamp of the newest tick; -1: none yet
        self._last_seen_frame_ns = -1  #: newest frame of the clock that was taken or left out on purpose
        self._next_index = 0
        self._clear()

    @property
    def context(self) -> WeldContext:
        """What is being welded, as last pushed."""
        return self._context

    # -- samples in ---------------------------------------------------------------------------------------------

    def push(self, sample: Sample) -> None:
        """Take one sample. Copies audio and telemetry values, keeps a reference to images."""
        with self._lock:
            if isinstance(sample, WeldContext):
                self._context = sample
                return
            modality = _MODALITY_OF[type(sample)]
            stamp_ns = sample.stamp_ns + self._offset_ns[modality]
            end_ns = stamp_ns
            if isinstance(sample, AudioChunk):
                end_ns = sample.end_stamp_ns + self._offset_ns[modality]
            if not self._accept(modality, end_ns):
                return
            if isinstance(sample, CameraFrame):
                self._push_frame(self._camera, stamp_ns, sample, modality)
            elif isinstance(sample, ThermalFrame):
                self._push_frame(self._thermal, stamp_ns, sample, modality)
            elif isinstance(sample, AudioChunk):
                if self._audio.append(stamp_ns, sample):
                    self.statistics.modality[modality].gaps += 1
            else:
                self._telemetry.append(stamp_ns, sample)

    def _accept(self, modality: Modality, stamp_ns: int) -> bool:
        """Count the sample; False when it is out of order. A jump back in time clears everything first."""
        statistics = self.statistics.modality[modality]
        statistics.received += 1
        newest = statistics.newest_stamp_ns
        if newest is not None and stamp_ns <= newest:
            if newest - stamp_ns < self.config.time_jump_s * NANOSECONDS_PER_SECOND:
                statistics.out_of_order += 1
                return False
            self.statistics.time_jumps += 1
            self._clear()
            self._restarted = True
        statistics.newest_stamp_ns = stamp_ns
        return True

    def _push_frame(self, frames: FrameBuffer, stamp_ns: int, frame: Frame, modality: Modality) -> None:
        pushed_out = frames.append(stamp_ns, frame)
        if pushed_out is not None and pushed_out > self._last_tick_ns:
            self.statistics.modality[modality].dropped += 1

    # -- ticks out ----------------------------------------------------------------------------------------------

    def poll(self, latest_only: bool = False) -> Tick | None:
        """The next due tick, or None.

        Args:
            latest_only: skip to the newest due tick; what is skipped is counted as dropped. A live monitor that is
                slower than the camera thereby stays current instead of falling behind.
        """
        with self._lock:
            clock = self._clock()
            if clock is None:
                return None
            if clock == "timer":
                return self._poll_timer(latest_only)
            modality = Modality[clock.upper()]
            frames = self._camera if modality is Modality.CAMERA else self._thermal
            return self._poll_frames(frames, modality, latest_only)

    def drain(self) -> Iterator[Tick]:
        """All ticks that are due, oldest first."""
        while (tick := self.poll()) is not None:
            yield tick

    def reset(self) -> None:
        """Forget all samples and the tick count; counters in ``statistics`` and the context stay."""
        with self._lock:
            self._clear()
            self._restarted = True

    # -- clock --------------------------------------------------------------------------------------------------

    def _clock(self) -> str | None:
        stamps = {m: s.newest_stamp_ns for m, s in self.statistics.modality.items() if s.newest_stamp_ns is not None}
        if not stamps:
            return None
        if self.config.clock != "auto":
            return self.config.clock
        newest = max(stamps.values())
        for modality in (Modality.CAMERA, Modality.THERMAL):
            stamp = stamps.get(modality)
            if stamp is not None and newest - stamp <= self.config.clock_timeout_s * NANOSECONDS_PER_SECOND:
                return modality.label
        return "timer"

    def _poll_frames(self, frames: FrameBuffer, modality: Modality, latest_only: bool) -> Tick | None:
        least_gap_ns = (1 - RATE_TOLERANCE) * NANOSECONDS_PER_SECOND / self.config.max_tick_rate_hz
        due: list[int] = []
        for stamp_ns in frames.stamps_ns():
            if stamp_ns <= self._last_tick_ns or stamp_ns <= self._last_seen_frame_ns:
                continue
            if self._last_tick_ns >= 0 and stamp_ns - self._last_tick_ns < least_gap_ns:
                self.statistics.rate_limited += 1
                self._last_seen_frame_ns = stamp_ns
                continue
            due.append(stamp_ns)
            if not latest_only:
                break
        if not due:
            return None
        self.statistics.modality[modality].dropped += len(due) - 1
        self._last_seen_frame_ns = due[-1]
        return self._build(due[-1])

    def _poll_timer(self, latest_only: bool) -> Tick | None:
        period_ns = round(NANOSECONDS_PER_SECOND / self.config.tick_rate_hz)
        newest = max(s.newest_stamp_ns for s in self.statistics.modality.values() if s.newest_stamp_ns is not None)
        if self._last_tick_ns < 0:
            return self._build(newest)
        periods = (newest - self._last_tick_ns) // period_ns
        if periods < 1:
            return None
        # A hole in the stream (or a slow reader) must not be filled with ticks about nothing.
        hole = periods * period_ns > self.config.clock_timeout_s * NANOSECONDS_PER_SECOND
        if latest_only or hole:
            self.statistics.skipped_timer_ticks += int(periods) - 1
            return self._build(self._last_tick_ns + int(periods) * period_ns)
        return self._build(self._last_tick_ns + period_ns)

    # -- one tick -----------------------------------------------------------------------------------------------

    def _build(self, stamp_ns: int) -> Tick:
        camera_ns, camera = self._camera.newest_at(stamp_ns) or (None, None)
        thermal_ns, thermal = self._thermal.newest_at(stamp_ns) or (None, None)
        audio = self._audio.window(stamp_ns, self.config.audio_window_s)
        telemetry = self._telemetry.window(stamp_ns, self.config.telemetry_window_s)
        ages = np.full(len(MODALITIES), np.nan, np.float32)
        for modality, sample_ns in (
            (Modality.CAMERA, camera_ns),
            (Modality.THERMAL, thermal_ns),
            (Modality.ACOUSTIC, audio.end_stamp_ns if audio else None),
            (Modality.TELEMETRY, int(telemetry.stamps_ns[-1]) if telemetry else None),
        ):
            if sample_ns is not None:
                ages[modality] = (stamp_ns - sample_ns) / NANOSECONDS_PER_SECOND
        with np.errstate(invalid="ignore"):
            valid = ages <= self._staleness_s
        source = camera or thermal
        tick = Tick(
            index=self._next_index,
            stamp_ns=stamp_ns,
            camera=camera,  # type: ignore[arg-type]
            thermal=thermal,  # type: ignore[arg-type]
            audio=audio,
            telemetry=telemetry,
            context=self._context,
            age_s=ages,
            valid=valid,
            dropped=np.array([self.statistics.modality[m].dropped for m in MODALITIES], np.int64),
            frame_id=source.frame_id if source else "",
            restarted=self._restarted,
        )
        self._restarted = False
        self._next_index += 1
        self._last_tick_ns = stamp_ns
        self.statistics.ticks += 1
        return tick

    def _clear(self) -> None:
        self._camera, self._thermal = FrameBuffer(), FrameBuffer()
        self._audio = AudioRing(keep_s=self.config.audio_window_s + self.config.clock_timeout_s + 1.0)
        self._telemetry = TelemetryBuffer()
        self._last_tick_ns = -1
        self._last_seen_frame_ns = -1
        self._next_index = 0
        for statistics in self.statistics.modality.values():
            statistics.newest_stamp_ns = None


_MODALITY_OF: dict[type, Modality] = {
    CameraFrame: Modality.CAMERA,
    ThermalFrame: Modality.THERMAL,
    AudioChunk: Modality.ACOUSTIC,
    TelemetrySample: Modality.TELEMETRY,
}
