"""The last minutes' embeddings by time: what an operator's span of the weld refers to."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND

#: Ticks held at most, whatever their rate: half an hour at 100 Hz.
MOST_TICKS = 180_000
#: A tick that follows its predecessor later than this does not continue it, s.
LONGEST_STEP_S = 0.2

#: See :attr:`ObservedTick.key`.
TickKey = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ObservedTick:
    """One tick that the monitor has answered."""

    stamp_ns: int
    embedding: NDArray[np.float32]  #: [d]
    published: NDArray[np.float32]  #: [K] published action probabilities; NaN where nothing was seen
    input_flaw: str = ""  #: why its input must not be learnt from; "": it may
    anomaly_open: bool = False  #: an anomaly event was open
    previous: NDArray[np.float32] | None = None  #: [d] embedding of the tick before; None after a gap
    gate: float = 0.0  #: of the consistency term (48) with the tick before; 0 at a predicted boundary

    @property
    def key(self) -> TickKey:
        """What tells it from every other tick: its stamp and what was seen then, since clocks are set back."""
        return self.stamp_ns, hash(self.embedding.tobytes())

    @property
    def flaw(self) -> str:
        """Why nothing may be learnt from this tick; "": it may."""
        return self.input_flaw or ("an anomaly was open" if self.anomaly_open else "")


class ObservedTicks:
    """A bounded history. One thread adds; others read.

    Args:
        keep_s: how far back, s of acquisition time.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_ns = round(keep_s * NANOSECONDS_PER_SECOND)
        self._ticks: deque[ObservedTick] = deque(maxlen=MOST_TICKS)
        self._lock = threading.Lock()

    @property
    def newest(self) -> ObservedTick | None:
        """The last tick added."""
        with self._lock:
            return self._ticks[-1] if self._ticks else None

    def add(self, tick: ObservedTick) -> None:
        """Hold a tick, joined to its predecessor; a backward jump of time empties the history."""
        with self._lock:
            if self._ticks and tick.stamp_ns <= self._ticks[-1].stamp_ns:
                self._ticks.clear()
            if self._ticks:
                before = self._ticks[-1]
                if tick.stamp_ns - before.stamp_ns <= LONGEST_STEP_S * NANOSECONDS_PER_SECOND and not before.input_flaw:
                    gate = boundary_gate(before.published, tick.published)
                    tick = replace(tick, previous=before.embedding, gate=gate)
            self._ticks.append(tick)
            while self._ticks[0].stamp_ns < tick.stamp_ns - self._keep_ns:
                self._ticks.popleft()

    def span(self, start_ns: int, end_ns: int) -> list[ObservedTick]:
        """Ticks held with ``start_ns`` <= stamp <= ``end_ns``, oldest first."""
        with self._lock:
            return [tick for tick in self._ticks if start_ns <= tick.stamp_ns <= end_ns]

    def declare_nominal(self, start_ns: int, end_ns: int) -> int:
        """A person says that nothing was wrong in this span: its ticks count as without anomaly. Returns how many."""
        with self._lock:
            cleared = 0
            for index, tick in enumerate(self._ticks):
                if start_ns <= tick.stamp_ns <= end_ns and tick.anomaly_open:
                    self._ticks[index] = replace(tick, anomaly_open=False)
                    cleared += 1
            return cleared

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._ticks.clear()


def boundary_gate(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """How far two successive answers belong to one action: their overlap, 0 where the answer changes or is unknown.

    Args:
        before, now: [K] published action probabilities.
    """
    if not (np.isfinite(before).all() and np.isfinite(now).all()) or before.argmax() != now.argmax():
        return 0.0
    return float(np.clip(np.minimum(before, now).sum(), 0.0, 1.0))
