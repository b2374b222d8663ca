"""Figures over the welds of a closed-loop study: mean and spread over seeds, by arm and by imperfection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from msstan_core.closed_loop.figures import WeldFigures
from msstan_core.closed_loop.tasks import ARMS, LIVE_ARMS
from msstan_core.closed_loop.welds import FAULTS, NOMINAL


def _over_seeds(welds: Sequence[WeldFigures], value: Callable[[list[WeldFigures]], float]) -> dict[str, float]:
    """Mean and standard deviation of a figure over seeds, each taken over all welds of a seed; without NaN."""
    by_seed = [value([w for w in welds if w.seed == seed]) for seed in sorted({w.seed for w in welds})]
    known = np.array([v for v in by_seed if not math.isnan(v)])
    if len(known) == 0:
        return {"mean": math.nan, "std": math.nan}
    return {"mean": round(float(known.mean()), 4), "std": round(float(known.std()), 4)}


def _per_metre(welds: list[WeldFigures]) -> float:
    return sum(w.any_s for w in welds) / sum(w.seam_m for w in welds) if welds else math.nan


def _ratio(welds: Sequence[WeldFigures], arm: str) -> dict[str, float]:
    def of_seed(own: list[WeldFigures]) -> float:
        without = sum(w.any_s for w in own if w.arm == "none")
        return sum(w.any_s for w in own if w.arm == arm) / without if without > 0 else math.nan

    return _over_seeds(welds, of_seed)


def _share_of_oracle(welds: Sequence[WeldFigures], arm: str) -> dict[str, float]:
    """Of the imperfection time that an oracle takes away, the share that the arm takes away."""

    def of_seed(own: list[WeldFigures]) -> float:
        without, left, least = (sum(w.any_s for w in own if w.arm == a) for a in ("none", arm, "oracle"))
        return (without - left) / (without - least) if without > least else math.nan

    return _over_seeds(welds, of_seed)


def _arm(welds: Sequence[WeldFigures], arm: str) -> list[WeldFigures]:
    return [w for w in welds if w.arm == arm]


def _mean(values: Iterable[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


def _closed_loop_metrics(welds: Sequence[WeldFigures], arm: str) -> dict[str, Any]:
    """What is worth knowing of an arm in which a monitor advised."""
    own, faulty = _arm(welds, arm), [w for w in welds if w.imperfection != NOMINAL]
    good, own_faulty = [w for w in own if w.imperfection == NOMINAL], _arm(faulty, arm)
    return {
        "imperfection_time_ratio": _ratio(faulty, arm),
        "wps_violations": _over_seeds(own, lambda ws: sum(w.wps_violations for w in ws)),
        "imperfection_s_per_m": _over_seeds(own_faulty, _per_metre),
        "detected": _over_seeds(own_faulty, _detected),
        "delay_s": _over_seeds(own_faulty, lambda ws: _mean(w.delay_s for w in ws if w.detected)),
        "wrong_corrections_per_weld": _over_seeds(own, lambda ws: _mean(w.wrong_corrections for w in ws)),
        "good_weld_advised_s": _over_seeds(good, lambda ws: _mean(w.advised_s for w in ws)),
        "good_weld_imperfection_s": _over_seeds(good, lambda ws: _mean(w.any_s for w in ws)),
    }


def _alone(welds: Sequence[WeldFigures]) -> dict[str, Any]:
    """The programme without advice."""
    faulty = [w for w in welds if w.imperfection != NOMINAL]
    good = [w for w in welds if w.imperfection == NOMINAL]
    return {
        "imperfection_s_per_m": _over_seeds(_arm(faulty, "none"), _per_metre),
        "good_weld_imperfection_s": _over_seeds(_arm(good, "none"), lambda own: _mean(w.any_s for w in own)),
    }


def _table(welds: Sequence[WeldFigures], arms: Sequence[str], advised: str) -> dict[str, Any]:
    """By imperfection: the times in all arms, and how it was recognised in the arm ``advised``."""
    table = {}
    for code in [c for c in FAULTS if any(w.imperfection == c for w in welds)]:
        own = [w for w in welds if w.imperfection == code]
        row: dict[str, Any] = {"welds": len({w.seed for w in own})}
        for arm in arms:
            row[f"{arm}_s_per_m"] = _over_seeds(_arm(own, arm), _per_metre)
            row[f"{arm}_target_s_per_m"] = _over_seeds(
                _arm(own, arm), lambda welded: sum(w.target_s for w in welded) / sum(w.seam_m for w in welded)
            )
        row["detected"] = _over_seeds(_arm(own, advised), _detected)
        row["delay_s"] = _over_seeds(_arm(own, advised), lambda ws: _mean(w.delay_s for w in ws if w.detected))
        row["wrong_corrections_per_weld"] = _over_seeds(
            _arm(own, advised), lambda ws: _mean(w.wrong_corrections for w in ws)
        )
        table[str(code)] = row
    return table


def summarise(welds: Sequence[WeldFigures]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Metrics of the monitor, of the baselines, and the table by imperfection, for a result file."""
    faulty = [w for w in welds if w.imperfection != NOMINAL]
    baselines = {
        "none": _alone(welds),
        "oracle": {
            "imperfection_time_ratio": _ratio(faulty, "oracle"),
            "imperfection_s_per_m": _over_seeds(_arm(faulty, "oracle"), _per_metre),
            "wps_violations": _over_seeds(_arm(welds, "oracle"), lambda own: sum(w.wps_violations for w in own)),
        },
    }
    metrics = _closed_loop_metrics(welds, "monitor")
    metrics["share_of_what_an_oracle_mends"] = _share_of_oracle(faulty, "monitor")
    return metrics, baselines, _table(welds, ARMS, "monitor")


