"""Adaptation of one model as monitor and services see it: what is labelled, when it learns, what it says of itself.

Three threads meet here. The answering one calls :meth:`Adapter.hear_job`, :meth:`Adapter.corrected` and
:meth:`Adapter.observe`, which never wait for learning or for the disk. A background one calls :meth:`Adapter.work`.
Services call the rest. The lock is never held over the disk or over learning: a rollback waits for neither.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Correction, DriftBound
from msstan_core.adaptation.feedback import WHERE, Feedback, write_down
from msstan_core.adaptation.guard import GuardSet, Scale
from msstan_core.adaptation.head_in_use import HeadInUse, Proposal
from msstan_core.adaptation.head_rules import HeadRules, Overtaken
from msstan_core.adaptation.observed_ticks import ObservedTick, ObservedTicks
from msstan_core.adaptation.output_prior import OutputPrior
from msstan_core.adaptation.promotion import Promotion
from msstan_core.adaptation.revisions import RevisionCounter, RevisionStore
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.adaptation.status import AdaptationStatus
from msstan_core.adaptation.teaching import Material, Teaching
from msstan_core.errors import InputError
from msstan_core.vocabulary import ACTIONS, Action


class Adapter:
    """Adaptation of one loaded model.

    Args:
        guard: of the model. shares: [K] of each action in training, 0 for those it does not know.
        weights_sha256: of the network.
        settings: bounds. store: of revisions, in whose folder the journal is, too; None: memory only.
        counter: of the monitor's revisions. clock: seconds, for staleness.
        presumed: [K] shares that the published probabilities presume; None: those of training. What a card's offsets
            make of the logits is the same for every head: heads are taught and judged without.
    """

    def __init__(
        self,
        guard: GuardSet,
        shares: NDArray[np.floating],
        weights_sha256: str,
        settings: AdaptationSettings,
        store: RevisionStore | None = None,
        counter: RevisionCounter | None = None,
        clock: Callable[[], float] = time.monotonic,
        presumed: NDArray[np.floating] | None = None,
    ) -> None:
        self._guard, self._shares = guard, np.asarray(shares, float)
        self.settings, self._clock = settings, clock
        bound, scale = DriftBound(guard.shipped, settings.largest_drift), Scale(self._shares)
        self._promotion = Promotion(bound, guard.sealed, scale, settings.guard_tolerance)
        self._teaching, self._store = Teaching(guard, bound, scale, settings), store or RevisionStore(None)
        self._in_use = HeadInUse(self._promotion, self._store, counter or RevisionCounter(), weights_sha256)
        self._rules = HeadRules(self._in_use, self._promotion, self._store, self._teaching, settings.enabled)
        self._lock = self._rules.lock
        self.ticks = ObservedTicks(settings.history_s)
        usual = self._shares if presumed is None else presumed
        self._prior = OutputPrior(usual, settings.prior_time_constant_s) if settings.output_prior else None
        self._mismatch, self._checked, self._last_tick_s = "", False, -math.inf

    # -- answering thread ---------------------------------------------------------------------------------------

    @property
    def correction(self) -> Correction:
        """What is added to the network's logits, and the number of the weights in use."""
        return self._in_use.correction

    def hear_job(self, job: str) -> None:
        """What the tick that is answered next belongs to: another job is answered by the shipped head from here on.

        Args:
            job: see :func:`~msstan_core.adaptation.answering.job_of`; an untold one ends none.
        """
        if not self._rules.is_another(job):
            return
        self.ticks.clear()
        if self._prior is not None:
            self._prior.reset()
        self._rules.begin(job)

    def corrected(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """The network's logits [K] with the adapted head's correction, and the revision that made them.

        A correction that is not finite is dropped at this very tick; the rollback is recorded by the next ``work``.
        """
        return self._in_use.corrected(logits, embedding)

    def shifted(self, stamp_s: float, probabilities: NDArray[np.float32], *, learn: bool) -> NDArray[np.float32]:
        """[K] calibrated probabilities as the unlabelled mode would have them; unchanged where that is off."""
        return probabilities if self._prior is None else self._prior.update(stamp_s, probabilities, learn=learn)

    def observe(self, tick: ObservedTick, logits: NDArray[np.float32]) -> None:
        """Hold what was answered, after :meth:`hear_job`. ``logits``: [K] of the network, uncorrected."""
        if not self._checked:
            self._checked, self._mismatch = True, self._guard.mismatch(tick.embedding, logits)
        self._last_tick_s = self._clock()
        self.ticks.add(tick)

    # -- services -----------------------------------------------------------------------------------------------

    def take(self, feedback: Feedback) -> tuple[int, str]:
        """Take a label; returns (ticks labelled, what became of it).

        Raises:
            InputError: when nothing was taken, with the reason.
        """
        feedback.check()
        with self._lock:
            self._rules.settle()
            if self._mismatch:
                raise InputError(WHERE, self._mismatch, "train or export the model again")
            span, job = self.ticks.span(feedback.start_ns, feedback.end_ns), self._rules.settled
            if not span:
                remedy = "label what was seen within adaptation.history_s"
                raise InputError(WHERE, "no tick of this span is held", remedy)
        if self._store.folder is not None:
            write_down(self._store.folder, feedback, job.text if job else "")
        with self._lock:
            self._rules.settle()
            if self._rules.settled is not job:
                raise InputError(WHERE, "another job began while it was written down", "label what belongs to that")
            return self._taken(feedback, span)

    def _taken(self, feedback: Feedback, span: list[ObservedTick]) -> tuple[int, str]:
        if feedback.says_nominal:
            cleared = self.ticks.declare_nominal(feedback.start_ns, feedback.end_ns)
            return len(span), f"{cleared} ticks with an open anomaly may be learnt from once their action is labelled"
        if feedback.action is Action.UNKNOWN:
            if self._store.folder is None:
                raise InputError(WHERE, "imperfections are never learnt online", "set adaptation.folder to keep it")
            return len(span), "kept in feedback.csv: what finds imperfections is never adapted online"
        action = ACTIONS.index(feedback.action)
        if self._shares[action] <= 0:
            raise InputError(WHERE, f"the model does not know {ACTIONS[action].name}", "train it on welds that have it")
        usable = [tick for tick in span if not tick.flaw]
        if not usable:
            raise InputError(WHERE, f"no tick of this span may be learnt from: {span[-1].flaw}", "label another")
        unlabelled = self._teaching.add(usable, action)
        if unlabelled is None:
            return len(usable), "they had this label already"
        if len(unlabelled):
            self._in_use.compare(unlabelled)
            self._rules.go_back()  # at once: the background thread may be waiting for the disk
        text = f"{len(usable)} of {len(span)} ticks may be learnt from"
        return len(usable), text if self._rules.enabled else f"{text}, once adaptation is enabled"

    def enable(self) -> None:
        """Learn from what was and will be labelled.

        Raises:
            InputError: when this model must not adapt.
        """
        if self._mismatch:
            raise InputError("adaptation", self._mismatch, "train or export the model again")
        with self._lock:
            self._teaching.waiting = True
            self._rules.start_learning()
        self._rules.record()

    def freeze(self) -> None:
        """Keep the head in use, learn nothing, also after a restart."""
        with self._lock:
            self._rules.stop_learning()
        self._rules.record()

    def roll_back(self, number: int = 0) -> None:
        """Return to an earlier revision, exactly, and freeze, also after a restart. 0: the shipped head.

        What the disk refuses takes effect nevertheless, is said by :attr:`status`, and is written once there is room.

        Raises:
            InputError: when that revision is not kept for this job.
        """
        if not number:  # answers before anything that could wait
            self._rules.enabled = False
            self._in_use.drop()
        with self._lock:
            self._rules.roll_back(number)
        self._rules.record()

    @property
    def status(self) -> AdaptationStatus:
        """What there is to say."""
        with self._lock:
            return AdaptationStatus(
                adapting=self._rules.enabled,
                paused=self._hindrance(),
                revision=self.correction.revision,
                adapted=self.correction.weight is not None,
                spans=self._teaching.memory.spans,
                held_ticks=len(self._teaching.memory),
                guard_accuracy=self._in_use.revision.guard_accuracy,
                shipped_guard_accuracy=self._promotion.shipped_accuracy,
                drift=self._in_use.revision.drift,
                last_change=self._rules.last_change,
                unrecorded=self._store.unrecorded,
            )

    # -- background thread --------------------------------------------------------------------------------------

    def work(self, breathe: Callable[[], None] = lambda: None) -> str:
        """One round: go back if need be, else write what is owed, else learn if there is something new.

        Args:
            breathe: called between the steps of learning, so that the answering thread never waits long.

        Returns:
            What has changed since the last round, in whatever thread, but for commands; "" for nothing.

        Raises:
            InputError: when a revision cannot be written; the head in use stays, and the next round tries again.
        """
        if news := self._look():
            return news
        self._store.write_owed()
        with self._lock:
            changes, step = self._in_use.changes, self._rules.unwritten
            if self._hindrance() or self._rules.overtaken(changes):
                return ""
            material = self._teaching.material() if self._teaching.waiting else None
        if material is None and step is None:
            return ""
        if material is not None:
            step = self._learnt(material, changes, breathe)
        if step is not None and not self._rules.step(step):
            self._teaching.waiting = True
        return self._look()

    def _look(self) -> str:
        """See which job it is and whether the head in use must go; returns the changes not told yet."""
        with self._lock:
            self._rules.settle()
            self._rules.go_back()
            news = self._rules.news()
        if news:
            self._rules.record()
        return news

    def _learnt(self, material: Material, changes: int, breathe: Callable[[], None]) -> Proposal | None:
        """The head that is to be used; None where there is none, or it must be learnt anew."""
        self._rules.unwritten = None
        try:
            watched = self._rules.watched(changes, breathe, self._clock, self.settings.watch_period_s)
            learnt = self._teaching.learn(material, watched)
        except Overtaken:
            self._teaching.waiting = True
            return None
        verdict = self._promotion.judge(learnt.shadow)
        with self._lock:
            withdrawn = self._teaching.memory.withdrawals != material.withdrawals
            if self._rules.overtaken(changes) or withdrawn or self._hindrance():
                self._teaching.waiting = True  # the world has changed meanwhile: think again
                return None
            self._teaching.accept(learnt)
            if self._in_use.adapted and (harm := self._teaching.trial.harm):
                self._rules.go_back(harm)
                return None
            if verdict.head is None or self._teaching.doubt:
                self._rules.last_change = f"shadow head not promoted: {self._teaching.doubt or verdict.reason}"
                return None
            return self._rules.proposed(verdict.head, changes)

    def _hindrance(self) -> str:
        """Why nothing may be learnt now."""
        newest = self.ticks.newest
        if not self._rules.enabled:
            return "frozen"
        if newest is None or self._clock() - self._last_tick_s > self.settings.stale_s:
            return "no tick arrives"
        return newest.flaw
