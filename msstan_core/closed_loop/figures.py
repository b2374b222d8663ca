"""Figures of one weld: what was wrong with it, how soon that was seen, what was advised without cause, and whether any
limit was left.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

from msstan_core.advisory.parameters import ZERO
from msstan_core.closed_loop.judge import ROUNDING, excess, rate_excess
from msstan_core.closed_loop.loop import WeldRecord
from msstan_core.closed_loop.timing import Timing
from msstan_core.recordings.annotations import Annotation

#: Imperfections that one cause brings and one remedy takes: to suspect the neighbour is not wrong.
RELATED = ({401, 402}, {2011, 2017}, {502, 506}, {504, 510})
#: An onset may be suspected this much before the truth's own hysteresis dates it, s.
EARLY_S = 0.5
#: Imperfections that form when the arc is out: no advice can reach them.
AFTER_THE_ARC = frozenset({104})


@dataclass(frozen=True, slots=True)
class WeldFigures:
    """Of one weld in one arm of the study."""

    imperfection: int  #: ISO 6520-1 code the weld was made for; 0: a nominal weld
    seed: int
    arm: str
    seam_m: float
    target_s: float  #: time with the imperfection the weld was made for
    any_s: float  #: time with at least one imperfection
    by_code_s: dict[int, float]  #: time with each imperfection
    detected: bool  #: the target was there and was suspected while it was
    delay_s: float  #: from its true onset until the first suspicion is known; NaN: none
    advised_s: float  #: time with deltas, or with the question to look at the gas
    wrong_corrections: int  #: suspicions without cause that changed something
    wrong_s: float  #: time with deltas or gas questions because of them
    wps_violations: int  #: control cycles outside the procedure's ranges, heat input or rates
    timing: Timing | None = None  #: of a weld over DDS

    def as_dict(self) -> dict[str, Any]:
        """For a result file; NaN becomes None."""
        content = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}
        content["delay_s"] = None if math.isnan(self.delay_s) else content["delay_s"]
        content["by_code_s"] = {str(code): round(s, 3) for code, s in self.by_code_s.items()}
        del content["timing"]
        return content if self.timing is None else {**content, "timing": self.timing.as_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> WeldFigures:
        """Back from :meth:`as_dict`."""
        content = dict(content)
        content["delay_s"] = math.nan if content["delay_s"] is None else content["delay_s"]
        content["by_code_s"] = {int(code): s for code, s in content["by_code_s"].items()}
        content["timing"] = Timing.from_dict(content["timing"]) if "timing" in content else None
        return cls(**content)


def related(code: int) -> frozenset[int]:
    """The code and its neighbours in :data:`RELATED`."""
    return frozenset({code}.union(*(group for group in RELATED if code in group)))


def figures_of(record: WeldRecord, imperfection: int, seed: int, arm: str) -> WeldFigures:
    """Judge one weld."""
    truth = [a for a in record.annotations if a.kind == "imperfection" and a.iso_code not in AFTER_THE_ARC]
    target = [a for a in truth if a.iso_code == imperfection]
    detected, delay_s = _detection(record, target, imperfection)
    wrong = _without_cause(record, truth)
    touched = [c for c in record.cycles if c.applied != ZERO or c.check_gas]
    cycle_s = _cycle_s(record)
    return WeldFigures(
        imperfection=imperfection,
        seed=seed,
        arm=arm,
        seam_m=record.seam_m,
        target_s=_union_s(target),
        any_s=_union_s(truth),
        by_code_s={code: _union_s([a for a in truth if a.iso_code == code]) for code in {a.iso_code for a in truth}},
        detected=detected,
        delay_s=delay_s,
        advised_s=len(touched) * cycle_s,
        wrong_corrections=len({c.cause_event_id for c in touched if c.cause_event_id in wrong}),
        wrong_s=sum(c.cause_event_id in wrong for c in touched) * cycle_s,
        wps_violations=violations(record),
    )


def violations(record: WeldRecord) -> int:
    """Control cycles in which gate or robot left the procedure's ranges, heat input or rates."""
    found = 0
    for before, cycle in itertools.pairwise(record.cycles):
        elapsed_s = cycle.time_s - before.time_s
        largest = max(excess(record.wps, cycle.gated), excess(record.wps, cycle.applied))
        largest = max(largest, rate_excess(record.wps, before.gated, cycle.gated, elapsed_s))
        # A robot that stops welding stops adding at once: that is the programme's step, not the advice's.
        if cycle.welding and before.welding:
            largest = max(largest, rate_excess(record.wps, before.applied, cycle.applied, elapsed_s))
        found += largest > ROUNDING
    return found


def _detection(record: WeldRecord, target: list[Annotation], code: int) -> tuple[bool, float]:
    if not target:
        return False, math.nan
    first = min(a.start_s for a in target)
    for when_s, _, suspected in sorted(record.suspected):
        if suspected in related(code) and when_s >= first - EARLY_S:
            last = max(a.end_s for a in target)
            return when_s <= last, max(when_s + record.latency_s - first, 0.0)
    return False, math.nan


def _without_cause(record: WeldRecord, truth: list[Annotation]) -> set[int]:
    """Ids of events that were suspected while neither the imperfection nor a related one was there."""
    return {
        event_id
        for when_s, event_id, code in record.suspected
        if not any(a.iso_code in related(code) and a.start_s - EARLY_S <= when_s <= a.end_s + EARLY_S for a in truth)
    }


def _union_s(spans: list[Annotation]) -> float:
    """Time covered by at least one span, s."""
    covered, until = 0.0, -math.inf
    for span in sorted(spans, key=lambda a: a.start_s):
        covered += max(span.end_s - max(span.start_s, until), 0.0)
        until = max(until, span.end_s)
    return covered


def _cycle_s(record: WeldRecord) -> float:
    if len(record.cycles) < 2:
        return 0.0
    return (record.cycles[-1].time_s - record.cycles[0].time_s) / (len(record.cycles) - 1)
