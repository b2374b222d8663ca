"""What is kept of frames and telemetry until a tick wants it: bounded, by stamp. Sound has a ring of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    TELEMETRY_CHANNELS,
    CameraFrame,
    TelemetrySample,
    TelemetryWindow,
    ThermalFrame,
)

#: Frames that may wait for a tick, half a second of a fast camera; more than this and the oldest is pushed out.
MAX_PENDING_FRAMES = 40
#: Telemetry rows kept at most, however long they are wanted: 60 s at 1 kHz.
MAX_TELEMETRY_ROWS = 60_000

Frame = CameraFrame | ThermalFrame


class FrameBuffer:
    """The newest frames of one camera, oldest first."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, Frame]] = deque(maxlen=MAX_PENDING_FRAMES)

    def append(self, stamp_ns: int, frame: Frame) -> int | None:
        """Add a frame stamped after all others; the stamp of the one that had to go for it, if any."""
        pushed_out = self._frames[0][0] if len(self._frames) == self._frames.maxlen else None
        self._frames.append((stamp_ns, frame))
        return pushed_out

    def stamps_ns(self) -> Iterator[int]:
        """Of all frames, oldest first."""
        return (stamp_ns for stamp_ns, _ in self._frames)

    def newest_at(self, stamp_ns: int) -> tuple[int, Frame] | None:
        """Stamp and frame of the newest one at or before ``stamp_ns``."""
        return next((held for held in reversed(self._frames) if held[0] <= stamp_ns), None)

    def forget_before(self, stamp_ns: int) -> None:
        """Let go of older frames: what is asked for next is not older."""
        while self._frames and self._frames[0][0] < stamp_ns:
            self._frames.popleft()


class TelemetryBuffer:
    """The newest rows of telemetry.

    Args:
        keep_s: how long.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_ns = round(keep_s * NANOSECONDS_PER_SECOND)
        self._stamps: deque[int] = deque(maxlen=MAX_TELEMETRY_ROWS)
        self._rows: deque[tuple[float, ...]] = deque(maxlen=MAX_TELEMETRY_ROWS)

    def append(self, stamp_ns: int, sample: TelemetrySample) -> None:
        """Add a sample stamped after all others."""
        self._stamps.append(stamp_ns)
        self._rows.append(sample.as_row())
        while self._stamps[0] < stamp_ns - self._keep_ns:
            self._stamps.popleft()
            self._rows.popleft()

    def window(self, stamp_ns: int, seconds: float) -> TelemetryWindow | None:
        """The rows of the ``seconds`` up to ``stamp_ns``, at least the newest; None: there is none."""
        stamps: NDArray[np.int64] = np.array(self._stamps, np.int64)
        end = int(np.searchsorted(stamps, stamp_ns, side="right"))
        if end == 0:
            return None
        begin = min(int(np.searchsorted(stamps, stamp_ns - seconds * NANOSECONDS_PER_SECOND, side="right")), end - 1)
        rows = [self._rows[i] for i in range(begin, end)]
        return TelemetryWindow(stamps[begin:end], np.array(rows, np.float32).reshape(-1, len(TELEMETRY_CHANNELS)))
