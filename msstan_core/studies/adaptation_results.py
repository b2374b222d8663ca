"""Figures of the adaptation study: over seeds, against the frozen network, and against what could be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.evaluation.spread import finite_mean, finite_std
from msstan_core.studies.adaptation_methods import METHODS
from msstan_core.studies.adaptation_references import REFERENCES
from msstan_core.studies.adaptation_study import FEEDBACK, NO_FEEDBACK, Outcome, accuracy

Floats = NDArray[np.float64]

#: A shift that costs less accuracy than this has no share of it that could be recovered.
LEAST_LOSS = 0.01

#: What the reader of the figures must know to judge them.
PROTOCOL = (
    "A network is trained per seed on one side of a shift and meets the other side weld by weld, each job from "
    "its shipped head. material: simulated welds of one material pair, then all others (a job each). real: the first "
    "configurations in time, then the later runs in time order (one job). Each tick is answered before it is labelled; "
    "5 % of the ticks are labelled, in spans of five, drawn evenly over the stretches of the weld. Accuracy is the "
    "share of right ticks before any smoothing. References see what a cell cannot: no shift is the same network "
    "trained on the known welds and half of the met ones too, answering the other half; every label is the same "
    "learning, within its bound, from all labels of the other half of the job. recovered: gain "
    "over frozen as a share of what frozen loses against no shift on the same ticks, over the seeds in which that is "
    f"{LEAST_LOSS} or more; late: over the second half of each job. recovered_of_home: the same with the frozen "
    "network's accuracy on held-out known welds in place of no shift; these may be easier or harder welds. 30 % wrong: "
    "so many labels name another action; all wrong: every label names the next action. Methods without labels do not "
    "notice. own examples: the same learning from the shipped examples alone; what it gains needs no label. "
    "worst_vs_frozen_points: the least difference to frozen over seeds, shifts and kinds of feedback."
)


def figures(rows: Sequence[Outcome], homes: Mapping[int, float]) -> dict[str, Any]:
    """By method and kind of feedback, and of the references, over seeds.

    Args:
        rows: of one shift. homes: seed -> accuracy of the network on held-out welds of the known side.

    Returns:
        ``home_accuracy``; of each method, by kind of feedback, its accuracy, difference to frozen in points and
        recovered shares; the same of each of the ``references``.
    """
    return {
        "home_accuracy": _spread(list(homes.values())),
        "references": {name: _figures_of(rows, homes, name, NO_FEEDBACK) for name in REFERENCES},
        **{method: {kind: _figures_of(rows, homes, method, kind) for kind in FEEDBACK} for method in METHODS},
    }


def by_job(rows: Sequence[Outcome]) -> dict[str, dict[str, dict[str, float]]]:
    """Ours against frozen on each job under each kind of feedback: the mean and the worst seed, in points."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    before = {(r.seed, r.feedback, r.job): r.right for r in rows if r.method == "frozen"}
    for kind, job in dict.fromkeys((r.feedback, r.job) for r in rows if r.feedback in FEEDBACK):
        mine = [r for r in rows if (r.feedback, r.job, r.method) == (kind, job, "ours")]
        points = [100 * (r.right - before[r.seed, kind, job]) / max(r.ticks, 1) for r in mine]
        table.setdefault(kind, {})[job] = {"mean": sum(points) / len(points), "worst": min(points)}
    return table


def _figures_of(rows: Sequence[Outcome], homes: Mapping[int, float], method: str, kind: str) -> dict[str, Any]:
    def scores(name: str, feedback: str, late: bool) -> Floats:
        return np.array(
            [
                accuracy((r for r in rows if (r.seed, r.method, r.feedback) == (seed, name, feedback)), late=late)
                for seed in homes
            ]
        )

    mine, late = (scores(method, kind, of_late) for of_late in (False, True))
    # no adaptation answers alike whatever the labels are
    frozen, frozen_late = (scores("frozen", next(iter(FEEDBACK)), of_late) for of_late in (False, True))
    known, known_late = (scores("no shift", NO_FEEDBACK, of_late) for of_late in (False, True))
    home = np.array(list(homes.values()))
    points = 100 * (mine - frozen)
    return {
        "accuracy": _spread(mine),
        "late_accuracy": _spread(late),
        "points_vs_frozen": _spread(points),
        "worst_vs_frozen_points": {"mean": float(points.min())},
        "recovered": _share(mine, frozen, known),
        "recovered_late": _share(late, frozen_late, known_late),
        "recovered_of_home": _share(mine, frozen, home),
        "recovered_of_home_late": _share(late, frozen_late, home),
    }


def _share(reached: Floats, frozen: Floats, known: Floats) -> dict[str, float]:
    """Over the seeds in which there was something to recover."""
    lost = known - frozen
    there = lost >= LEAST_LOSS
    return {**_spread((reached - frozen)[there] / lost[there]), "seeds": float(there.sum())}


def _spread(values: Sequence[float] | Floats) -> dict[str, float]:
    return {"mean": finite_mean(values), "std": finite_std(values)}
