"""Welds in the order in which they come, a person who labels a few ticks, rightly or not, and who answers better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.adaptation_domains import Domain, MetWeld
from msstan_core.studies.adaptation_methods import METHODS, Method, Ticks
from msstan_core.studies.adaptation_references import REFERENCES

#: Share of ticks that are labelled, and ticks of one label.
LABELLED, SPAN_TICKS = 0.05, 5
#: Kinds of feedback: share of labels that are wrong, and whether the error is always the same (the next action).
FEEDBACK: dict[str, tuple[float, bool]] = {
    "right": (0.0, False),
    "30 % wrong": (0.3, False),
    "all wrong": (1.0, True),
}
#: Between two welds, s.
PAUSE_S = 1.0


#: In place of a kind of feedback, of what needs none.
NO_FEEDBACK = "reference"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One method on one job under one kind of feedback, or one reference on one job."""

    seed: int
    feedback: str
    method: str  #: or the reference's name
    job: str
    ticks: int
    right: int
    late_ticks: int  #: of the second half of the job
    late_right: int


def outcomes(domain: Domain, seed: int) -> Iterable[Outcome]:
    """Every method on every job, the same labels for all of them; and the references."""
    jobs = {weld.job: [w for w in domain.welds if w.job == weld.job] for weld in domain.welds}
    trained = np.flatnonzero(domain.shares > 0)
    for feedback, (wrong, same) in FEEDBACK.items():
        for number, (job, welds) in enumerate(jobs.items()):
            for name, kind in METHODS.items():
                rng = np.random.default_rng([seed, number])
                hits = list(_weld_by_weld(kind(domain), welds, trained, wrong, same, rng))
                yield _outcome(seed, feedback, name, job, hits)
    for job, welds in jobs.items():
        for name, answers in REFERENCES.items():
            hits = [_right(given, weld) for given, weld in zip(answers(domain, welds), welds, strict=True)]
            yield _outcome(seed, NO_FEEDBACK, name, job, hits)


def _outcome(seed: int, feedback: str, method: str, job: str, hits_of_welds: list[NDArray[np.bool_]]) -> Outcome:
    hits = np.concatenate(hits_of_welds)
    late = hits[len(hits) // 2 :]
    return Outcome(seed, feedback, method, job, len(hits), int(hits.sum()), len(late), int(late.sum()))


def _right(answers: NDArray[np.int64], weld: MetWeld) -> NDArray[np.bool_]:
    """Of the labelled ticks, whether the answer is the label."""
    known = weld.labels != UNLABELLED
    return np.asarray((answers == weld.labels)[known])


def _weld_by_weld(
    method: Method,
    welds: list[MetWeld],
    trained: NDArray[np.int64],
    wrong: float,
    same: bool,
    rng: np.random.Generator,
) -> Iterable[NDArray[np.bool_]]:
    now_s = 0.0
    for weld in welds:
        stamps = ((weld.time_s - weld.time_s[0] + now_s) * 1e9).astype(np.int64) + 1
        now_s = stamps[-1] / 1e9 + PAUSE_S
        answers, done = np.zeros(len(stamps), np.int64), 0
        for start, end in [*spans(weld.labels, rng), (len(stamps), len(stamps))]:
            if end > done:
                part = slice(done, end)
                answers[part] = method.answer(Ticks(stamps[part], weld.logits[part], weld.embeddings[part]))
                done = end
            if start == end:
                continue
            action = int(weld.labels[start])
            draw, other = rng.random(), int(rng.integers(1, len(trained)))
            if draw < wrong:
                place = int(np.searchsorted(trained, action))
                action = int(trained[(place + (1 if same else other)) % len(trained)])
            span = slice(start, end)
            method.label(Ticks(stamps[span], weld.logits[span], weld.embeddings[span]), action)
        yield _right(answers, weld)


def spans(labels: NDArray[np.int64], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Labelled spans [start, end) of one weld in order of their end: each in a stretch of one action, drawn evenly.

    Together no more than LABELLED of the ticks, but one tick where that would be none.
    """
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    stretches = [(a, b) for a, b in pairwise(edges) if labels[a] != UNLABELLED]
    budget, found = max(1, int(LABELLED * len(labels))), []
    while stretches and budget > 0:
        first, last = stretches[int(rng.integers(len(stretches)))]
        length = min(SPAN_TICKS, last - first, budget)
        start = int(rng.integers(first, last - length + 1))
        found.append((start, start + length))
        budget -= length
    return sorted(found, key=lambda span: span[1])


def accuracy(rows: Iterable[Outcome], *, late: bool = False) -> float:
    """Share of right ticks of these outcomes."""
    chosen = list(rows)
    right = sum(row.late_right if late else row.right for row in chosen)
    return right / max(sum(row.late_ticks if late else row.ticks for row in chosen), 1)
