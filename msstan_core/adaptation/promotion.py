"""Whether a shadow head may be used: within its bound, and never worse on the sealed guard set."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from msstan_core.adaptation.adapted_head import DriftBound, Head
from msstan_core.adaptation.guard import LabelledTicks, Scale

#: Shares of the way from the shipped head to the shadow that are tried, the largest first.
SHARES = (1.0, 0.7, 0.5, 0.3, 0.15)
#: Newest labelled spans that :class:`FreshSpans` keeps, and of how many more it must be worse than better.
FRESH_SPANS, MOST_WORSE = 8, 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """A head that may be used, or why none may."""

    head: Head | None
    reason: str


class Promotion:
    """The judge. The guard set is only ever answered; nothing here learns from it.

    Args:
        bound: around the shipped head. sealed: the guard set. scale: what right answers are worth.
        tolerance: accuracy that may be lost on the guard set against the shipped head.
    """

    def __init__(self, bound: DriftBound, sealed: LabelledTicks, scale: Scale, tolerance: float) -> None:
        self._bound, self._sealed, self._scale = bound, sealed, scale
        self.shipped_accuracy = scale.accuracy(bound.shipped, sealed)
        self.floor = self.shipped_accuracy - tolerance

    @property
    def shipped(self) -> Head:
        """The head that all others are held against."""
        return self._bound.shipped

    def guard_accuracy(self, head: Head) -> float:
        """On the sealed set; answers all of it, unless ``head`` is the shipped one."""
        return self.shipped_accuracy if head is self.shipped else self._scale.accuracy(head, self._sealed)

    def drift(self, head: Head) -> float:
        """Distance of ``head`` from the shipped one, see :class:`DriftBound`."""
        return self._bound.drift(head)

    def unsound(self, head: Head) -> str:
        """Why ``head`` must not answer, whatever feedback says; "": it may."""
        if not head.finite:
            return "the head is not finite"
        if self._bound.drift(head) > self._bound.largest:
            return "the head is outside its drift bound"
        # The negation also refuses NaN.
        if not (found := self.guard_accuracy(head)) >= self.floor:
            return f"the guard set is answered worse ({found:.4f} against {self.floor:.4f})"
        return ""

    def judge(self, shadow: Head) -> Verdict:
        """The farthest point on the way to ``shadow`` that may be used."""
        shipped, reason = self._bound.shipped, ""
        way = shadow.less(shipped)
        for share in SHARES:
            head = self._bound.within(shipped.moved(way, share))
            reason = self.unsound(head)
            if not reason:
                break
        return Verdict(None if reason else head, reason)

    def against_shipped(self, active: Head, ticks: LabelledTicks) -> int:
        """1 where ``active`` answers feedback right more often than the shipped head, -1 less often, 0 as often."""
        return int(np.sign(self._scale.accuracy(active, ticks) - self._scale.accuracy(self._bound.shipped, ticks)))


class FreshSpans:
    """Newest labelled spans, by which a head in use is held against the shipped one before they are learnt from."""

    def __init__(self) -> None:
        self._scores: deque[int] = deque(maxlen=FRESH_SPANS)

    def add(self, score: int) -> None:
        """``score``: of a span, see :meth:`Promotion.against_shipped`."""
        self._scores.append(score)

    def clear(self) -> None:
        """Another head is in use."""
        self._scores.clear()

    @property
    def complaint(self) -> str:
        """Why the head in use should go; "": nothing speaks against it."""
        if sum(self._scores) > -MOST_WORSE:
            return ""
        return f"of the last {len(self._scores)} labelled spans most are answered worse than by the shipped weights"
