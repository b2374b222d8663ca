"""From samples to ticks: stamped buffers per modality, one clock, bounded memory, and every loss counted.

The camera's frames are the clock; without a camera the thermal frames are, and without either a timer that runs on
the stamps of what is there. A stream that disagrees with the others about the time is not asked for it. A tick takes,
per modality, the newest sample **at or before** its own stamp, with its age and validity, so nothing ever looks ahead
and a late sensor is said rather than waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator

import numpy as np

from msstan_core.alignment_config import AlignmentConfig
from msstan_core.alignment_statistics import AlignmentStatistics
from msstan_core.audio_ring import AudioRing
from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    AudioChunk,
    CameraFrame,
    Sample,
    ThermalFrame,
    Tick,
    WeldContext,
)
from msstan_core.sample_buffers import Frame, FrameBuffer, TelemetryBuffer
from msstan_core.stream_order import StreamOrder, StreamSample, modality_of
from msstan_core.vocabulary import MODALITIES, Modality

#: A frame this much earlier than the rate limit asks for is still taken, so that jitter does not halve the rate.
RATE_TOLERANCE = 0.2
#: Earlier than any stamp.
_NEVER_NS = -(2**62)


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
        self._time_jump_ns = round(self.config.time_jump_s * NANOSECONDS_PER_SECOND)
        self._staleness_s = np.array([getattr(self.config.staleness_s, m.label) for m in MODALITIES])
        self._context = context or WeldContext()
        self._ticking: Modality | None = None  #: whose frames make the ticks
        self._last_tick_ns = _NEVER_NS  #: stamp of the newest tick
        self._last_seen_frame_ns = _NEVER_NS  #: newest frame of the clock that was taken or left out on purpose
        self._next_index = 0
        self._restarted = False
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
            accepted, begins_anew = self._order.accepted(sample)
            if begins_anew:
                self._begin_stream(modality_of(sample))
            for one in accepted:
                self._keep(one)

    def _keep(self, sample: StreamSample) -> None:
        modality, stamp_ns = modality_of(sample), self._order.begin_ns(sample)
        self._order.seen(sample)
        if isinstance(sample, CameraFrame):
            self._keep_frame(self._camera, stamp_ns, sample, modality)
        elif isinstance(sample, ThermalFrame):
            self._keep_frame(self._thermal, stamp_ns, sample, modality)
        elif isinstance(sample, AudioChunk):
            if self._audio.append(stamp_ns, sample):
                self.statistics.modality[modality].gaps += 1
        else:
            self._telemetry.append(stamp_ns, sample)

    def _keep_frame(self, frames: FrameBuffer, stamp_ns: int, frame: Frame, modality: Modality) -> None:
        pushed_out = frames.append(stamp_ns, frame)
        if pushed_out is not None and pushed_out > self._last_tick_ns:
            self.statistics.modality[modality].dropped += 1
            self.statistics.skipped += modality is self._ticking

    # -- ticks out ----------------------------------------------------------------------------------------------

    def poll(self, latest_only: bool = False) -> Tick | None:
        """The next due tick, or None.

        Args:
            latest_only: skip to the newest due tick; what is skipped is counted as dropped. A live monitor that is
                slower than the camera thereby stays current instead of falling behind.
        """
        with self._lock:
            agreed = self._order.times.agreed()
            if not agreed:
                return None
            self._ticking = self._clock(agreed)
            newest = max(agreed.values()) if self._ticking is None else self._order.times.newest(self._ticking)
            if newest is None:  # the clock that the configuration names has not begun
                return None
            # A camera that comes back with what it had queued is late: time has not gone back, the others know.
            now_ns = max(agreed.values()) if self.config.clock == "auto" else newest
            if self._last_tick_ns - now_ns >= self._time_jump_ns:
                self.statistics.time_jumps += 1
                self._begin_ticks()
            if self._ticking is None:
                return self._poll_timer(newest, latest_only)
            frames = self._camera if self._ticking is Modality.CAMERA else self._thermal
            return self._poll_frames(frames, self._ticking, latest_only)

    def drain(self) -> Iterator[Tick]:
        """All ticks that are due, oldest first."""
        while (tick := self.poll()) is not None:
            yield tick

    def reset(self) -> None:
        """Forget all samples and the tick count; counters in ``statistics`` and the context stay."""
        with self._lock:
            self._clear()
            self._begin_ticks()

    # -- clock --------------------------------------------------------------------------------------------------

    def _clock(self, agreed: Collection[Modality]) -> Modality | None:
        """Whose frames make the ticks; None: the timer does.

        Args:
            agreed: the streams that go on and agree about the time.
        """
        match self.config.clock:
            case "auto":
                return next((m for m in (Modality.CAMERA, Modality.THERMAL) if m in agreed), None)
            case "timer":
                return None
            case name:
                return Modality[name.upper()]

    def _poll_frames(self, frames: FrameBuffer, modality: Modality, latest_only: bool) -> Tick | None:
        least_gap_ns = (1 - RATE_TOLERANCE) * NANOSECONDS_PER_SECOND / self.config.max_tick_rate_hz
        due: list[int] = []
        for stamp_ns in frames.stamps_ns():
            if stamp_ns <= self._last_tick_ns or stamp_ns <= self._last_seen_frame_ns:
                continue
            if stamp_ns - self._last_tick_ns < least_gap_ns:
                self.statistics.rate_limited += 1
                self._last_seen_frame_ns = stamp_ns
                continue
            due.append(stamp_ns)
            if not latest_only:
                break
        if not due:
            return None
        missed = _missed(due, self._last_tick_ns, least_gap_ns)
        self.statistics.modality[modality].dropped += missed
        self.statistics.skipped += missed
        self.statistics.rate_limited += len(due) - 1 - missed
        self._last_seen_frame_ns = due[-1]
        return self._build(due[-1])

    def _poll_timer(self, newest: int, latest_only: bool) -> Tick | None:
        period_ns = round(NANOSECONDS_PER_SECOND / self.config.tick_rate_hz)
        if self._last_tick_ns == _NEVER_NS:
            return self._build(newest)
        periods = (newest - self._last_tick_ns) // period_ns
        if periods < 1:
            return None
        # A hole in the stream (or a slow reader) must not be filled with ticks about nothing.
        hole = (periods - 1) * period_ns > self.config.clock_timeout_s * NANOSECONDS_PER_SECOND
        if latest_only or hole:
            if hole:
                self.statistics.hole_ticks += int(periods) - 1
            else:
                self.statistics.skipped += int(periods) - 1
            return self._build(self._last_tick_ns + int(periods) * period_ns)
        return self._build(self._last_tick_ns + period_ns)

    # -- one tick -----------------------------------------------------------------------------------------------

    def _build(self, stamp_ns: int) -> Tick:
        camera_ns, camera = self._camera.newest_at(stamp_ns) or (None, None)
        thermal_ns, thermal = self._thermal.newest_at(stamp_ns) or (None, None)
        for frames, used_ns in ((self._camera, camera_ns), (self._thermal, thermal_ns)):
            if used_ns is not None:
                frames.forget_before(used_ns)
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
            frame_id=source.frame_id if source else "",
            restarted=self._restarted,
        )
        self._restarted = False
        self._next_index += 1
        self._last_tick_ns = stamp_ns
        self.statistics.ticks += 1
        return tick

    # -- beginnings ---------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._order = StreamOrder(self.config, self.statistics)
        for modality in MODALITIES:
            self._begin_stream(modality)

    def _begin_stream(self, modality: Modality) -> None:
        """Forget what came from one stream."""
        match modality:
            case Modality.CAMERA:
                self._camera = FrameBuffer()
            case Modality.THERMAL:
                self._thermal = FrameBuffer()
            case Modality.ACOUSTIC:
                self._audio = AudioRing(keep_s=self.config.audio_window_s + self.config.clock_timeout_s + 1.0)
            case Modality.TELEMETRY:
                self._telemetry = TelemetryBuffer(self.config.telemetry_window_s + self.config.clock_timeout_s + 1.0)
        self._order.forget(modality)

    def _begin_ticks(self) -> None:
        """Count ticks anew, from whatever stamp comes next; the first one says so."""
        self._last_tick_ns = self._last_seen_frame_ns = _NEVER_NS
        self._next_index = 0
        self._restarted = True


def _missed(due: list[int], last_tick_ns: int, least_gap_ns: float) -> int:
    """How many more ticks than the one at the newest due stamp there would be, had every stamp been looked at."""
    ticks, last_ns = 0, last_tick_ns
    for stamp_ns in due:
        if stamp_ns - last_ns >= least_gap_ns:
            ticks, last_ns = ticks + 1, stamp_ns
    return max(ticks - 1, 0)


def ticks_of(samples: Iterable[Sample], config: AlignmentConfig | None = None) -> Iterator[Tick]:
    """The ticks of a recording or a simulation, as the live monitor would make them of these samples."""
    aligner = TickAligner(config)
    for sample in samples:
        aligner.push(sample)
        yield from aligner.drain()
