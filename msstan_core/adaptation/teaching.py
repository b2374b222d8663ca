"""The labels of one job, and the shadow head learnt from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from msstan_core.adaptation.adapted_head import DriftBound, Head
from msstan_core.adaptation.guard import GuardSet, LabelledTicks, Scale
from msstan_core.adaptation.labelled_memory import LabelledMemory, Lessons
from msstan_core.adaptation.learning import Objective, learn
from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.adaptation.trial import Trial


@dataclass(frozen=True, slots=True)
class Material:
    """What one round of learning learns from, as it was when the round began."""

    lessons: Lessons
    halves: tuple[Lessons, ...]  #: of the very first round, each of which judges what is learnt from the other
    withdrawals: int  #: labels taken back before, see :class:`LabelledMemory`


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one round has learnt."""

    shadow: Head
    answered: tuple[tuple[Head, LabelledTicks], ...]  #: heads with ticks that they have not learnt from


class Teaching:
    """Memory, trial and shadow. :meth:`learn` may run beside the rest, of which only one runs at a time.

    Args:
        guard: shipped head and reference ticks. bound: around the shipped head. scale: what right answers are worth.
        settings: bounds.
    """

    def __init__(self, guard: GuardSet, bound: DriftBound, scale: Scale, settings: AdaptationSettings) -> None:
        self._guard, self._bound, self._scale, self._settings = guard, bound, scale, settings
        self.memory = LabelledMemory(settings.per_action, settings.per_span, guard.shipped.weight.shape[1])
        self.trial, self._shadow = Trial(guard.shipped, scale), guard.shipped
        self.waiting = False  #: there is something new to learn

    def clear(self) -> None:
        """Another job: forget everything."""
        self.memory.clear()
        self.trial.clear()
        self._shadow, self.waiting = self._guard.shipped, False

    def add(self, ticks: Sequence[ObservedTick], action: int) -> LabelledTicks | None:
        """Remember a labelled span, of which the last shadow answers first what had no label yet.

        Args:
            ticks: that may be learnt from. action: index into ACTIONS.

        Returns:
            The ticks that had no label yet; None where all had this one already.
        """
        unlabelled, corrected = self.memory.add(ticks, action)  # a tick that is labelled again proves nothing
        if corrected:
            self.trial.withdraw({tick.key for tick in corrected})
        if not unlabelled:
            self.waiting = self.waiting or bool(corrected)
            return LabelledTicks.none(self._guard.shipped.weight.shape[1]) if corrected else None
        self.waiting = True
        embeddings, keys = np.stack([tick.embedding for tick in unlabelled]), tuple(t.key for t in unlabelled)
        labelled = LabelledTicks(embeddings, np.full(len(unlabelled), action, np.int64), keys)
        if self._shadow is not self._guard.shipped:
            self.trial.add(self._shadow, labelled)
        return labelled

    def material(self) -> Material:
        """What there is to learn from now; from here on only labels to come are new."""
        self.waiting = False
        first = self.memory.spans >= self._settings.least_spans and self._shadow is self._guard.shipped
        halves = tuple(self.memory.lessons(half) for half in (0, 1)) if first else ()
        return Material(self.memory.lessons(), halves, self.memory.withdrawals)

    def learn(self, material: Material, breathe: Callable[[], None]) -> Learnt:
        """Up to three fits. ``breathe``: called between their steps; what it raises ends the round."""
        shadow = self._learnt_from(material.lessons, breathe)
        answered = [
            (self._learnt_from(learnt, breathe), other.ticks)
            for learnt, other in zip(material.halves, reversed(material.halves), strict=True)
            if len(other.ticks)
        ]
        return Learnt(shadow, tuple(answered))

    def accept(self, learnt: Learnt) -> None:
        """The round counts: its shadow answers the next labels."""
        self._shadow = learnt.shadow
        for head, ticks in learnt.answered:
            self.trial.add(head, ticks)

    @property
    def doubt(self) -> str:
        """Why no shadow may be taken into use now; "": it may."""
        enough = self.memory.spans >= self._settings.least_spans
        return self.trial.doubt if enough else "too few labelled spans yet"

    def _learnt_from(self, lessons: Lessons, breathe: Callable[[], None]) -> Head:
        shares = self._scale.shares
        objective = Objective(self._guard.shipped, lessons, self._guard.reference, shares, self._settings)
        return learn(objective, self._bound, breathe)
