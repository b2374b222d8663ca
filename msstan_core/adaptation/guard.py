"""The sealed guard set: held-out ticks with their true actions, stored with the model, never learnt from.

``guard.npz`` also holds the shipped head, so that adapting needs neither torch nor the graph's insides, and reference
ticks of the training recordings: examples of what the shipped head knows, which the memory mixes with the feedback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.observed_ticks import TickKey
from msstan_core.errors import InputError
from msstan_core.vocabulary import ACTIONS

#: Ticks of one action in the guard set, and among the reference ticks.
GUARD_TICKS, REFERENCE_TICKS = 300, 100
#: With fewer actions or ticks than these a guard set guards nothing.
LEAST_ACTIONS, LEAST_TICKS = 2, 50
#: A log probability counts no less than this: one sure error must not outweigh everything.
LEAST_LOG = -5.0
LEAST_SHARE = 1e-3
#: The stored head and the network may differ by this much in a logit: half precision and another runtime.
SAME_LOGIT = 0.05


@dataclass(frozen=True, slots=True)
class LabelledTicks:
    """Embeddings with their true actions."""

    embeddings: NDArray[np.float32]  #: [N, d]
    labels: NDArray[np.int64]  #: [N] index into ACTIONS
    keys: tuple[TickKey, ...] = ()  #: N of ticks that were labelled online; none of others

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def none(cls, width: int) -> LabelledTicks:
        """No tick of embeddings of this width."""
        return cls(np.zeros((0, width), np.float32), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class GuardSet:
    """What ``guard.npz`` holds."""

    shipped: Head
    sealed: LabelledTicks  #: of held-out recordings; only ever answered, never learnt from
    reference: LabelledTicks  #: of training recordings; learnt from beside the feedback

    def mismatch(self, embedding: NDArray[np.floating], logits: NDArray[np.floating]) -> str:
        """Why this is not of the network that answered ``logits`` [K] by this embedding [d]; "": it is."""
        difference = float(np.abs(self.shipped.logits(embedding) - logits).max())
        other = f"guard.npz belongs to other weights (logits differ by {difference:.3g})"
        return other if difference > SAME_LOGIT else ""

    def save(self, path: Path) -> None:
        """Write ``guard.npz``."""
        np.savez_compressed(
            path,
            weight=self.shipped.weight.astype(np.float32),
            bias=self.shipped.bias.astype(np.float32),
            embeddings=self.sealed.embeddings.astype(np.float16),
            labels=self.sealed.labels.astype(np.int8),
            reference_embeddings=self.reference.embeddings.astype(np.float16),
            reference_labels=self.reference.labels.astype(np.int8),
        )

    @classmethod
    def load(cls, path: Path) -> GuardSet:
        """Read ``guard.npz``.

        Raises:
            InputError: when it is damaged or its shapes do not fit each other.
        """
        try:
            # Opened here: NumPy leaves a file that it cannot read open.
            with path.open("rb") as stream, np.load(stream) as data:
                shipped = Head.shipped(data["weight"], data["bias"])
                sealed, reference = (
                    LabelledTicks(data[f"{part}embeddings"].astype(np.float32), data[f"{part}labels"].astype(np.int64))
                    for part in ("", "reference_")
                )
        except Exception as error:  # a damaged archive raises zlib's, zipfile's and NumPy's own types
            raise InputError(path, f"cannot be read ({error})", "train or export the model again") from None
        width = shipped.weight.shape[1]
        for ticks in (sealed, reference):
            fits = ticks.embeddings.shape == (len(ticks), width) and np.isfinite(ticks.embeddings).all()
            known = ((ticks.labels >= 0) & (ticks.labels < len(ACTIONS))).all()
            if shipped.weight.shape[0] != len(ACTIONS) or not fits or not known:
                raise InputError(path, "holds arrays that do not fit each other", "train or export the model again")
        return cls(shipped, sealed, reference)


def balanced(
    embeddings: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.int64]],
    per_action: int,
    rng: np.random.Generator,
) -> LabelledTicks:
    """At most ``per_action`` ticks of each action, from all recordings as evenly as they allow.

    Args:
        embeddings: of each recording, [N, d]. labels: of each recording, [N] index into ACTIONS, negative: none.
    """
    rows: list[tuple[int, int]] = []
    for action in range(len(ACTIONS)):
        queues = [rng.permutation(np.flatnonzero(part == action)) for part in labels]
        turns = [(turn, source) for source, queue in enumerate(queues) for turn in range(len(queue))]
        rows += [(source, int(queues[source][turn])) for turn, source in sorted(turns)[:per_action]]
    if not rows:
        return LabelledTicks.none(embeddings[0].shape[1] if embeddings else 0)
    return LabelledTicks(
        np.stack([embeddings[source][row] for source, row in rows]).astype(np.float32),
        np.array([labels[source][row] for source, row in rows], np.int64),
    )


class Scale:
    """What right answers are worth: every action as much as in training, however many ticks of it there are.

    Args:
        shares: [K] of each action in training; 0 for untrained ones, which are never answered.
    """

    def __init__(self, shares: NDArray[np.floating]) -> None:
        self.shares = np.asarray(shares, float)

    def accuracy(self, head: Head, ticks: LabelledTicks) -> float:
        """Share of right answers in [0, 1]; NaN without any tick."""
        right = self._logits(head, ticks).argmax(axis=1) == ticks.labels if len(ticks) else np.zeros(0, bool)
        return self.mean(right, ticks.labels)

    def answers(self, head: Head, ticks: LabelledTicks) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """(whether each tick is answered right [N], log probability of its true action [N])."""
        logits = self._logits(head, ticks)
        right = logits.argmax(axis=1) == ticks.labels
        logits = logits - logits.max(axis=1, keepdims=True)
        of_label = logits[np.arange(len(ticks)), ticks.labels] - np.log(np.exp(logits).sum(axis=1))
        return right, np.maximum(of_label, LEAST_LOG)

    def _logits(self, head: Head, ticks: LabelledTicks) -> NDArray[np.float64]:
        return np.where(self.shares > 0, head.logits(ticks.embeddings), -np.inf)

    def mean(self, values: NDArray[np.generic], labels: NDArray[np.int64]) -> float:
        """Of [N] values of ticks with these labels; NaN without any tick."""
        counts = np.bincount(labels, minlength=len(self.shares))
        weights = (np.maximum(self.shares, LEAST_SHARE) / np.maximum(counts, 1))[labels]
        return float((weights * values).sum() / weights.sum()) if len(labels) else float("nan")
