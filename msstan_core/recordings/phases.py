"""Weld phases from welding current: the reference labels of recordings with telemetry.

With I the current: IDLE until I > 20 A first holds (open-circuit voltage makes no arc); ARC_INITIATION from there until
I has stayed within 25 % of its median (taken over I > 20 A) for 0.5 s, and for at least 0.5 s; MATERIAL_DEPOSITION
until the last sample with I > 20 A, of which the last 0.5 s are ARC_EXTINCTION; COOLING after it. Gaps in the current
shorter than 2 s stay deposition; longer ones are left without a label. So are the beginning and the end of an arc that
no row shows: a trace that begins or ends inside the arc, or that is silent there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msstan_core.observation import ARC_CURRENT_A
from msstan_core.recordings.annotations import Annotation, action_span
from msstan_core.vocabulary import Action

SETTLED_BAND = 0.25  #: share of the median current
SETTLED_FOR_S = 0.5
SHORTEST_INITIATION_S = 0.5
UNSETTLED_INITIATION_S = 1.0  #: length of the initiation where the current never settles
EXTINCTION_S = 0.5
LONGEST_GAP_S = 2.0
#: Rows farther apart than this, s, and than three rows usually are, show no ignition or extinction between them.
SILENCE_S, SILENT_ROWS = 0.5, 3.0


@dataclass(frozen=True, slots=True)
class ArcPhases:
    """Times of one weld, s on the current's clock."""

    start_s: float  #: first current
    settled_s: float  #: end of the initiation
    end_s: float  #: last current
    gaps_s: tuple[tuple[float, float], ...] = ()  #: stretches of 2 s and more without current in between
    idle_until_s: float = -math.inf  #: last time known to be before the arc: ``start_s`` where its ignition was seen
    cooling_from_s: float = math.inf  #: first time known to be after it: ``end_s`` where its extinction was seen

    @property
    def unseen(self) -> str:
        """Which ends of the arc no row shows, for people; "" when both are seen."""
        ends = (("ignition", self.idle_until_s != self.start_s), ("extinction", self.cooling_from_s != self.end_s))
        return " and ".join(name for name, lacks in ends if lacks)


def find_phases(stamps_s: ArrayLike, current_a: ArrayLike) -> ArcPhases | None:
    """Phases of a current trace [N] (A) at ascending times [N] (s); None when it never exceeds 20 A."""
    times, current = np.asarray(stamps_s, np.float64), np.asarray(current_a, np.float64)
    burning = np.flatnonzero(current > ARC_CURRENT_A)
    if not len(burning):
        return None
    start_s, end_s = float(times[burning[0]]), float(times[burning[-1]])
    median_a = float(np.median(current[burning]))
    steady = np.abs(current - median_a) <= SETTLED_BAND * median_a
    settled_s = max(_first_steady(times, steady, int(burning[0])), start_s + SHORTEST_INITIATION_S)
    pauses = np.flatnonzero(np.diff(times[burning]) >= LONGEST_GAP_S)
    gaps = tuple((float(times[burning[k]]), float(times[burning[k + 1]])) for k in pauses)
    silence_s = max(SILENCE_S, SILENT_ROWS * float(np.median(np.diff(times)))) if len(times) > 1 else SILENCE_S
    idle_until_s, cooling_from_s = -math.inf, math.inf
    if burning[0] > 0:
        before_s = float(times[burning[0] - 1])
        idle_until_s = start_s if start_s - before_s <= silence_s else before_s
    if burning[-1] < len(times) - 1:
        after_s = float(times[burning[-1] + 1])
        cooling_from_s = end_s if after_s - end_s <= silence_s else after_s
    return ArcPhases(start_s, settled_s, end_s, gaps, idle_until_s, cooling_from_s)


def _first_steady(times: NDArray[np.float64], steady: NDArray[np.bool_], first: int) -> float:
    """The first time from ``first`` on that SETTLED_FOR_S of steady current follow."""
    unsteady = np.concatenate([[0], np.cumsum(~steady)])
    begins = np.searchsorted(times, times[first:], side="left")
    ends = np.searchsorted(times, times[first:] + SETTLED_FOR_S, side="right")
    settled = np.flatnonzero(unsteady[ends] == unsteady[begins])
    return float(times[first + settled[0]]) if len(settled) else float(times[first]) + UNSETTLED_INITIATION_S


def label_phases(phases: ArcPhases, duration_s: float, source: str) -> list[Annotation]:
    """Annotations over a recording that lasts from 0 to ``duration_s`` on the clock of ``phases``."""
    extinction_s = max(phases.end_s - EXTINCTION_S, phases.settled_s)
    spans = [
        (0.0, phases.idle_until_s, Action.IDLE),
        (phases.settled_s, extinction_s, Action.MATERIAL_DEPOSITION),
        (phases.cooling_from_s, duration_s, Action.COOLING),
    ]
    if phases.idle_until_s == phases.start_s:
        spans.append((phases.start_s, min(phases.settled_s, phases.end_s), Action.ARC_INITIATION))
    if phases.cooling_from_s == phases.end_s:
        spans.append((extinction_s, phases.end_s, Action.ARC_EXTINCTION))
    for gap_start, gap_end in phases.gaps_s:
        spans = [piece for span in spans for piece in _without(span, gap_start, gap_end)]
    return [
        action_span(max(a, 0.0), min(b, duration_s), action, source)
        for a, b, action in sorted(spans, key=lambda span: span[:2])
        if min(b, duration_s) > max(a, 0.0)
    ]


def _without(span: tuple[float, float, Action], gap_start: float, gap_end: float) -> list[tuple[float, float, Action]]:
    start, end, action = span
    if gap_end <= start or gap_start >= end:
        return [span]
    return [(a, b, action) for a, b in ((start, gap_start), (gap_end, end)) if b > a]