#: Figures of a result file about the machine, and those of a weld's timing of which they are the mean.
_TIMINGS = {
    "late_decisions": "late",
    "decision_age_s": "age_p50_s",
    "decision_age_p99_s": "age_p99_s",
    "not_ok": "not_ok",
    "pace": "pace",
}


def _mean_timing(figure: str, welds: Sequence[WeldFigures]) -> float:
    return _mean(getattr(w.timing, figure) for w in welds if w.timing is not None)


def summarise_live(welds: Sequence[WeldFigures]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The same for welds over DDS, with the same welds in one process as a baseline.

    ``more_than_in_process_s`` is the time with imperfections that a weld has more over DDS than in one process. What
    follows it says whether the machine kept up; see :class:`~msstan_core.closed_loop.timing.Timing`.
    """
    in_process = {(w.imperfection, w.seed): w.any_s for w in welds if w.arm == "monitor"}
    metrics = _closed_loop_metrics(welds, "live")
    metrics["more_than_in_process_s"] = _over_seeds(
        _arm(welds, "live"), lambda own: _mean(w.any_s - in_process[w.imperfection, w.seed] for w in own)
    )
    live = _arm(welds, "live")
    for name, figure in _TIMINGS.items():
        metrics[name] = _over_seeds(live, partial(_mean_timing, figure))
    baselines = {"none": _alone(welds), "in_process": _closed_loop_metrics(welds, "monitor")}
    return metrics, baselines, _table(welds, LIVE_ARMS, "live")


def _detected(welds: list[WeldFigures]) -> float:
    """Share of the welds with the imperfection in which it was suspected."""
    present = [w for w in welds if w.target_s > 0]
    return sum(w.detected for w in present) / len(present) if present else math.nan


def example_of(welds: Sequence[WeldFigures], imperfection: int) -> int:
    """Seed of the first weld for this imperfection in which the oracle more than halves the time; else the first."""
    own = [w for w in welds if w.imperfection == imperfection]
    without = {w.seed: w.any_s for w in own if w.arm == "none"}
    helped = [w.seed for w in own if w.arm == "oracle" and w.any_s < 0.5 * without[w.seed]]
    return min(helped or without)
