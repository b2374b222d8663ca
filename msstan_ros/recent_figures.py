"""Figures over the last seconds for heartbeat and diagnostics: tick rate, latencies, skipped ticks, sensors used."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from msstan_core.vocabulary import MODALITIES, Modality

#: How far the figures look back, s.
WINDOW_S = 3.0
#: Ticks held at most: the window at a kilohertz.
MAX_TICKS = 3000
#: A sensor that enters a smaller share of the decisions is of little use, until it enters the larger one again.
LEAST_USED_SHARE, USED_AGAIN_SHARE = 0.5, 0.65
#: Said from so many decisions on, over at least so many seconds.
FEWEST_DECISIONS, LEAST_SPAN_S = 5, 1.0


class RecentFigures:
    """Rolling figures; one thread adds, another reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticks: deque[tuple[float, float, float]] = deque(maxlen=MAX_TICKS)
        self._inputs: deque[tuple[float, NDArray[np.bool_], NDArray[np.float32]]] = deque(maxlen=MAX_TICKS)
        self._skips: deque[tuple[float, int, int]] = deque(maxlen=MAX_TICKS)
        self._unused: frozenset[Modality] = frozenset()  #: as last said

    def add(self, inference_s: float, pipeline_s: float, valid: NDArray[np.bool_], age_s: NDArray[np.float32]) -> None:
        """One decision was published; ``valid``, ``age_s``: [4] of its modalities."""
        now = time.monotonic()
        with self._lock:
            self._ticks.append((now, inference_s, pipeline_s))
            self._inputs.append((now, valid, age_s))

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

    def unused(self) -> dict[Modality, str]:
        """Modalities that enter too few of the decisions, and how their samples lie to the ticks, in words."""
        since = time.monotonic() - WINDOW_S
        with self._lock:
            while self._inputs and self._inputs[0][0] < since:
                self._inputs.popleft()
            rows = list(self._inputs)
        if len(rows) < FEWEST_DECISIONS or rows[-1][0] - rows[0][0] < LEAST_SPAN_S:
            return {}
        share = np.mean([valid for _, valid, _ in rows], axis=0)
        ages = np.array([age_s for _, _, age_s in rows])
        least = {m: USED_AGAIN_SHARE if m in self._unused else LEAST_USED_SHARE for m in MODALITIES}
        self._unused = frozenset(m for m in MODALITIES if share[m] < least[m])
        return {m: _in_words(ages[:, m]) for m in MODALITIES if m in self._unused}

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


def _in_words(age_s: NDArray[np.float32]) -> str:
    known = age_s[np.isfinite(age_s)]
    if len(known) < LEAST_USED_SHARE * len(age_s):
        return "none is at or before the ticks"
    age = float(np.median(known))
    return f"{age:.{0 if age >= 100 else 2}f} s old at the ticks"
