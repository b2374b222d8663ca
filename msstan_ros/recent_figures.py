"""Figures over the last seconds for heartbeat and diagnostics: tick rate, latencies, share of skipped ticks."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

import numpy as np

#: How far the figures look back, s.
WINDOW_S = 3.0
#: Ticks held at most: the window at a kilohertz.
MAX_TICKS = 3000


class RecentFigures:
    """Rolling figures; one thread adds, another reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticks: deque[tuple[float, float, float]] = deque(maxlen=MAX_TICKS)
        self._skips: deque[tuple[float, int, int]] = deque(maxlen=MAX_TICKS)

    def add(self, inference_s: float, pipeline_s: float) -> None:
        """One decision was published."""
        with self._lock:
            self._ticks.append((time.monotonic(), inference_s, pipeline_s))

    def latencies(self) -> tuple[float, float, float, float, float]:
        """Tick rate Hz, inference p50 s, p99 s, pipeline p50 s, p99 s; rate 0 and NaN when nothing was decided."""
        since = time.monotonic() - WINDOW_S
        with self._lock:
            while self._ticks and self._ticks[0][0] < since:
                self._ticks.popleft()
            rows = list(self._ticks)
        if not rows:
            return 0.0, math.nan, math.nan, math.nan, math.nan
        times, inference, pipeline = (np.array(column) for column in zip(*rows, strict=True))
        span = time.monotonic() - float(times[0])
        rate = len(rows) / max(span, 0.1) if len(rows) > 1 else 1 / WINDOW_S
        known = pipeline[np.isfinite(pipeline)]
        p50, p99 = np.percentile(known, (50, 99)) if len(known) else (math.nan, math.nan)
        i50, i99 = np.percentile(inference, (50, 99))
        return rate, float(i50), float(i99), float(p50), float(p99)

    def skipped_share(self, ticks: int, skipped: int) -> float:
        """Part of the ticks of the last seconds that were skipped, from the running totals of both."""
        now = time.monotonic()
        self._skips.append((now, ticks, skipped))
        while self._skips[0][0] < now - WINDOW_S:
            self._skips.popleft()
        _, first_ticks, first_skipped = self._skips[0]
        lost = skipped - first_skipped
        total = ticks - first_ticks + lost
        return lost / total if total > 0 else 0.0
