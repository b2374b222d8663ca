"""Which head answers: the rules about jobs, going back, freezing, and what the disk must know of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.answering import UNTOLD
from msstan_core.adaptation.head_in_use import HeadInUse, Proposal, said
from msstan_core.adaptation.promotion import Promotion
from msstan_core.adaptation.revisions import RevisionStore
from msstan_core.adaptation.teaching import Teaching
from msstan_core.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class JobStretch:
    """One uninterrupted stretch of a job: who returns to a job begins another stretch."""

    text: str


class Overtaken(Exception):
    """What is being learnt is of no use any more, or the head in use must go first."""


class HeadRules:
    """Puts heads into use and takes them back.

    The lock guards everything but what says otherwise, and is never held over the disk or over learning.

    Args:
        in_use: what answers. promotion: the judge. store: of revisions. teaching: forgets at every change of job.
        enabled: learn, unless the store says that it was frozen.
    """

    def __init__(
        self, in_use: HeadInUse, promotion: Promotion, store: RevisionStore, teaching: Teaching, enabled: bool
    ) -> None:
        self.in_use, self._promotion, self._store, self._teaching = in_use, promotion, store, teaching
        self.lock = threading.RLock()
        self.enabled = enabled and not store.frozen  #: to learn
        self.unwritten: Proposal | None = None  #: a step that could not be written
        self.last_change = self.in_use.revision.reason
        if store.frozen:
            self.last_change = "frozen by an earlier command or fault; ENABLE learns on"
        self._news: list[str] = []  # changes not told yet
        self._seen: JobStretch | None = None  # by the answering thread
        self.settled: JobStretch | None = None  #: that memory, store and head are about

    # -- any thread, without the lock ---------------------------------------------------------------------------

    def is_another(self, job: str) -> bool:
        """Whether ``job`` is not the one that is seen already; an untold one, see :data:`UNTOLD`, is when none is."""
        return self._seen is None or job not in (self._seen.text, UNTOLD)

    def begin(self, job: str) -> None:
        """Another job begins with the next tick; the shipped head answers from here on."""
        ended, self._seen = self._seen is not None, JobStretch(job)
        if ended:
            self.in_use.drop()

    def overtaken(self, changes: int) -> bool:
        """Whether another head answers than after so many ``changes``, or another job is seen than is settled."""
        return self.in_use.changes != changes or self._seen is not self.settled

    def watched(
        self, changes: int, breathe: Callable[[], None], clock: Callable[[], float], period_s: float
    ) -> Callable[[], None]:
        """``breathe`` for learning that began after so many ``changes``; raises Overtaken where it must be given up.

        Args:
            clock: seconds. period_s: between two checks of the head in use against the guard set.
        """
        due_s = clock() + period_s

        def watched() -> None:
            nonlocal due_s
            breathe()
            if self.overtaken(changes) or not self.enabled:
                raise Overtaken
            if clock() >= due_s:
                due_s = clock() + period_s
                with self.lock:
                    if self.in_use.adapted and (self.in_use.fault or self.in_use.complaint):
                        raise Overtaken

        return watched

    def record(self) -> None:
        """Write what is owed to the disk; what that refuses now is tried again by every round of work."""
        with suppress(InputError):
            self._store.write_owed()

    def step(self, proposal: Proposal) -> bool:
        """Write the head that is to answer, then answer with it; not where something came first.

        Raises:
            InputError: when it cannot be written; :attr:`unwritten` keeps it.
        """
        self.unwritten = proposal
        taken = self._store.keep(proposal.revision, lambda: self._take_up(proposal))
        self.unwritten = None
        return taken

    def _take_up(self, proposal: Proposal) -> bool:
        with self.lock:
            taken = self.enabled and self.in_use.answer_with(proposal.revision, proposal.changes)
            if taken:
                self._news.append(said(proposal.revision))
                self.last_change = self._news[-1]
            return taken

    # -- under the lock -----------------------------------------------------------------------------------------

    def news(self) -> str:
        """The changes, but for commands, that were not told yet; "": none."""
        news, self._news = "; ".join(self._news), []
        return news

    def settle(self) -> None:
        """Bring memory, store and head in line with the job that the answering thread sees."""
        changes, seen, before = self.in_use.changes, self._seen, self.settled
        if seen is None or seen is before:
            return
        first = before is None or before.text == UNTOLD
        self.settled, self.unwritten = seen, None
        self._teaching.clear()
        kept = self._store.last_in_use(self.in_use.weights_sha256, seen.text) if first else None
        if kept is not None and not kept.head.equals(self._promotion.shipped):
            problem = self._promotion.unsound(kept.head)
            if not problem:
                reason = f"revision {kept.number}, last in use before the restart"
                if text := self._use(kept.head, "restored", reason, changes):
                    self._news.append(text)
                else:
                    self.settled = before  # yet another job began: the next round settles that
                return
            self.last_change = f"revision {kept.number} not restored: {problem}"
        adapted = self.in_use.adapted
        text = self.in_use.reset("another job: shipped weights", seen.text)
        if adapted:
            self._news.append(text)
        if adapted or not first:
            self.last_change = text

    def go_back(self, why: str = "") -> None:
        """Take an adapted head back where something speaks against it, or ``why`` does."""
        if not self.in_use.adapted:
            return
        if fault := self.in_use.fault:
            self.stop_learning()
        elif complaint := self.in_use.complaint:
            self._teaching.trial.clear()
            why = complaint
        if fault or why:
            self._news.append(self._use(self._promotion.shipped, "rollback", fault or why))

    def proposed(self, head: Head, changes: int) -> Proposal:
        """A head just learnt, for :meth:`step`. ``changes``: of the head in use when learning began."""
        job, spans = self.settled.text if self.settled else "", self._teaching.memory.spans
        return self.in_use.proposed(head, f"learnt from {spans} labelled spans", job, spans, changes)

    def start_learning(self) -> None:
        """As commanded; the disk is owed it."""
        self.enabled = True
        self._store.freeze(False, self.in_use.revision)

    def stop_learning(self) -> None:
        """As commanded, or after a fault; the disk is owed it, so that it holds after a restart."""
        self.enabled = False
        self._store.freeze(True, self.in_use.revision)

    def roll_back(self, number: int) -> None:
        """Return to a revision of this job and stop learning; the disk is owed it. 0: the shipped head.

        Raises:
            InputError: when it is not kept for this job, or must not answer.
        """
        self.settle()
        changes = self.in_use.changes
        head = self._kept(number) if number else self._promotion.shipped
        reason = f"to revision {number}" if number else "to the shipped weights, as commanded"
        if (number and self.overtaken(changes)) or not self._use(head, "rollback", reason, changes if number else None):
            raise InputError("adaptation", "another job has just begun", "choose a revision of that one")
        self.stop_learning()

    def _kept(self, number: int) -> Head:
        job = self.settled.text if self.settled else ""
        kept = self._store.get(number, self.in_use.weights_sha256, job)
        if kept is None:
            known = ", ".join(map(str, self._store.numbers(self.in_use.weights_sha256, job))) or "none"
            problem = f"revision {number} is not kept for this job"
            raise InputError("adaptation", problem, f"0 (shipped), or one of: {known}")
        if problem := self._promotion.unsound(kept.head):
            raise InputError("adaptation", f"revision {number}: {problem}", "choose another")
        return kept.head

    def _use(self, head: Head, kind: str, reason: str, changes: int | None = None) -> str:
        """Answer with a head at once, see :meth:`HeadInUse.take`."""
        job = self.settled.text if self.settled else ""
        text = self.in_use.take(head, kind, reason, job, self._teaching.memory.spans, changes)
        self.last_change = text or self.last_change
        return text
