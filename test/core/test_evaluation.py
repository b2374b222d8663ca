"""Evaluation: every figure against a hand-computed case or scikit-learn, and the command from bag to file."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from msstan_core.decision.event_log import EventLog
from msstan_core.decision.ranking import at_threshold, average_precision, best_threshold, roc_auc
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.evaluation.actions import (
    action_figures,
    confusion_matrix,
    figures_by_action,
    labelled_ticks,
    onset_delays,
    reliability,
)
from msstan_core.evaluation.attribution import Attribution
from msstan_core.evaluation.bag_scores import score_bag, summarise
from msstan_core.evaluation.imperfections import detection_delay, figures_by_imperfection, imperfection_figures
from msstan_core.evaluation.replayed import ReplayedBag, TimedSpan
from msstan_core.evaluation.spread import over_bags, over_models, rounded
from msstan_core.evaluation.subsets import modality_subsets
from msstan_core.recordings.annotations import Annotation
from msstan_core.recordings.rejections import unused_imperfections
from msstan_core.vocabulary import ACTIONS, ISO_CODES, MODALITIES, Action

IDLE, ARC, COOLING = (ACTIONS.index(a) for a in (Action.IDLE, Action.MATERIAL_DEPOSITION, Action.COOLING))
PORE = ISO_CODES.index(2011)


def replayed(labels: list[int], predicted: list[int], **changes: object) -> ReplayedBag:
    """A replay at ten ticks a second that is sure of what it says (0.8)."""
    n = len(labels)
    probabilities = np.full((n, len(ACTIONS)), 0.2 / 8, np.float32)
    for i, action in enumerate(predicted):
        probabilities[i, action] = 0.8
    bag = ReplayedBag(
        bag="weld",
        group="weld",
        process="GMAW",
        materials="carbon_steel",
        time_s=np.arange(n) / 10,
        labels=np.array(labels),
        predicted=np.array(predicted),
        probabilities=probabilities,
        network_probabilities=probabilities,
        imperfections=np.zeros((n, len(ISO_CODES)), np.float32),
        imperfection_probabilities=np.zeros((n, len(ISO_CODES)), np.float32),
        imperfection_thresholds=np.full((n, len(ISO_CODES)), 0.5, np.float32),
        labelled_spans=(),
        events=(),
        embeddings=np.zeros((n, 4), np.float32),
        attribution=Attribution(*np.full((4, n), np.nan)),
        tick_ms=1.0,
    )
    return replace(bag, **changes)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_ranking_agrees_with_scikit_learn_also_with_ties(rows: list[tuple[bool, int]]) -> None:
    truth, score = np.array([r[0] for r in rows]), np.array([r[1] / 5 for r in rows])
    if truth.any() and not truth.all():
        assert roc_auc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    else:
        assert math.isnan(roc_auc(truth, score))
    if truth.any():
        assert average_precision(truth, score) == pytest.approx(average_precision_score(truth, score))
        assert at_threshold(truth, score, 0.5).f1 == pytest.approx(f1_score(truth, score >= 0.5, zero_division=0))
        best = best_threshold(truth, score)
        assert best.f1 == pytest.approx(max(f1_score(truth, score >= t, zero_division=0) for t in np.unique(score)))
        assert at_threshold(truth, score, best.threshold).f1 == pytest.approx(best.f1)


def test_confusion_counts_labelled_ticks_and_has_a_column_for_unknown() -> None:
    bag = replayed([IDLE, IDLE, ARC, ARC, -1], [IDLE, ARC, ARC, -1, ARC])
    matrix = confusion_matrix(labelled_ticks([bag]))
    assert matrix.sum() == 4
    assert (matrix[IDLE, IDLE], matrix[IDLE, ARC], matrix[ARC, ARC], matrix[ARC, -1]) == (1, 1, 1, 1)
    figures = action_figures([bag])
    assert figures["action_accuracy"] == 0.5
    assert figures["action_recall"] == 0.5
    assert figures["action_macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    bag = replayed([IDLE] * 5 + [ARC] * 5, [IDLE] * 10)
    assert action_figures([bag])["ece"] == pytest.approx(0.3)
    bins = reliability(*(labelled_ticks([bag])[i] for i in (2, 0)))
    assert np.nansum(bins.ticks) == 10
    assert np.nanmax(bins.accuracy) == 0.5


def test_onset_delay_is_signed_and_far_onsets_are_missed() -> None:
    time_s = np.arange(100) / 10
    labels = np.where((time_s >= 3) & (time_s < 8), ARC, IDLE)
    late = np.where((time_s >= 3.4) & (time_s < 8), ARC, IDLE)
    assert onset_delays(time_s, labels, late, ARC) == pytest.approx([0.4])
    early = np.where((time_s >= 2.5) & (time_s < 8), ARC, IDLE)
    assert onset_delays(time_s, labels, early, ARC) == pytest.approx([-0.5])
    far = np.where(time_s >= 6, ARC, IDLE)
    assert np.isnan(onset_delays(time_s, labels, far, ARC)).all()
    # The recording begins in this action: its onset was not seen.
    assert len(onset_delays(time_s, np.full(100, ARC), np.full(100, ARC), ARC)) == 0
    figures = figures_by_action([replayed(labels.tolist(), late.tolist())])
    assert figures["MATERIAL_DEPOSITION"]["onset_delay_s"] == pytest.approx(0.4)
    assert figures["MATERIAL_DEPOSITION"]["onsets_missed"] == 0


def with_pores(events: tuple[TimedSpan, ...], said: float) -> ReplayedBag:
    """100 ticks, pores from 3 to 5 s, of which the probability is ``said`` in 4 to 6 s and 0 elsewhere."""
    time_s = np.arange(100) / 10
    truth, probability = np.zeros((100, len(ISO_CODES)), np.float32), np.zeros((100, len(ISO_CODES)), np.float32)
    truth[(time_s >= 3) & (time_s < 5), PORE] = 1
    probability[(time_s >= 4) & (time_s < 6), PORE] = said
    bag = replayed([ARC] * 100, [ARC] * 100)
    spans = (TimedSpan(2011, 3.0, 5.0, 3.0),)
    return replace(
        bag, imperfections=truth, imperfection_probabilities=probability, labelled_spans=spans, events=events
    )


def test_severities_are_compared_where_both_label_and_event_have_one() -> None:
    def graded(labelled: float, said: float, start_s: float = 3.5) -> ReplayedBag:
        bag = with_pores((TimedSpan(2011, start_s, 5.0, start_s, severity=said),), said=0.8)
        return replace(bag, labelled_spans=(TimedSpan(2011, 3.0, 5.0, 3.0, severity=labelled),))

    bags = [graded(0.2, 0.3), graded(0.6, 0.3), graded(1.0, 0.9), graded(0.6, math.nan), graded(math.nan, 0.5)]
    bags.append(graded(0.1, 0.9, start_s=4.9 + 3))  # reports another time
    pore = figures_by_imperfection(bags, [2011])["2011 gas pore"]
    assert pore["severity_error"] == pytest.approx((0.1 + 0.3 + 0.1) / 3)
    assert pore["severity_deviation"] == pytest.approx((0.4 + 0.0 + 0.4) / 3)
    assert imperfection_figures({"2011 gas pore": pore})["severity_error"] == pore["severity_error"]
    none = figures_by_imperfection([graded(0.2, math.nan)], [2011])["2011 gas pore"]
    assert math.isnan(none["severity_error"]) and math.isnan(none["severity_deviation"])


def test_imperfections_are_scored_at_the_cards_threshold_and_at_the_best_one() -> None:
    bag = with_pores((), said=0.4)
    pore = figures_by_imperfection([bag], [2011])["2011 gas pore"]
    assert pore["threshold"] == 0.5
    assert pore["f1"] == 0
    assert pore["f1_at_best_threshold"] == pytest.approx(0.5)
    lower = replace(bag, imperfection_thresholds=np.full_like(bag.imperfection_thresholds, 0.3))
    assert figures_by_imperfection([lower], [2011])["2011 gas pore"]["f1"] == pytest.approx(0.5)
    both = figures_by_imperfection([lower, bag], [2011])["2011 gas pore"]
    assert both["recall"] == pytest.approx(0.25), "each tick counts from the threshold of its own sensors"


def test_events_give_detection_delay_and_false_alarms() -> None:
    hit, wrong = TimedSpan(2011, 4.0, 6.0, 4.3), TimedSpan(2011, 8.0, 9.0, 8.3)
    pore = figures_by_imperfection([with_pores((hit, wrong), said=0.9)], [2011])["2011 gas pore"]
    assert pore["detected"] == 1
    assert pore["onset_delay_s"] == pytest.approx(1.3)
    assert pore["false_suspicions_per_hour"] == pytest.approx(3600 / 9.9)
    assert pore["alarmed"] == pore["false_alarms_per_hour"] == 0, "suspicions are no alarms"
    alarms = replace(hit, alarm_s=4.8), replace(wrong, alarm_s=8.8)
    alarmed = figures_by_imperfection([with_pores(alarms, said=0.9)], [2011])["2011 gas pore"]
    assert alarmed["alarmed"] == 1 and alarmed["false_alarms_per_hour"] == pytest.approx(3600 / 9.9)
    late = figures_by_imperfection([with_pores((replace(hit, alarm_s=5.6),), said=0.9)], [2011])["2011 gas pore"]
    assert late["detected"] == 1 and late["alarmed"] == 0, "the imperfection had gone when it became an alarm"
    assert math.isnan(detection_delay(TimedSpan(2011, 3.0, 5.0, 3.0), [wrong]))
    # Open before the onset: known at once.
    assert detection_delay(TimedSpan(2011, 3.0, 5.0, 3.0), [TimedSpan(2011, 1.0, 4.0, 1.3)]) == 0


def test_untrained_imperfections_are_listed_and_not_scored() -> None:
    figures = figures_by_imperfection([with_pores((), said=0.9)], [])
    assert figures == {"2011 gas pore": {"trained": False, "spans": 1, "share": pytest.approx(0.2)}}
    assert math.isnan(imperfection_figures(figures)["imperfection_f1"])


def test_labels_that_do_not_claim_to_be_complete_give_no_false_alarms() -> None:
    bag = with_pores((TimedSpan(2011, 8.0, 9.0, 8.3),), said=0.9)
    unknown = replace(bag, imperfections=np.full_like(bag.imperfections, np.nan), labelled_spans=())
    assert "false_suspicions_per_hour" not in figures_by_imperfection([unknown], [2011])["2011 gas pore"]


def test_figures_per_bag_survive_a_bag_without_arc() -> None:
    scores = [score_bag(replayed([IDLE] * 9, [IDLE] * 9)), score_bag(replayed([IDLE, ARC, IDLE], [IDLE, ARC, ARC]))]
    summary = summarise(scores)
    assert summary["accuracy"]["mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert summary["arc_off_delay_s"]["mean"] == pytest.approx(0.1)


def test_spread_is_over_bags_for_one_model_and_over_models_for_several() -> None:
    good, bad = replayed([IDLE] * 8, [IDLE] * 8), replayed([IDLE] * 8, [ARC] * 8)
    one = over_bags([good, bad], lambda bags: {"action_accuracy": action_figures(bags)["action_accuracy"]})
    assert one["action_accuracy"]["mean"] == 0.5
    assert 0.2 < one["action_accuracy"]["std"] < 0.5
    assert over_models([one]) == one
    merged = over_models([{"f1": {"mean": 0.2, "std": 9.0}, "by": {"x": 1.0}}, {"f1": {"mean": 0.4, "std": 9.0}}])
    assert merged["f1"] == {"mean": pytest.approx(0.3), "std": pytest.approx(0.1)}
    assert rounded({"a": math.nan, "b": [1.23456]}) == {"a": None, "b": [1.2346]}


def test_subsets_are_all_each_alone_and_each_missing() -> None:
    subsets = modality_subsets(frozenset(MODALITIES))
    assert len(subsets) == 9
    assert {m.label for m in subsets["without camera"]} == {"thermal", "acoustic", "telemetry"}
    assert list(modality_subsets(frozenset(MODALITIES[:1]))) == ["all"]


def event(phase: EventPhase, stamp_s: float, score: float, event_id: int = 1) -> AnomalyEvent:
    return AnomalyEvent(event_id, phase, 2011, "gas pore", score, 0.5, math.nan, 10**9, round(stamp_s * 1e9), 0.02)


def test_event_log_keeps_each_event_once_from_onset_to_clearance() -> None:
    log = EventLog()
    log.add([event(EventPhase.CLEARED, 0.1, math.nan, event_id=7)])  # of what was before this recording
    log.add([event(EventPhase.ONSET, 1.3, 0.6)])
    log.add([event(EventPhase.ONGOING, 1.4, 0.9)])
    (entry,) = log.entries
    assert entry.open
    log.add([event(EventPhase.CLEARED, 2.0, 0.1)])
    (entry,) = log.entries
    assert (entry.onset_ns, entry.said_ns, entry.end_ns, entry.peak) == (10**9, 1_300_000_000, 2 * 10**9, 0.9)
    assert not entry.open


def test_best_threshold_counts_equal_scores_together_and_keeps_above_its_floor() -> None:
    truth = np.array([True, False, True, False, False])
    score = np.array([2.0, 2.0, 1.0, 0.5, 0.5])
    best = best_threshold(truth, score)
    assert (best.threshold, best.f1) == (1.0, pytest.approx(0.8))
    assert best.f1 == pytest.approx(at_threshold(truth, score, best.threshold).f1)
    above = best_threshold(truth, score, above=1.5)
    assert (above.threshold, above.f1) == (2.0, pytest.approx(0.5)), "the equal score below it counts as found too"
    assert math.isnan(best_threshold(truth, score, above=2.0).f1)


def test_labels_that_do_not_claim_to_be_complete_are_said_not_to_count() -> None:
    labelled = [Annotation(0.0, 1.0, "action", "IDLE"), Annotation(0.2, 0.4, "imperfection", "602")]
    (line,) = unused_imperfections(labelled, complete=False)
    assert line.startswith("1 labelled imperfections are not used") and "imperfections_complete" in line
    assert not unused_imperfections(labelled, complete=True) and not unused_imperfections(labelled[:1], complete=False)
