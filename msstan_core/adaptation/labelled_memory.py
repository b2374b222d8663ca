"""Labelled ticks, the same number of each action at most, whatever is labelled how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.guard import LabelledTicks
from msstan_core.adaptation.observed_ticks import MOST_TICKS, ObservedTick, TickKey
from msstan_core.vocabulary import ACTIONS


@dataclass(frozen=True, slots=True)
class _Entry:
    tick: ObservedTick
    span: int


@dataclass(frozen=True, slots=True)
class _Label:
    action: int
    span: int


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is learnt from; consistency pairs are the ticks that continue another."""

    ticks: LabelledTicks
    previous: NDArray[np.float32]  #: [N, d] embedding of the tick before; the tick's own where there is none
    gate: NDArray[np.float64]  #: [N] of the consistency term; 0 where there is none before
    spans: NDArray[np.int64]  #: [K] labelled spans of each action among them


class LabelledMemory:
    """Bounded and balanced over actions. Of a tick that is labelled again the newest label counts, and only that.

    Args:
        per_action: ticks kept of each action. per_span: ticks taken of one span.
        width: of the embeddings.
    """

    def __init__(self, per_action: int, per_span: int, width: int) -> None:
        self._per_action, self._per_span, self._width = per_action, per_span, width
        self.withdrawals = 0  #: how often labels were taken back: some by a correction, or all
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._entries: list[list[_Entry]] = [[] for _ in ACTIONS]
        self._labels: dict[TickKey, _Label] = {}  # of all ticks labelled, also of those that are not kept
        self._newest_span = 0
        self.spans = 0  #: labelled so far, without those that were labelled otherwise since
        self.withdrawals += 1

    def __len__(self) -> int:
        return sum(map(len, self._entries))

    def add(self, ticks: Sequence[ObservedTick], action: int) -> tuple[list[ObservedTick], list[ObservedTick]]:
        """One labelled span: up to ``per_span`` of the ticks that did not have this label yet, evenly over them.

        Returns:
            (ticks that had no label, ticks that had another one, which is forgotten).
        """
        before = [self._labels.get(tick.key) for tick in ticks]
        unlabelled = [tick for tick, label in zip(ticks, before, strict=True) if label is None]
        corrected = [tick for tick, label in zip(ticks, before, strict=True) if label and label.action != action]
        if corrected:
            self._forget({tick.key for tick in corrected})
        if taken := sorted(unlabelled + corrected, key=lambda tick: tick.stamp_ns):
            self._take(taken, action)
        return unlabelled, corrected

    def _forget(self, keys: set[TickKey]) -> None:
        spans = {self._labels.pop(key).span for key in keys}
        self.spans -= len(spans - {label.span for label in self._labels.values()})
        self.withdrawals += 1
        self._entries = [[entry for entry in part if entry.tick.key not in keys] for part in self._entries]

    def _take(self, ticks: Sequence[ObservedTick], action: int) -> None:
        self.spans += 1
        self._newest_span += 1
        self._labels.update(dict.fromkeys([tick.key for tick in ticks], _Label(action, self._newest_span)))
        for key in list(self._labels)[:-MOST_TICKS]:  # bounded as the history is
            del self._labels[key]
        rows = np.unique(np.linspace(0, len(ticks) - 1, min(self._per_span, len(ticks))).round().astype(int))
        entries = self._entries[action]
        entries += [_Entry(ticks[int(row)], self._newest_span) for row in rows]
        while len(entries) > self._per_action:
            # From the span that has most, the older one if equal: variety lasts longest.
            spans = [entry.span for entry in entries]
            crowded = max(set(spans), key=lambda span: (spans.count(span), -span))
            del entries[spans.index(crowded)]

    def lessons(self, half: int | None = None) -> Lessons:
        """What may be learnt from. ``half``: 0 or 1, every other span of each action; None: all."""
        parts = [_every_other(entries, half) for entries in self._entries]
        entries = [entry for part in parts for entry in part]
        labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        previous = [e.tick.embedding if e.tick.previous is None else e.tick.previous for e in entries]
        gate = [0.0 if e.tick.previous is None else e.tick.gate for e in entries]
        spans = np.array([len({entry.span for entry in part}) for part in parts])
        keys = tuple(entry.tick.key for entry in entries)
        ticks = LabelledTicks(self._stacked([entry.tick.embedding for entry in entries]), labels, keys)
        return Lessons(ticks, self._stacked(previous), np.array(gate, float), spans)

    def _stacked(self, embeddings: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.array(embeddings, np.float32).reshape(-1, self._width)


def _every_other(entries: list[_Entry], half: int | None) -> list[_Entry]:
    if half is None:
        return entries
    chosen = sorted({entry.span for entry in entries})[half::2]
    return [entry for entry in entries if entry.span in chosen]
