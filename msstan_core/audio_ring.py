"""A bounded, stamped buffer of sound that survives gaps, rate changes and jittering stamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk, AudioWindow

#: A chunk may start this far from the end of the one before it and still count as contiguous (driver jitter).
STAMP_JITTER_S = 0.05


class AudioRing:
    """The newest ``keep_s`` seconds of contiguous sound.

    Args:
        keep_s: seconds to hold; older samples are forgotten.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._rate_hz = 0
        self._buffer: NDArray[np.float32] = np.zeros(0, np.float32)
        self._used = 0  #: samples in the buffer, the newest is at _used - 1
        self._end_ns = 0  #: stamp just after the newest sample

    def append(self, stamp_ns: int, chunk: AudioChunk) -> bool:
        """Add a chunk whose first sample is at ``stamp_ns``; True when samples are missing before it.

        After a gap or a change of rate the older sound is forgotten: a window never spans a hole.
        """
        gap = False
        if chunk.sample_rate_hz != self._rate_hz:
            gap = self._rate_hz != 0
            self._rate_hz = chunk.sample_rate_hz
            self._buffer = np.zeros(2 * max(1, round(self._keep_s * self._rate_hz)), np.float32)
            self._used = 0
        elif self._used and abs(stamp_ns - self._end_ns) > STAMP_JITTER_S * NANOSECONDS_PER_SECOND:
            gap = True
            self._used = 0
        self._write(chunk.samples)
        self._end_ns = stamp_ns + round(len(chunk.samples) * NANOSECONDS_PER_SECOND / self._rate_hz)
        return gap

    def _write(self, samples: NDArray[np.float32]) -> None:
        keep = len(self._buffer) // 2
        samples = samples[-keep:]
        if self._used + len(samples) > len(self._buffer):
            # Compact: move the newest half to the front. Amortised one copy per sample.
            tail = self._buffer[max(0, self._used - keep) : self._used].copy()
            self._buffer[: len(tail)] = tail
            self._used = len(tail)
        self._buffer[self._used : self._used + len(samples)] = samples
        self._used += len(samples)

    def window(self, stamp_ns: int, length_s: float) -> AudioWindow | None:
        """A copy of up to ``length_s`` seconds that end at or before ``stamp_ns``; None when there is nothing."""
        if not self._used:
            return None
        ahead = max(0, -(-(self._end_ns - stamp_ns) * self._rate_hz // NANOSECONDS_PER_SECOND))
        end = self._used - ahead
        if end <= 0:
            return None
        begin = max(0, end - round(length_s * self._rate_hz))
        end_stamp_ns = self._end_ns - round(ahead * NANOSECONDS_PER_SECOND / self._rate_hz)
        return AudioWindow(end_stamp_ns, self._rate_hz, self._buffer[begin:end].copy())
