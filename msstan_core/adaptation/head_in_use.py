"""The head that answers: the revision it is, what has been found of it, and what speaks against it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Correction, Head
from msstan_core.adaptation.guard import LabelledTicks
from msstan_core.adaptation.promotion import FreshSpans, Promotion
from msstan_core.adaptation.revisions import Revision, RevisionCounter, RevisionStore


class HeadInUse:
    """The head in use; to begin with the shipped one.

    The answering thread calls :meth:`corrected` and :meth:`drop`, which never wait; all else is called by one thread at
    a time.

    Args:
        promotion: the judge. store: where every change is recorded. counter: of the monitor's revisions.
        weights_sha256: of the network.
    """

    def __init__(
        self, promotion: Promotion, store: RevisionStore, counter: RevisionCounter, weights_sha256: str
    ) -> None:
        self._promotion, self._store, self._counter, self._sha256 = promotion, store, counter, weights_sha256
        self._fresh = FreshSpans()
        self._alarm = ""
        self.correction = Correction(counter.advance(store.highest_on_disk()))
        #: With its guard accuracy and drift. Its number is the correction's until the answering thread drops that.
        self.revision = self._judged(self.correction.revision, promotion.shipped, "shipped", "shipped weights", "", 0)

    # -- answering thread ---------------------------------------------------------------------------------------

    def corrected(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """The network's logits [K] with this head's correction, and the revision that made them.

        A correction that is not finite is dropped at this very tick, and is a :attr:`fault` from then on.
        """
        correction = self.correction
        out = correction.apply(logits, embedding)
        if out is not logits and np.isfinite(logits).all() and not np.isfinite(out).all():
            self._alarm = "an answer was not finite"
            return logits, self.drop()
        return out, correction.revision

    def drop(self) -> int:
        """Answer with the shipped head from now on, under the new number returned; :meth:`take` is to record it."""
        self.correction = Correction(self._counter.advance())
        return self.correction.revision

    # -- what speaks against it ---------------------------------------------------------------------------------

    @property
    def adapted(self) -> bool:
        """Whether it is another head than the shipped one, also when its correction was dropped meanwhile."""
        return self.revision.head is not self._promotion.shipped

    def compare(self, ticks: LabelledTicks) -> None:
        """Hold it against the shipped head by a newly labelled span, before that is learnt from."""
        self._fresh.add(self._promotion.against_shipped(self.revision.head, ticks))

    @property
    def fault(self) -> str:
        """Why it must not answer, whatever feedback says; "": it may. The guard set is asked anew."""
        return self._alarm or self._promotion.unsound(self.revision.head)

    @property
    def complaint(self) -> str:
        """Why newly labelled spans are against it; "": they are not."""
        return self._fresh.complaint

    # -- changes ------------------------------------------------------------------------------------------------

    def take(self, head: Head, kind: str, reason: str, job: str, spans: int) -> str:
        """Answer with ``head`` under a new number; returns the change in words.

        What is new is written first and then answered with. On the way back it is the other way round: a full disk must
        neither keep a bad head in use nor cost a good one that it holds already.

        Args:
            head: sound. kind, reason, job, spans: see :class:`Revision`.

        Raises:
            InputError: when the revision cannot be written; on the way back ``head`` answers nevertheless.
        """
        revision = self._judged(self._counter.advance(), head, kind, reason, job, spans)
        if kind == "step":
            self._store.keep(revision)
        self._answer_with(revision)
        self.correction = Correction.between(revision.number, self._promotion.shipped, head)
        if kind != "step":
            self._store.keep(revision)
        return _said(revision)

    def reset(self, reason: str, job: str) -> str:
        """The shipped head answers, under the number of the correction that was dropped for it; recorded if it did not.

        Raises:
            InputError: when the revision cannot be written; the shipped head answers nevertheless.
        """
        if self.correction.weight is not None:  # a step was just being taken into use when the correction was dropped
            self.drop()
        revision = self._judged(self.correction.revision, self._promotion.shipped, "reset", reason, job, 0)
        adapted = self.adapted
        self._answer_with(revision)
        if adapted:
            self._store.keep(revision)
        return _said(revision)

    def _answer_with(self, revision: Revision) -> None:
        self.revision, self._alarm = revision, ""
        self._fresh.clear()

    def _judged(self, number: int, head: Head, kind: str, reason: str, job: str, spans: int) -> Revision:
        accuracy, drift = self._promotion.guard_accuracy(head), self._promotion.drift(head)
        return Revision(number, head, kind, reason, self._sha256, job, accuracy, drift, spans)


def _said(revision: Revision) -> str:
    return f"revision {revision.number} ({revision.kind}): {revision.reason}"
