"""The study of adaptation: what it labels, and that it tells a harmful method from a harmless one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.guard import GuardSet, LabelledTicks
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.adaptation_domains import Domain, MetWeld, halves
from msstan_core.studies.adaptation_references import every_label
from msstan_core.studies.adaptation_results import by_job, figures
from msstan_core.studies.adaptation_study import LABELLED, NO_FEEDBACK, Outcome, accuracy, outcomes, spans
from msstan_core.vocabulary import ACTIONS

K = len(ACTIONS)


def domain() -> Domain:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(K), 20)
    means = 2.0 * np.eye(K, K + 1)
    sealed = LabelledTicks((means[labels] + 0.1 * rng.normal(size=(180, K + 1))).astype(np.float32), labels)
    head = Head.shipped(2.0 * means, np.zeros(K))
    here = means.copy()
    here[4] = 0.7 * means[0] + 0.3 * means[4]
    here[4, -1] = 2.0
    welds = []
    for number in range(4):
        truth = np.tile(np.repeat([0, 4, 2], 40), 3)
        embeddings = (here[truth] + 0.1 * rng.normal(size=(len(truth), K + 1))).astype(np.float32)
        logits = head.logits(embeddings).astype(np.float32)
        time_s = np.arange(len(truth)) * 0.04
        welds.append(MetWeld("job", str(number), time_s, logits, embeddings, truth, number % 2, truth))
    return Domain(GuardSet(head, sealed, sealed), np.full(K, 1 / K), 1.0, welds)


def test_right_labels_gain_and_wrong_ones_only_harm_what_has_no_bounds() -> None:
    rows = list(outcomes(domain(), 0))

    def score(method: str, feedback: str) -> float:
        return accuracy(r for r in rows if (r.method, r.feedback) == (method, feedback))

    assert score("ours", "right") > score("frozen", "right") + 0.1
    assert score("ours", "all wrong") >= score("frozen", "all wrong") - 0.01
    assert score("labels without bounds", "all wrong") < score("frozen", "all wrong") - 0.1
    found = figures(rows, {0: 1.0})
    assert found["ours"]["right"]["recovered"]["mean"] > 0.3
    assert found["references"]["no shift"]["recovered"]["mean"] == 1.0
    assert found["references"]["every label"]["accuracy"]["mean"] >= score("ours", "right")
    assert by_job(rows)["right"]["job"]["worst"] > 0


@given(st.lists(st.tuples(st.integers(-1, K - 1), st.integers(1, 60)), min_size=1, max_size=12), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_labels_stay_within_their_share_and_within_one_action(stretches: list[tuple[int, int]], seed: int) -> None:
    labels = np.concatenate([np.full(count, action) for action, count in stretches])
    found = spans(labels, np.random.default_rng(seed))
    assert sum(end - start for start, end in found) <= max(1, LABELLED * len(labels))
    for start, end in found:
        assert len(set(labels[start:end])) == 1
        assert labels[start] >= 0


def test_recovered_shares_against_a_hand_computed_case() -> None:
    def job(seed: int, method: str, feedback: str, right: int, late: int) -> Outcome:
        return Outcome(seed, feedback, method, "job", 100, right, 50, late)

    rows = [
        job(seed, method, feedback, right, late)
        for seed, frozen in ((0, 60), (1, 70))
        for feedback in ("right", "30 % wrong", "all wrong")
        for method, right, late in (("frozen", frozen, frozen // 2), ("ours", frozen + 5, frozen // 2 + 4))
    ] + [
        job(seed, name, NO_FEEDBACK, right, right // 2)
        for seed, known in ((0, 80), (1, 70))
        for name, right in (("no shift", known), ("every label", 72))
    ]
    found = figures(rows, {0: 0.7, 1: 0.7})
    ours = found["ours"]["right"]
    assert ours["recovered"] == {"mean": pytest.approx(0.25), "std": 0.0, "seeds": 1.0}, "seed 1 lost nothing"
    assert ours["recovered_late"]["mean"] == pytest.approx(0.4), "0.68 of 0.6 to 0.8"
    assert ours["recovered_of_home"]["mean"] == pytest.approx(0.5), "0.65 of 0.6 to 0.7"
    assert ours["points_vs_frozen"]["mean"] == pytest.approx(5.0)
    assert found["references"]["every label"]["recovered"]["mean"] == pytest.approx(0.6)
    assert list(by_job(rows)) == ["right", "30 % wrong", "all wrong"]


def test_every_label_of_a_weld_is_learnt_from_the_other_half_only() -> None:
    met = domain()
    welds = met.welds[:2]
    before = every_label(met, welds)
    other_labels = replace(welds[0], labels=np.zeros_like(welds[0].labels))
    after = every_label(met, [other_labels, welds[1]])
    np.testing.assert_array_equal(before[0], after[0])
    assert (before[1] != after[1]).any()
    unlabelled = replace(welds[1], labels=np.full_like(welds[1].labels, UNLABELLED))
    shipped = met.guard.shipped.logits(welds[0].embeddings).argmax(axis=1)
    np.testing.assert_array_equal(every_label(met, [welds[0], unlabelled])[0], shipped)


def test_halves_take_turns_within_a_job_and_differ_by_one_weld_at_most() -> None:
    assert halves(["a", "b", "a", "a", "b"]) == [0, 1, 1, 0, 0]
    assert halves(["a", "b"]) == [0, 1], "one weld each: both halves have one"
