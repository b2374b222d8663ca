"""Labelled ticks, the same number of each action at most, whatever is labelled how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.guard import LabelledTicks
from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.vocabulary import ACTIONS

#: Every so many spans of an action, one is set aside: never learnt from, a shadow head is judged by it.
JUDGED_EVERY = 3


@dataclass(frozen=True, slots=True)
class _Entry:
    tick: ObservedTick
    span: int


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is learnt from; consistency pairs are the ticks that continue another."""

    ticks: LabelledTicks
    previous: NDArray[np.float32]  #: [N, d] embedding of the tick before; the tick's own where there is none
    gate: NDArray[np.float64]  #: [N] of the consistency term; 0 where there is none before
    spans: NDArray[np.int64]  #: [K] labelled spans of each action among them


class LabelledMemory:
    """Bounded and balanced over actions; a part is set aside to judge by.

    Args:
        per_action: ticks kept of each action, in each of the two parts. per_span: ticks taken of one span.
        width: of the embeddings.
    """

    def __init__(self, per_action: int, per_span: int, width: int) -> None:
        self._per_action, self._per_span, self._width = per_action, per_span, width
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._learnt: list[list[_Entry]] = [[] for _ in ACTIONS]
        self._judged: list[list[_Entry]] = [[] for _ in ACTIONS]
        self._spans_of = [0] * len(ACTIONS)
        self.spans = 0  #: labelled so far

    def __len__(self) -> int:
        return sum(len(entries) for part in (self._learnt, self._judged) for entries in part)

    def add(self, ticks: Sequence[ObservedTick], action: int) -> None:
        """One labelled span: up to ``per_span`` ticks, evenly over it. The second span of an action is judged by."""
        if not ticks:
            return
        self.spans += 1
        count = self._spans_of[action]
        self._spans_of[action] += 1
        part = self._judged if count % JUDGED_EVERY == 1 else self._learnt
        rows = np.unique(np.linspace(0, len(ticks) - 1, min(self._per_span, len(ticks))).round().astype(int))
        entries = part[action]
        entries += [_Entry(ticks[int(row)], self.spans) for row in rows]
        while len(entries) > self._per_action:
            # From the span that has most, the older one if equal: variety lasts longest.
            spans = [entry.span for entry in entries]
            crowded = max(set(spans), key=lambda span: (spans.count(span), -span))
            del entries[spans.index(crowded)]

    def lessons(self) -> Lessons:
        """What may be learnt from."""
        entries = [entry for part in self._learnt for entry in part]
        ticks = self._ticks(self._learnt)
        previous = [e.tick.embedding if e.tick.previous is None else e.tick.previous for e in entries]
        gate = [0.0 if e.tick.previous is None else e.tick.gate for e in entries]
        stacked = np.stack(previous) if previous else ticks.embeddings
        spans = np.array([len({entry.span for entry in part}) for part in self._learnt])
        return Lessons(ticks, stacked.astype(np.float32), np.array(gate, float), spans)

    def judged(self) -> LabelledTicks:
        """What a shadow head is judged by."""
        return self._ticks(self._judged)

    def _ticks(self, part: list[list[_Entry]]) -> LabelledTicks:
        rows = [(entry.tick.embedding, action) for action, entries in enumerate(part) for entry in entries]
        if not rows:
            return LabelledTicks.none(self._width)
        return LabelledTicks(
            np.stack([embedding for embedding, _ in rows]).astype(np.float32), np.array([a for _, a in rows], np.int64)
        )
