"""One shadow head from the labelled memory: equation 48 corrected, anchored to the shipped head, bounded in its drift.

It always starts from the shipped head and sees the whole memory, so that a head is a function of what is remembered:
errors do not add up over revisions, and the same memory gives the same head.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from msstan_core.adaptation.adapted_head import DriftBound, Head
from msstan_core.adaptation.consistency import consistency
from msstan_core.adaptation.guard import LabelledTicks
from msstan_core.adaptation.labelled_memory import Lessons
from msstan_core.adaptation.settings import AdaptationSettings

Array = NDArray[np.float64]

#: Of the minimiser, and evaluations of the loss at most: what is left after them changes no answer.
STEPS, EVALUATIONS = 30, 60


class Objective:
    """The loss of one shadow head.

    Every action weighs what it weighed when the network was trained, however often it is labelled: the answers stay
    calibrated for what follows. Within an action, n labelled spans count n against ``settings.reference`` for the
    shipped examples of it, all of them where nothing is labelled.

    Args:
        shipped: the anchor. lessons: labelled feedback. reference: examples of what the shipped head knows.
        shares: [K] of each action in training; 0 for untrained ones, which are masked.
    """

    def __init__(
        self, shipped: Head, lessons: Lessons, reference: LabelledTicks, shares: Array, settings: AdaptationSettings
    ) -> None:
        self.shipped, self._settings, self._shares = shipped, settings, shares
        self._lessons, self._taught = lessons, len(lessons.ticks)
        self._embeddings = np.concatenate([lessons.ticks.embeddings, reference.embeddings])
        self._labels = np.concatenate([lessons.ticks.labels, reference.labels])
        counts = [np.bincount(ticks.labels, minlength=len(shares)) for ticks in (lessons.ticks, reference)]
        trust = np.where(counts[1] > 0, lessons.spans / (lessons.spans + settings.reference + 1e-9), 1.0)
        there = shares * (counts[0] + counts[1] > 0)
        per_tick = [
            there / max(there.sum(), 1e-12) * part / np.maximum(count, 1)
            for part, count in zip((trust, 1.0 - trust), counts, strict=True)
        ]
        self._weights = np.concatenate([per_tick[0][lessons.ticks.labels], per_tick[1][reference.labels]])

    def __call__(self, head: Head) -> tuple[float, Head]:
        """(loss, gradient part by part)."""
        probability = self._probabilities(head, self._embeddings)
        loss, on_logits = _cross_entropy(probability, self._labels, self._weights)
        before = self._probabilities(head, self._lessons.previous)
        weight = self._settings.consistency
        inconsistent, on_before, on_now = consistency(before, probability[: self._taught], self._lessons.gate)
        on_logits[: self._taught] += weight * on_now
        gradient = _back(head, self._embeddings, on_logits)
        gradient = gradient.moved(_back(head, self._lessons.previous, weight * on_before))
        away = head.less(self.shipped)
        loss += weight * inconsistent
        loss += 0.5 * self._settings.anchor * sum(float((part**2).sum()) for part in away.parts())
        return loss, gradient.moved(away, self._settings.anchor)

    def _probabilities(self, head: Head, embeddings: NDArray[np.float32]) -> Array:
        logits = np.where(self._shares > 0, head.logits(embeddings), -np.inf)
        exponent = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(logits) else logits
        return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def learn(objective: Objective, bound: DriftBound, breathe: Callable[[], None] = lambda: None) -> Head:
    """Minimise ``objective`` from the shipped head (L-BFGS), and bring the result inside ``bound``.

    Args:
        breathe: called before each evaluation of the loss: the answering thread must never wait for more than one.
    """
    shipped = objective.shipped
    ends = np.cumsum([part.size for part in shipped.parts()])[:-1]

    def head_of(numbers: Array) -> Head:
        parts = zip(np.split(numbers, ends), shipped.parts(), strict=True)
        return Head(*(part.reshape(like.shape) for part, like in parts))

    def loss(numbers: Array) -> tuple[float, Array]:
        breathe()
        value, gradient = objective(head_of(numbers))
        return value, _numbers(gradient)

    limits = {"maxiter": STEPS, "maxfun": EVALUATIONS}
    return bound.within(head_of(minimize(loss, _numbers(shipped), jac=True, method="L-BFGS-B", options=limits).x))


def _numbers(head: Head) -> Array:
    return np.concatenate([part.ravel() for part in head.parts()])


def _cross_entropy(probability: Array, labels: NDArray[np.int64], weights: Array) -> tuple[float, Array]:
    """(loss, gradient on the logits [N, K])."""
    rows = np.arange(len(labels))
    loss = -(weights * np.log(probability[rows, labels] + 1e-12)).sum()
    target = np.zeros_like(probability)
    target[rows, labels] = 1.0
    return float(loss), weights[:, None] * (probability - target)


def _back(head: Head, embeddings: NDArray[np.float32], on_logits: Array) -> Head:
    """Gradient on logits [N, K] -> gradient on the head."""
    mapped = embeddings * head.scale + head.shift
    on_mapped = on_logits @ head.weight
    scale = (on_mapped * embeddings).sum(axis=0)
    return Head(on_logits.T @ mapped, on_logits.sum(axis=0), scale, on_mapped.sum(axis=0))
