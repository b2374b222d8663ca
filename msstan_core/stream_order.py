"""Samples of each stream in the order of their stamps: one stamp that is wrong is told from time that was set."""

from __future__ import annotations

from msstan_core.alignment_config import AlignmentConfig
from msstan_core.alignment_statistics import AlignmentStatistics
from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    AudioChunk,
    CameraFrame,
    TelemetrySample,
    ThermalFrame,
)
from msstan_core.stream_times import StreamTimes
from msstan_core.vocabulary import MODALITIES, Modality

#: What has a stream of its own.
StreamSample = CameraFrame | ThermalFrame | AudioChunk | TelemetrySample

_MODALITY_OF: dict[type, Modality] = {
    CameraFrame: Modality.CAMERA,
    ThermalFrame: Modality.THERMAL,
    AudioChunk: Modality.ACOUSTIC,
    TelemetrySample: Modality.TELEMETRY,
}


def modality_of(sample: StreamSample) -> Modality:
    """Which stream a sample is of."""
    return _MODALITY_OF[type(sample)]


class StreamOrder:
    """What of each stream may be used, and how far each has come on the common clock.

    Args:
        config: offsets of the sensors' clocks, what counts as a jump, and when a stream is silent.
        statistics: where samples that are received and refused are counted.
    """

    def __init__(self, config: AlignmentConfig, statistics: AlignmentStatistics) -> None:
        self.times = StreamTimes(round(config.clock_timeout_s * NANOSECONDS_PER_SECOND))
        self._statistics = statistics
        self._offset_ns: list[int] = [
            round(getattr(config.offset_s, m.label) * NANOSECONDS_PER_SECOND) for m in MODALITIES
        ]
        self._time_jump_ns = round(config.time_jump_s * NANOSECONDS_PER_SECOND)
        self._held_back: dict[Modality, StreamSample] = {}

    def begin_ns(self, sample: StreamSample) -> int:
        """Stamp on the common clock; of sound, of its beginning."""
        return sample.stamp_ns + self._offset_ns[modality_of(sample)]

    def accepted(self, sample: StreamSample) -> tuple[list[StreamSample], bool]:
        """Count the sample; (what of its stream may be used now, oldest first; whether the stream begins anew with it).

        One stamped a time jump before its stream's newest, or after it, is held back until the next one. If that
        follows it, the stream's time was set back, and the stream begins anew with both, or the stream had a hole;
        else the stamp was wrong.
        """
        modality = modality_of(sample)
        statistics, newest = self._statistics.modality[modality], self.times.newest(modality)
        statistics.received += 1
        held, end_ns = self._held_back.pop(modality, None), self._end_ns(sample)
        if newest is None or self.times.goes_on(modality, self.begin_ns(sample), end_ns, self._time_jump_ns):
            statistics.out_of_order += held is not None
            return [sample], False
        if 0 <= newest - end_ns < self._time_jump_ns:
            statistics.out_of_order += 1 + (held is not None)
            return [], False
        before_ns = end_ns if held is None else self._end_ns(held)
        if held is not None and before_ns < end_ns and (before_ns < newest) == (end_ns < newest):
            return [held, sample], end_ns < newest
        statistics.out_of_order += held is not None
        self._held_back[modality] = sample
        return [], False

    def seen(self, sample: StreamSample) -> None:
        """A sample that was accepted is used: its stream has come as far as its end."""
        modality = modality_of(sample)
        self.times.seen(modality, self._end_ns(sample))
        self._statistics.modality[modality].newest_stamp_ns = self.times.newest(modality)

    def forget(self, modality: Modality) -> None:
        """The stream begins anew: its next sample tells the time."""
        self.times.forget(modality)
        self._statistics.modality[modality].newest_stamp_ns = None

    def _end_ns(self, sample: StreamSample) -> int:
        end_ns: int = sample.end_stamp_ns if isinstance(sample, AudioChunk) else sample.stamp_ns
        return end_ns + self._offset_ns[modality_of(sample)]
