"""The study of adaptation: what it labels, and that it tells a harmful method from a harmless one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.guard import GuardSet, LabelledTicks
from msstan_core.commands.study_adaptation import by_job, figures
from msstan_core.studies.adaptation_domains import Domain, MetWeld
from msstan_core.studies.adaptation_study import LABELLED, accuracy, outcomes, spans
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
        welds.append(MetWeld("job", str(number), np.arange(len(truth)) * 0.04, logits, embeddings, truth))
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
