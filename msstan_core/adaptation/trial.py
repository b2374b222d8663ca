"""Whether learning pays: labelled spans are answered by the last shadow and the shipped head before they are learnt.

No label is lost to judging: a span that has been answered is learnt like any other. Spans labelled before anything was
learnt are taken in halves, each answered by what was learnt from the other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.guard import LabelledTicks, Scale
from msstan_core.adaptation.observed_ticks import TickKey

#: Newest answers that count, and how many there must be.
MOST_SPANS, LEAST_SPANS = 60, 2
#: Labels of which the shipped head answers fewer right speak of another weld, or are wrong: no shadow is used.
LEAST_AGREEMENT = 0.3


@dataclass(frozen=True, slots=True)
class _Answered:
    """What both heads answered, tick by tick."""

    keys: tuple[TickKey, ...]
    labels: NDArray[np.int64]
    right: tuple[NDArray[np.bool_], NDArray[np.bool_]]  #: shadow, shipped
    log_probability: tuple[NDArray[np.float64], NDArray[np.float64]]  #: of the label

    def without(self, keys: set[TickKey]) -> _Answered:
        if keys.isdisjoint(self.keys):
            return self
        rows = [row for row, key in enumerate(self.keys) if key not in keys]
        (our_right, their_right), (ours, theirs) = self.right, self.log_probability
        right, log_probability = (our_right[rows], their_right[rows]), (ours[rows], theirs[rows])
        return _Answered(tuple(self.keys[row] for row in rows), self.labels[rows], right, log_probability)


class Trial:
    """The newest labelled spans as shadow heads answered them unseen.

    Args:
        shipped: what shadow heads are held against. scale: what right answers are worth.
    """

    def __init__(self, shipped: Head, scale: Scale) -> None:
        self._shipped, self._scale = shipped, scale
        self._spans: deque[_Answered] = deque(maxlen=MOST_SPANS)

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def short(self) -> bool:
        """Whether there are too few answers to say anything."""
        return len(self) < LEAST_SPANS

    def clear(self) -> None:
        """Begin anew."""
        self._spans.clear()

    def add(self, shadow: Head, ticks: LabelledTicks) -> None:
        """Labelled ticks that ``shadow`` has not learnt from."""
        ours, theirs = (self._scale.answers(head, ticks) for head in (shadow, self._shipped))
        self._spans.append(_Answered(ticks.keys, ticks.labels, (ours[0], theirs[0]), (ours[1], theirs[1])))

    def withdraw(self, keys: set[TickKey]) -> None:
        """Ticks whose label turned out to be wrong judge nothing."""
        left = [span.without(keys) for span in self._spans]
        self._spans = deque((span for span in left if len(span.labels)), maxlen=MOST_SPANS)

    @property
    def harm(self) -> str:
        """Why the shipped head is the better one; "": nothing says so yet."""
        if self.short:
            return ""
        if self._mean([span.right[1] for span in self._spans]) < LEAST_AGREEMENT:
            return "the labels contradict the shipped head nearly everywhere"
        if self._mean([span.log_probability[0] - span.log_probability[1] for span in self._spans]) <= 0:
            return "labelled spans were answered no better before they were learnt"
        return ""

    @property
    def doubt(self) -> str:
        """Why no shadow may be taken into use now; "": it may."""
        if self.short:
            return "too few labelled spans to judge by yet"
        if self.harm:
            return self.harm
        if self._mean([span.right[0].astype(float) - span.right[1] for span in self._spans]) < 0:
            return "labelled spans were answered right less often before they were learnt"
        return ""

    def _mean(self, values: list[NDArray[np.generic]]) -> float:
        return self._scale.mean(np.concatenate(values), np.concatenate([span.labels for span in self._spans]))
