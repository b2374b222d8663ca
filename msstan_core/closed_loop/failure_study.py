"""Failures in seeded runs of the line between monitor and robot: how soon the programme is back, within its limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from msstan_core.advisory.parameters import ZERO
from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.closed_loop.failures import FAILURES, Failure
from msstan_core.closed_loop.line import Conditions, Line

#: Name of the runs in which failures of all kinds come and go, and the monitor is killed in the end.
STORM = "storm"
#: Watched beyond the bound, s.
_AFTER_S = 1.0
#: Good advice before anything fails, s, and at most this long until the robot has moved.
_BEFORE_S, _MOVES_WITHIN_S = 1.5, 20.0


@dataclass(frozen=True, slots=True)
class FailureRun:
    """One run of one failure."""

    failure: str
    seed: int
    wps_id: str
    simulated: bool
    bound_s: float
    back_s: float  #: from the failure until the programme is applied for good; NaN: no return is demanded
    naive_back_s: float  #: the same of a robot that adds whatever the monitor says; infinite: not while it was watched
    largest_violation: float  #: of gate and robot, share of the programmed value
    naive_violation: float
    violations: int  #: outputs and cycles outside the procedure or faster than its rates

    @property
    def within_bound(self) -> bool:
        """The programme was back in time, where that is demanded."""
        return math.isnan(self.back_s) or self.back_s <= self.bound_s

    def as_dict(self) -> dict[str, Any]:
        """For a result file."""
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}


def names() -> tuple[str, ...]:
    """All failures, and the storm."""
    return (*(f.name for f in FAILURES), STORM)


def run_failure(name: str, seed: int) -> FailureRun:
    """One run; equal arguments give equal runs. Procedure, clocks, advice, delays and sizes are drawn from the seed."""
    draw = np.random.default_rng([seed, names().index(name), 0xFA17])
    book = ProcedureBook()
    wps = book.named(str(draw.choice(book.ids)))
    chosen = next((f for f in FAILURES if f.name == name), None)
    simulated = bool(draw.random() < 0.5)
    if chosen is not None and chosen.simulated is not None:
        simulated = chosen.simulated
    line = Line(wps, draw, simulated=simulated, pace=float(draw.choice([0.5, 1.0, 2.0])))
    line.run(_BEFORE_S)
    if chosen is None:
        _storm(line)
        chosen = FAILURES[0]
    line.run(float(draw.uniform(0.0, 0.5)))
    while line.applied == ZERO and line.time_s < _MOVES_WITHIN_S:
        line.run(0.05)
    began_s = line.time_s
    line.seen.last_applied_s = line.seen.last_naive_s = began_s
    chosen.begin(line)
    bound_s = chosen.bound_s(line)
    line.run(bound_s + _AFTER_S)
    back_s, naive_s = line.seen.last_applied_s - began_s, line.seen.last_naive_s - began_s
    ended_s = line.time_s - began_s
    line.conditions = Conditions()  # all is well again: what was held up arrives, and may not do harm
    line.run(_AFTER_S)
    return FailureRun(
        failure=name,
        seed=seed,
        wps_id=wps.id,
        simulated=simulated,
        bound_s=bound_s,
        back_s=math.nan if chosen.heals else back_s,
        naive_back_s=math.inf if naive_s > ended_s - 0.5 * _AFTER_S else naive_s,
        largest_violation=line.seen.largest_violation,
        naive_violation=line.seen.naive_violation,
        violations=line.seen.violated,
    )


def _storm(line: Line) -> None:
    """Failures of all kinds, one upon the other, for some seconds."""
    draw = line.draw
    for _ in range(int(draw.integers(4, 10))):
        possible: list[Failure] = [f for f in FAILURES if f.simulated in (None, line.simulated)]
        failure = possible[int(draw.integers(len(possible)))]
        failure.begin(line)
        line.run(float(draw.uniform(0.05, 1.2)))
        if draw.random() < 0.6:
            line.conditions = Conditions()
        if draw.random() < 0.2:
            line.start_gate()
        if draw.random() < 0.3:
            line.reset_gate()
        line.run(float(draw.uniform(0.0, 0.8)))
    line.conditions = Conditions()
    line.reset_gate()
    line.run(1.0)


# -- figures over runs ------------------------------------------------------------------------------------------------


def summarise(runs: Sequence[FailureRun]) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """(metrics, baselines, one row per failure) of a result file."""
    seeds = sorted({r.seed for r in runs})
    by_seed = [[r for r in runs if r.seed == seed] for seed in seeds]

    def over_seeds(values: list[float]) -> dict[str, float]:
        known = np.array(values)
        return {"mean": round(float(known.mean()), 6), "std": round(float(known.std()), 6)}

    demanded = [r for r in runs if not math.isnan(r.back_s)]
    metrics = {
        "returned_within_bound": over_seeds([float(np.mean([r.within_bound for r in own])) for own in by_seed]),
        "largest_violation": over_seeds([max(r.largest_violation for r in own) for own in by_seed]),
        "wps_violations": over_seeds([float(sum(r.violations for r in own)) for own in by_seed]),
        "back_s": {
            "p50": round(float(np.percentile([r.back_s for r in demanded], 50)), 3),
            "p99": round(float(np.percentile([r.back_s for r in demanded], 99)), 3),
        }
        if demanded
        else {"p50": math.nan, "p99": math.nan},
        "worst_share_of_bound": {
            "mean": round(max((r.back_s / r.bound_s for r in demanded), default=math.nan), 3),
            "std": 0.0,
        },
    }
    naive = [[r for r in own if not math.isnan(r.back_s)] for own in by_seed]
    baselines = {
        "without_gate": {
            "returned_within_bound": over_seeds(
                [float(np.mean([r.naive_back_s <= r.bound_s for r in own])) for own in naive if own]
            ),
            "largest_violation": over_seeds([min(max(r.naive_violation for r in own), 1e6) for own in by_seed]),
        }
    }
    rows = []
    for name in [n for n in names() if any(r.failure == n for r in runs)]:
        own = [r for r in runs if r.failure == name]
        back = [r.back_s for r in own if not math.isnan(r.back_s)]
        rows.append(
            {
                "failure": name,
                "words": next((f.words for f in FAILURES if f.name == name), "all of these, one upon the other"),
                "runs": len(own),
                "within_bound": float(np.mean([r.within_bound for r in own])),
                "back_s": {"p50": round(float(np.median(back)), 3), "max": round(max(back), 3)} if back else None,
                "bound_s": {
                    "min": round(min(r.bound_s for r in own), 3),
                    "max": round(max(r.bound_s for r in own), 3),
                },
                "worst_share_of_bound": round(max(r.back_s / r.bound_s for r in own), 3) if back else None,
                "violations": sum(r.violations for r in own),
                "largest_violation": max(r.largest_violation for r in own),
                "without_gate_within_bound": float(np.mean([r.naive_back_s <= r.bound_s for r in own]))
                if back
                else None,
            }
        )
    return metrics, baselines, rows
