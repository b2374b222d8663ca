"""A bounded, stamped buffer of sound that survives gaps, rate changes and jittering stamps."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk, AudioWindow

#: A chunk may start this far from the end of the one before it and still count as contiguous (driver jitter).
STAMP_JITTER_S = 0.05
#: Jitter delays some chunks; if all come late by part of a chunk for so long (s, and chunks), one is missing before.
LATE_S, LATE_CHUNKS = 0.3, 8
LATE_PART = 0.5
#: A sound card's clock may differ from the stamps' by this part; what is later than that is not its drift.
CLOCK_DRIFT = 1e-3


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
        self._counted_end_ns = 0.0  #: the same by the number of samples, which jitter of the stamps does not move
        self._late_ns: deque[float] = deque()  #: what recent chunks were later than counted

    def append(self, stamp_ns: int, chunk: AudioChunk) -> bool:
        """Add a chunk whose first sample is at ``stamp_ns``; True when samples are missing before it.

        After a gap or a change of rate the older sound is forgotten, so that no window spans a hole. A gap shorter than
        the jitter of the stamps shows only after :data:`LATE_S`.
        """
        gap = False
        if chunk.sample_rate_hz != self._rate_hz:
            gap = self._rate_hz != 0
            self._rate_hz = chunk.sample_rate_hz
            self._buffer = np.zeros(2 * max(1, round(self._keep_s * self._rate_hz)), np.float32)
            self._used = 0
        elif self._used:
            gap = self._misses_samples(stamp_ns, len(chunk.samples))
        length_ns = len(chunk.samples) * NANOSECONDS_PER_SECOND / self._rate_hz
        if gap or not self._used:
            self._used = 0
            self._late_ns.clear()
            self._counted_end_ns = float(stamp_ns)
        self._write(chunk.samples)
        self._end_ns = stamp_ns + round(length_ns)
        self._counted_end_ns += length_ns
        return gap

    def _misses_samples(self, stamp_ns: int, count: int) -> bool:
        """Whether samples are missing before a chunk of ``count`` at ``stamp_ns``."""
        if abs(stamp_ns - self._end_ns) > STAMP_JITTER_S * NANOSECONDS_PER_SECOND:
            return True
        length_ns = count * NANOSECONDS_PER_SECOND / self._rate_hz
        self._late_ns.append(stamp_ns - self._counted_end_ns)
        wanted = max(LATE_CHUNKS, math.ceil(LATE_S * NANOSECONDS_PER_SECOND / max(length_ns, 1.0)))
        if len(self._late_ns) < wanted:
            return False
        while len(self._late_ns) > wanted:
            self._late_ns.popleft()
        least = min(self._late_ns)
        if least > LATE_PART * length_ns:
            return True
        # Follow the sound card's clock.
        followed = min(max(least, -length_ns), CLOCK_DRIFT * length_ns)
        self._counted_end_ns += followed
        self._late_ns = deque(late - followed for late in self._late_ns)
        return False

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
