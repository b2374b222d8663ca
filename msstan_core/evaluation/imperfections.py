"""Imperfections: ranking over ticks, thresholds, and what became of them as events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.action_scales import expected_calibration_error
from msstan_core.decision.ranking import at_threshold, average_precision, best_threshold, roc_auc
from msstan_core.evaluation.replayed import ReplayedBag, TimedSpan
from msstan_core.evaluation.spread import finite_mean
from msstan_core.vocabulary import IMPERFECTIONS

#: A report this long after an imperfection has ended still belongs to it, s: what an event needs to be said.
GRACE_S = 0.5


def figures_by_imperfection(bags: Sequence[ReplayedBag], trained: Sequence[int]) -> dict[str, dict[str, Any]]:
    """ISO code and term -> figures, of every imperfection that occurs or that the model was trained on.

    Args:
        bags: replays. trained: ISO codes that the model makes statements about.

    Returns:
        ``f1``, ``precision`` and ``recall`` over ticks at the threshold of each, which is the model card's for the
        sensors of the moment; ``threshold``, the usual one; ``confidence``, the mean probability of the
        ticks from there on, as much as the precision where probabilities mean what they say; ``ece``;
        ``f1_at_best_threshold``, which is chosen on this very data and is a bound, no result; ``auc``;
        ``average_precision`` beside ``share`` (what chance gives);
        ``spans`` labelled, ``detected`` share of them, ``onset_delay_s`` median from onset to the report;
        ``false_suspicions_per_hour`` of these reports, which may become alarms or not; ``alarmed`` and
        ``false_alarms_per_hour``: share and rate of alarms alone; ``severity_error``, mean distance of the severity
        that an event says from the labelled one, beside ``severity_deviation``, what saying the median of these
        labels would give. One that the model was not trained on has only
        ``share``, ``spans`` and ``trained: False``.
    """
    out: dict[str, dict[str, Any]] = {}
    for column, imperfection in enumerate(IMPERFECTIONS):
        code = imperfection.iso_code
        truth, score, thresholds = _ticks(bags, column)
        spans = sum(s.iso_code == code for b in bags for s in b.labelled_spans)
        if code not in trained and not spans:
            continue
        own: dict[str, Any] = {
            "trained": code in trained,
            "spans": spans,
            "share": float(truth.mean()) if len(truth) else math.nan,
        }
        if code in trained and len(truth):
            own |= _of_ticks(truth, score, thresholds)
            own |= _of_events(bags, code)
        out[f"{code} {imperfection.name}"] = own
    return out


def imperfection_figures(by_imperfection: Mapping[str, Mapping[str, Any]], *, ranked: bool = True) -> dict[str, float]:
    """Means over the trained imperfections that occur; false suspicions and alarms are summed over all trained ones."""
    judged = [f for f in by_imperfection.values() if f.get("trained") and math.isfinite(f.get("f1", math.nan))]
    trained = [f for f in by_imperfection.values() if f.get("trained") and "false_suspicions_per_hour" in f]

    def summed(figure: str) -> float:
        return float(sum(f[figure] for f in trained)) if trained else math.nan

    figures = {
        "imperfection_f1": finite_mean([f["f1"] for f in judged]),
        "imperfection_f1_at_best_thresholds": finite_mean([f["f1_at_best_threshold"] for f in judged]),
        "imperfections_detected": finite_mean([f["detected"] for f in judged]),
        "imperfection_onset_delay_s": finite_mean([f["onset_delay_s"] for f in judged]),
        "false_suspicions_per_hour": summed("false_suspicions_per_hour"),
        "imperfections_alarmed": finite_mean([f["alarmed"] for f in judged]),
        "false_alarms_per_hour": summed("false_alarms_per_hour"),
        "severity_error": finite_mean([f["severity_error"] for f in judged]),
        "severity_deviation": finite_mean([f["severity_deviation"] for f in judged]),
    }
    if ranked:
        figures["imperfection_auc"] = finite_mean([f["auc"] for f in judged])
        figures["imperfection_map"] = finite_mean([f["average_precision"] for f in judged])
    return figures


def _ticks(
    bags: Sequence[ReplayedBag], column: int
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """Truth, score and threshold over the ticks where the truth is known; a tick without a statement scores 0."""
    truth = np.concatenate([b.imperfections[:, column] for b in bags])
    score = np.concatenate([b.imperfection_probabilities[:, column] for b in bags])
    thresholds = np.concatenate([b.imperfection_thresholds[:, column] for b in bags])
    known = np.isfinite(truth)
    return truth[known] > 0, np.nan_to_num(score[known]), thresholds[known]


def _of_ticks(
    truth: NDArray[np.bool_], score: NDArray[np.float32], thresholds: NDArray[np.float32]
) -> dict[str, float]:
    chosen, best = at_threshold(truth, score, thresholds), best_threshold(truth, score)
    return {
        "f1": chosen.f1,
        "precision": chosen.precision,
        "recall": chosen.recall,
        "confidence": finite_mean(score[score >= thresholds].tolist()),
        "ece": expected_calibration_error(score, truth),
        "threshold": float(np.median(thresholds)),
        "f1_at_best_threshold": best.f1,
        "best_threshold": best.threshold,
        "auc": roc_auc(truth, score),
        "average_precision": average_precision(truth, score),
    }


def _of_events(bags: Sequence[ReplayedBag], code: int) -> dict[str, float]:
    delays: list[float] = []
    alarmed: list[bool] = []
    severities: list[tuple[float, float]] = []  # said, labelled
    false_suspicions, false_alarms, hours = 0, 0, 0.0
    for bag in bags:
        if not bag.hours_complete:
            continue
        hours += bag.hours_complete
        spans = [s for s in bag.labelled_spans if s.iso_code == code]
        events = [e for e in bag.events if e.iso_code == code]
        delays += [detection_delay(span, events) for span in spans]
        alarms = [replace(e, start_s=e.alarm_s) for e in events if math.isfinite(e.alarm_s)]
        alarmed += [any(_overlap(span, alarm) for alarm in alarms) for span in spans]
        severities += [(said, s.severity) for s in spans if math.isfinite(said := _severity_said(s, events))]
        false_suspicions += _without_cause(events, spans)
        false_alarms += _without_cause(alarms, spans)
    found = [d for d in delays if math.isfinite(d)]
    graded = np.array(severities).reshape(-1, 2)
    truth = graded[:, 1]
    return {
        "detected": len(found) / len(delays) if delays else math.nan,
        "onset_delay_s": float(np.median(found)) if found else math.nan,
        "false_suspicions_per_hour": false_suspicions / hours if hours else math.nan,
        "alarmed": finite_mean([float(a) for a in alarmed]),
        "false_alarms_per_hour": false_alarms / hours if hours else math.nan,
        "severity_error": finite_mean(abs(graded[:, 0] - truth).tolist()),
        "severity_deviation": finite_mean(abs(truth - np.median(truth)).tolist()) if len(truth) else math.nan,
    }


def _severity_said(span: TimedSpan, events: Sequence[TimedSpan]) -> float:
    """The highest of the reports that overlap a span with a labelled severity; NaN where none says one."""
    said = [e.severity for e in events if _overlap(span, e) and math.isfinite(e.severity)]
    return max(said) if said and math.isfinite(span.severity) else math.nan


def _without_cause(events: Sequence[TimedSpan], spans: Sequence[TimedSpan]) -> int:
    return sum(not any(_overlap(span, event) for span in spans) for event in events)


def detection_delay(span: TimedSpan, events: Sequence[TimedSpan]) -> float:
    """From the onset until a report that overlaps the imperfection, s; 0 when it was open before; NaN when missed."""
    said = [event.known_s for event in events if _overlap(span, event)]
    return max(min(said) - span.start_s, 0.0) if said else math.nan


def _overlap(span: TimedSpan, event: TimedSpan) -> bool:
    return event.start_s <= span.end_s + GRACE_S and event.end_s >= span.start_s
