"""The rules that join it all: when it learns, what may be used, when it goes back.

Three threads meet here. The answering one calls :meth:`Adapter.corrected` and :meth:`Adapter.observe`, which never wait
for learning or for the disk. A background one calls :meth:`Adapter.work`. Services call the rest.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Correction, DriftBound, Head
from msstan_core.adaptation.feedback import WHERE, Feedback, write_down
from msstan_core.adaptation.guard import GuardSet, LabelledTicks, Scale
from msstan_core.adaptation.head_in_use import HeadInUse
from msstan_core.adaptation.labelled_memory import LabelledMemory, Lessons
from msstan_core.adaptation.learning import Objective, learn
from msstan_core.adaptation.observed_ticks import ObservedTick, ObservedTicks
from msstan_core.adaptation.output_prior import OutputPrior
from msstan_core.adaptation.promotion import Promotion
from msstan_core.adaptation.revisions import RevisionCounter, RevisionStore
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.adaptation.status import AdaptationStatus
from msstan_core.adaptation.trial import Trial
from msstan_core.errors import InputError
from msstan_core.vocabulary import ACTIONS, Action

#: The stored head and the network may differ by this much in a logit: half precision and another runtime.
SAME_LOGIT = 0.05


class Adapter:
    """Adaptation of one loaded model.

    Args:
        guard: of the model. shares: [K] of each action in training, 0 for those it does not know.
        weights_sha256: of the network.
        settings: bounds. folder: for revisions and the journal; None: memory only.
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
        folder: Path | None = None,
        counter: RevisionCounter | None = None,
        clock: Callable[[], float] = time.monotonic,
        presumed: NDArray[np.floating] | None = None,
    ) -> None:
        self._guard, self._shares, self._sha256 = guard, np.asarray(shares, float), weights_sha256
        self.settings, self._folder, self._clock = settings, folder, clock
        self._bound = DriftBound(guard.shipped, settings.largest_drift)
        scale = Scale(self._shares)
        self._promotion = Promotion(self._bound, guard.sealed, scale, settings.guard_tolerance)
        self._trial, self._shadow = Trial(guard.shipped, scale), guard.shipped
        self._store = RevisionStore(folder)
        self._in_use = HeadInUse(self._promotion, self._store, counter or RevisionCounter(), weights_sha256)
        self._memory = LabelledMemory(settings.per_action, settings.per_span, guard.shipped.weight.shape[1])
        self.ticks = ObservedTicks(settings.history_s)
        usual = self._shares if presumed is None else presumed
        self._prior = OutputPrior(usual, settings.prior_time_constant_s) if settings.output_prior else None
        self._lock = threading.RLock()
        self._enabled, self._waiting = settings.enabled, False
        self._unwritten: Head | None = None  #: a step that could not be written
        self._job: str | None = None
        self._settled: str | None = None  #: the job that memory and store are about
        self._mismatch, self._last_change = "", self._in_use.revision.reason
        self._last_tick_s = -math.inf

    # -- answering thread ---------------------------------------------------------------------------------------

    @property
    def correction(self) -> Correction:
        """What is added to the network's logits, and the number of the weights in use."""
        return self._in_use.correction

    def corrected(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """The network's logits [K] with the adapted head's correction, and the revision that made them.

        A correction that is not finite is dropped at this very tick; the rollback is recorded by the next ``work``.
        """
        return self._in_use.corrected(logits, embedding)

    def shifted(self, stamp_s: float, probabilities: NDArray[np.float32], *, learn: bool) -> NDArray[np.float32]:
        """[K] calibrated probabilities as the unlabelled mode would have them; unchanged where that is off."""
        return probabilities if self._prior is None else self._prior.update(stamp_s, probabilities, learn=learn)

    def observe(self, tick: ObservedTick, logits: NDArray[np.float32], job: str) -> None:
        """Hold what was answered. A change of job returns to the shipped head at once.

        Args:
            tick: the tick. logits: [K] of the network, uncorrected. job: what is being welded.
        """
        if job != self._job:
            if self._job is not None:
                self._in_use.drop()
                self.ticks.clear()
                if self._prior is not None:
                    self._prior.reset()
            else:
                self._check_head(tick.embedding, logits)
            self._job = job
        self._last_tick_s = self._clock()
        self.ticks.add(tick)

    def _check_head(self, embedding: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
        difference = float(np.abs(self._guard.shipped.logits(embedding) - logits).max())
        if difference > SAME_LOGIT:
            self._mismatch = f"guard.npz belongs to other weights (logits differ by {difference:.3g})"

    # -- services -----------------------------------------------------------------------------------------------

    def take(self, feedback: Feedback) -> tuple[int, str]:
        """Take a label; returns (ticks labelled, what became of it).

        Raises:
            InputError: when nothing was taken, with the reason.
        """
        feedback.check()
        with self._lock:
            self._settle_job()
            if self._mismatch:
                raise InputError(WHERE, self._mismatch, "train or export the model again")
            span = self.ticks.span(feedback.start_ns, feedback.end_ns)
            if not span:
                remedy = "label what was seen within adaptation.history_s"
                raise InputError(WHERE, "no tick of this span is held", remedy)
            if self._folder is not None:
                write_down(self._folder, feedback, self._settled or "")
            if feedback.says_nominal:
                cleared = self.ticks.declare_nominal(feedback.start_ns, feedback.end_ns)
                said = f"{cleared} ticks with an open anomaly may be learnt from once their action is labelled"
                return len(span), said
            if feedback.action is Action.UNKNOWN:
                if self._folder is None:
                    raise InputError(WHERE, "imperfections are never learnt online", "set adaptation.folder to keep it")
                return len(span), "kept in feedback.csv: what finds imperfections is never adapted online"
            return self._take_action(span, ACTIONS.index(feedback.action))

    def _take_action(self, span: list[ObservedTick], action: int) -> tuple[int, str]:
        if self._shares[action] <= 0:
            raise InputError(WHERE, f"the model does not know {ACTIONS[action].name}", "train it on welds that have it")
        usable = [tick for tick in span if not tick.flaw]
        if not usable:
            raise InputError(WHERE, f"no tick of this span may be learnt from: {span[-1].flaw}", "label another")
        unlabelled, corrected = self._memory.add(usable, action)  # a tick that is labelled again proves nothing
        if corrected:
            self._trial.withdraw({tick.key for tick in corrected})
        if unlabelled:
            embeddings, keys = np.stack([tick.embedding for tick in unlabelled]), tuple(t.key for t in unlabelled)
            labelled = LabelledTicks(embeddings, np.full(len(unlabelled), action, np.int64), keys)
            self._in_use.compare(labelled)
            if self._shadow is not self._guard.shipped:
                self._trial.add(self._shadow, labelled)
        if not unlabelled and not corrected:
            return len(usable), "they had this label already"
        self._waiting = True
        text = f"{len(usable)} of {len(span)} ticks may be learnt from"
        return len(usable), text if self._enabled else f"{text}, once adaptation is enabled"

    def enable(self) -> None:
        """Learn from what was and will be labelled.

        Raises:
            InputError: when this model must not adapt.
        """
        if self._mismatch:
            raise InputError("adaptation", self._mismatch, "train or export the model again")
        with self._lock:
            self._enabled, self._waiting = True, True

    def freeze(self) -> None:
        """Keep the head in use, learn nothing."""
        with self._lock:
            self._enabled = False

    def roll_back(self, number: int = 0) -> None:
        """Return to an earlier revision, exactly, and freeze. 0: the shipped head.

        Raises:
            InputError: when that revision is not kept for this job.
        """
        with self._lock:
            self._settle_job()
            head = self._guard.shipped
            if number:
                job = self._settled or ""
                kept = self._store.get(number, job)
                if kept is None:
                    known = ", ".join(map(str, self._store.numbers(job))) or "none"
                    problem = f"revision {number} is not kept for this job"
                    raise InputError("adaptation", problem, f"0 (shipped), or one of: {known}")
                head = kept.head
                if problem := self._promotion.unsound(head):
                    raise InputError("adaptation", f"revision {number}: {problem}", "choose another")
            self._enabled = False
            self._use(head, "rollback", f"to revision {number}" if number else "to the shipped weights, as commanded")

    @property
    def status(self) -> AdaptationStatus:
        """What there is to say."""
        with self._lock:
            return AdaptationStatus(
                adapting=self._enabled,
                paused=self._hindrance(),
                revision=self.correction.revision,
                adapted=self.correction.weight is not None,
                spans=self._memory.spans,
                held_ticks=len(self._memory),
                guard_accuracy=self._in_use.revision.guard_accuracy,
                shipped_guard_accuracy=self._promotion.shipped_accuracy,
                drift=self._in_use.revision.drift,
                last_change=self._last_change,
            )

    # -- background thread --------------------------------------------------------------------------------------

    def work(self, breathe: Callable[[], None] = lambda: None) -> str:
        """One round: go back if need be, else learn if there is something new. Returns what changed, "" for nothing.

        Args:
            breathe: called between the steps of learning, so that the answering thread never waits long.

        Raises:
            InputError: when a revision cannot be written; the head in use stays, and the next round tries again.
        """
        with self._lock:
            self._settle_job()
            if self._in_use.adapted and (reason := self._reason_to_go_back()):
                return self._use(self._guard.shipped, "rollback", reason)
            if self._hindrance():
                return ""
            if not self._waiting:
                return "" if self._unwritten is None else self._step(self._unwritten)
            self._waiting, self._unwritten = False, None
            lessons = self._memory.lessons()
            enough = self._memory.spans >= self.settings.least_spans
            first = enough and self._shadow is self._guard.shipped
            halves = [self._memory.lessons(half) for half in (0, 1)] if first else []
            active, job, withdrawals = self._in_use.revision.head, self._settled, self._memory.withdrawals
        shadow = self._learnt_from(lessons, breathe)
        answered = [
            (self._learnt_from(learnt, breathe), other.ticks)
            for learnt, other in zip(halves, reversed(halves), strict=True)
            if len(other.ticks)
        ]
        verdict = self._promotion.judge(shadow)
        with self._lock:
            changed = self._in_use.revision.head is not active or self._memory.withdrawals != withdrawals
            if changed or self._job != job or self._hindrance():
                self._waiting = True  # the world has changed meanwhile: think again
                return ""
            self._shadow = shadow
            for half_learnt, ticks in answered:
                self._trial.add(half_learnt, ticks)
            if self._in_use.adapted and (reason := self._trial.harm):
                return self._use(self._guard.shipped, "rollback", reason)
            doubt = self._trial.doubt if enough else "too few labelled spans yet"
            if verdict.head is None or doubt:
                self._last_change = f"shadow head not promoted: {doubt or verdict.reason}"
                return ""
            return self._step(verdict.head)

    def _learnt_from(self, lessons: Lessons, breathe: Callable[[], None]) -> Head:
        objective = Objective(self._guard.shipped, lessons, self._guard.reference, self._shares, self.settings)
        return learn(objective, self._bound, breathe)

    def _reason_to_go_back(self) -> str:
        if fault := self._in_use.fault:
            self._enabled = False
            return fault
        if complaint := self._in_use.complaint:
            self._trial.clear()
        return complaint

    def _hindrance(self) -> str:
        """Why nothing may be learnt now."""
        newest = self.ticks.newest
        if not self._enabled:
            return "frozen"
        if newest is None or self._clock() - self._last_tick_s > self.settings.stale_s:
            return "no tick arrives"
        return newest.flaw

    def _settle_job(self) -> None:
        """Bring memory, store and head in line with the job that the answering thread sees; caller holds the lock."""
        if self._job == self._settled:
            return
        first, self._settled = self._settled is None, self._job
        self._memory.clear()
        self._trial.clear()
        self._shadow = self._guard.shipped
        self._waiting, self._unwritten = False, None
        job = self._settled or ""
        if first and (kept := self._store.read(self._sha256, job)) is not None:
            if problem := self._promotion.unsound(kept.head):
                self._last_change = f"revision {kept.number} not restored: {problem}"
            else:
                self._use(kept.head, "restored", f"revision {kept.number}, last in use before the restart")
        elif not first:
            self._last_change = self._in_use.reset("another job: shipped weights", job)

    def _step(self, head: Head) -> str:
        return self._use(head, "step", f"learnt from {self._memory.spans} labelled spans")

    def _use(self, head: Head, kind: str, reason: str) -> str:
        """Take a head into use, see :meth:`HeadInUse.take`. Caller holds the lock."""
        self._unwritten = head if kind == "step" else None
        self._last_change = self._in_use.take(head, kind, reason, self._settled or "", self._memory.spans)
        self._unwritten = None
        return self._last_change
