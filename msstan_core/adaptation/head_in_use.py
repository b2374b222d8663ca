"""The head that answers: the revision it is, what has been found of it, and what speaks against it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Correction, Head
from msstan_core.adaptation.guard import LabelledTicks
from msstan_core.adaptation.promotion import FreshSpans, Promotion
from msstan_core.adaptation.revisions import Revision, RevisionCounter, RevisionStore


@dataclass(frozen=True, slots=True)
class Proposal:
    """A revision to be taken into use once it is on disk, if nothing else has happened by then."""

    revision: Revision
    changes: int  #: of the head in use before it was proposed


class HeadInUse:
    """The head in use; to begin with the shipped one.

    Any thread may call :meth:`corrected` and :meth:`drop`, which wait for nothing; all else is called by one thread at
    a time. Nothing here waits for the disk.

    Args:
        promotion: the judge. store: where every change is recorded. counter: of the monitor's revisions.
        weights_sha256: of the network.
    """

    def __init__(
        self, promotion: Promotion, store: RevisionStore, counter: RevisionCounter, weights_sha256: str
    ) -> None:
        self._promotion, self._store, self._counter, self.weights_sha256 = promotion, store, counter, weights_sha256
        self._fresh = FreshSpans()
        self._swap = threading.Lock()  # held to exchange what answers, never longer
        self.changes = 0  #: of what answers, drops included
        self.alarm = ""  #: what a tick found wrong with it; "": nothing
        self.correction = Correction(counter.advance(store.highest_on_disk()))
        #: With its guard accuracy and drift. Its number is the correction's until that is dropped.
        self.revision = self._judged(self.correction.revision, promotion.shipped, "shipped", "shipped weights", "", 0)

    # -- answering thread ---------------------------------------------------------------------------------------

    def corrected(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """The network's logits [K] with this head's correction, and the revision that made them.

        A correction that is not finite is dropped at this very tick, and is a :attr:`fault` from then on.
        """
        correction = self.correction
        out = correction.apply(logits, embedding)
        if out is not logits and np.isfinite(logits).all() and not np.isfinite(out).all():
            self.alarm = "an answer was not finite"
            return logits, self.drop()
        return out, correction.revision

    def drop(self) -> int:
        """Answer with the shipped head from now on, under the number returned, which is new if another one answered.

        What was proposed is void. :meth:`take` or :meth:`reset` is to record it.
        """
        with self._swap:
            self.changes += 1
            if self.correction.weight is not None:
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
        return self.alarm or self._promotion.unsound(self.revision.head)

    @property
    def complaint(self) -> str:
        """Why newly labelled spans are against it; "": they are not."""
        return self._fresh.complaint

    # -- changes ------------------------------------------------------------------------------------------------

    def take(self, head: Head, kind: str, reason: str, job: str, spans: int, changes: int | None = None) -> str:
        """Answer with a head that was in use before, at once.

        The disk is owed the record: when full it must neither keep a bad head in use nor cost a good one that it holds
        already. The shipped head takes the number of the correction that was dropped for it.

        Args:
            head: sound. kind, reason, job, spans: see :class:`Revision`. changes: see :meth:`answer_with`.

        Returns:
            The change in words; "" where it was declined.
        """
        shipped = self._promotion.shipped
        head = shipped if head.equals(shipped) else head
        dropped = self.correction.weight is None and self.correction.revision != self.revision.number
        number = self.correction.revision if head is shipped and dropped else self._counter.advance()
        revision = self._judged(number, head, kind, reason, job, spans)
        if not self.answer_with(revision, changes):
            return ""
        self._store.owe(revision)
        return said(revision)

    def reset(self, reason: str, job: str) -> str:
        """The shipped head answers in another job; the disk is owed the record if another one did.

        Returns:
            The change in words.
        """
        adapted = self.adapted
        revision = self._judged(self.drop(), self._promotion.shipped, "reset", reason, job, 0)
        self.answer_with(revision)
        if adapted:
            self._store.owe(revision)
        return said(revision)

    def proposed(self, head: Head, reason: str, job: str, spans: int, changes: int) -> Proposal:
        """A new head: written first and then answered with, see :meth:`RevisionStore.keep`."""
        return Proposal(self._judged(self._counter.advance(), head, "step", reason, job, spans), changes)

    def answer_with(self, revision: Revision, changes: int | None = None) -> bool:
        """Take a revision into use; declined where other changes were made after so many ``changes``."""
        correction = Correction.between(revision.number, self._promotion.shipped, revision.head)
        with self._swap:
            if changes is not None and changes != self.changes:
                return False
            self.changes += 1
            self.correction, self.revision, self.alarm = correction, revision, ""
        self._fresh.clear()
        return True

    def _judged(self, number: int, head: Head, kind: str, reason: str, job: str, spans: int) -> Revision:
        accuracy, drift = self._promotion.guard_accuracy(head), self._promotion.drift(head)
        return Revision(number, head, kind, reason, self.weights_sha256, job, accuracy, drift, spans)


def said(revision: Revision) -> str:
    """In words."""
    return f"revision {revision.number} ({revision.kind}): {revision.reason}"
