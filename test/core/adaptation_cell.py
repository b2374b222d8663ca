"""A model in another cell than it was trained in: embeddings drawn around a mean per action, one of them moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.feedback import Feedback
from msstan_core.adaptation.guard import GuardSet, LabelledTicks
from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.adaptation.revisions import RevisionStore
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.vocabulary import ACTIONS, Action

K, WIDTH = len(ACTIONS), len(ACTIONS) + 2
SHARES = np.full(K, 1 / K)
MEANS = 2.0 * np.eye(K, WIDTH)
#: In the new cell this action looks mostly like another, and something appears that training never showed.
MOVED, LIKE = ACTIONS.index(Action.MATERIAL_DEPOSITION), ACTIONS.index(Action.IDLE)
STEP_NS = 40_000_000


def seen(action: int, count: int, rng: np.random.Generator, *, here: bool = True) -> NDArray[np.float32]:
    """[count, WIDTH] embeddings of an action, in this cell or as in training."""
    mean = MEANS[action].copy()
    if here and action == MOVED:
        mean = 0.7 * MEANS[LIKE] + 0.3 * MEANS[MOVED]
        mean[-1] = 2.0
    return (mean + 0.15 * rng.normal(size=(count, WIDTH))).astype(np.float32)


def guard() -> GuardSet:
    """Guard set and head of the network as it was trained."""
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(2):
        embeddings = np.concatenate([seen(a, 20, rng, here=False) for a in range(K)])
        parts.append(LabelledTicks(embeddings, np.repeat(np.arange(K), 20)))
    return GuardSet(Head.shipped(2.0 * MEANS, np.zeros(K)), *parts)


class Cell:
    """Welds in front of an adapter; time passes by ticks."""

    def __init__(self, folder: Path | None = None, store: RevisionStore | None = None, **chosen: object) -> None:
        self.guard, self.rng, self.stamp_ns, self.now_s = guard(), np.random.default_rng(1), 10**9, 0.0
        asked = AdaptationSettings.model_validate({"enabled": True, **chosen})
        self.store = store or RevisionStore(folder)
        self.adapter = Adapter(self.guard, SHARES, "sha", asked, self.store, clock=lambda: self.now_s)
        self.job = "job a"

    def weld(self, action: int, count: int = 20, **about: object) -> tuple[int, int]:
        """Span of the ticks welded, ns."""
        start = self.stamp_ns
        for embedding in seen(action, count, self.rng):
            logits = self.guard.shipped.logits(embedding).astype(np.float32)
            published = np.full(K, 1 / K, np.float32)
            tick = replace(ObservedTick(self.stamp_ns, embedding, published), **about)  # type: ignore[arg-type]
            self.adapter.hear_job(self.job)
            self.adapter.observe(tick, logits)
            self.stamp_ns += STEP_NS
            self.now_s += STEP_NS / 1e9
        return start, self.stamp_ns - STEP_NS

    def label(self, action: int, says: int | None = None, **about: object) -> tuple[int, str]:
        """Weld ``action`` and label it, as ``says`` if given."""
        start, end = self.weld(action, **about)
        return self.adapter.take(Feedback(start, end, "test", ACTIONS[action if says is None else says]))

    def teach(self, spans: int = 4) -> str:
        """Label both actions that are mixed up, and learn; returns all changes."""
        changes = ""
        for _ in range(spans):
            self.label(MOVED)
            self.label(LIKE)
            changes += self.adapter.work()
        return changes

    def accuracy(self, action: int) -> float:
        """Share of right answers on this action as it looks here."""
        embeddings = seen(action, 100, np.random.default_rng(9))
        logits = self.guard.shipped.logits(embeddings).astype(np.float32)
        return float((self.adapter.correction.apply(logits, embeddings).argmax(axis=1) == action).mean())
