"""A label is answered before it is learnt, and that decides whether learning pays."""

from __future__ import annotations

import numpy as np
import pytest
from adaptation_cell import LIKE, MEANS, MOVED, SHARES, WIDTH, Cell, K, guard
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.adapted_head import DriftBound, Head
from msstan_core.adaptation.feedback import Feedback
from msstan_core.adaptation.guard import LabelledTicks, Scale
from msstan_core.adaptation.labelled_memory import LabelledMemory
from msstan_core.adaptation.learning import EVALUATIONS, Objective, learn
from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.adaptation.trial import MOST_SPANS, Trial
from msstan_core.vocabulary import ACTIONS

SHIPPED = Head.shipped(2.0 * MEANS, np.zeros(K))


def span(action: int, says: int | None = None, count: int = 5) -> LabelledTicks:
    embeddings = np.repeat(MEANS[[action]], count, axis=0).astype(np.float32)
    return LabelledTicks(embeddings, np.full(count, action if says is None else says))


def favouring(action: int, by: float) -> Head:
    return SHIPPED.moved(Head(np.zeros((K, WIDTH)), by * np.eye(K)[action], np.zeros(WIDTH), np.zeros(WIDTH)))


def test_nothing_is_said_before_two_spans() -> None:
    trial = Trial(SHIPPED, Scale(SHARES))
    assert trial.doubt and not trial.harm
    trial.add(favouring(1, 1.0), span(1))
    assert trial.doubt and not trial.harm
    trial.add(favouring(1, 1.0), span(1))
    assert not trial.doubt


def test_a_shadow_that_answers_the_next_labels_worse_is_harm() -> None:
    trial = Trial(SHIPPED, Scale(SHARES))
    for _ in range(3):
        trial.add(favouring(2, 1.0), span(1))
    assert "no better" in trial.harm and trial.doubt == trial.harm


def test_labels_that_contradict_the_shipped_head_everywhere_are_not_believed() -> None:
    trial = Trial(SHIPPED, Scale(SHARES))
    for action in range(K):
        wrong = (action + 1) % K
        trial.add(favouring(wrong, 9.0), span(action, says=wrong))
    assert "contradict" in trial.harm


@given(st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), max_size=3 * MOST_SPANS))
@settings(max_examples=20, deadline=None)
def test_trial_is_bounded_and_the_shipped_head_never_beats_itself(labels: list[tuple[int, int]]) -> None:
    trial = Trial(SHIPPED, Scale(SHARES))
    for action, says in labels:
        trial.add(SHIPPED, span(action, says, 1))
    assert len(trial) <= MOST_SPANS
    assert trial.doubt, "as good is not better"


def test_a_span_labelled_again_proves_nothing() -> None:
    cell = Cell()
    cell.teach(1)
    start, end = cell.weld(LIKE)
    for _ in range(3):
        cell.adapter.take(Feedback(start, end, "test", ACTIONS[LIKE]))
        cell.adapter.work()
    whole = len(cell.adapter._teaching.trial)
    cell.adapter.take(Feedback(start, start + 1, "test", ACTIONS[LIKE]))  # its first tick is always remembered
    assert len(cell.adapter._teaching.trial) == whole


def test_no_head_is_used_on_the_word_of_one_span_that_is_labelled_often() -> None:
    cell = Cell(enabled=False)
    cell.label(LIKE)
    start, end = cell.weld(MOVED)
    for _ in range(cell.adapter.settings.least_spans):
        cell.adapter.take(Feedback(start, end, "test", ACTIONS[MOVED]))
    cell.adapter.enable()
    assert not cell.adapter.work()
    assert cell.adapter.status.spans == 2


def test_a_corrected_label_replaces_the_wrong_one() -> None:
    cell = Cell()
    cell.teach()
    spans, judged = cell.adapter.status.spans, len(cell.adapter._teaching.trial)
    start, end = cell.weld(MOVED)
    for says in (LIKE, MOVED):
        cell.adapter.take(Feedback(start, end, "test", ACTIONS[says]))
        ticks = cell.adapter._teaching.memory.lessons().ticks
        held = {int(label) for (ns, _), label in zip(ticks.keys, ticks.labels, strict=True) if ns >= start}
        assert held == {says}
        assert cell.adapter.status.spans == spans + 1
    assert len(cell.adapter._teaching.trial) == judged, "what was said wrongly judges nothing"


def test_a_label_that_is_corrected_while_it_is_learnt_is_learnt_anew() -> None:
    cell = Cell()
    start, end = cell.weld(MOVED)
    cell.adapter.take(Feedback(start, end, "test", ACTIONS[LIKE]))
    for _ in range(3):
        cell.label(MOVED)
        cell.label(LIKE)
    assert not cell.adapter.work(lambda: cell.adapter.take(Feedback(start, end, "test", ACTIONS[MOVED])))
    assert "step" in cell.adapter.work()


def test_labels_that_turn_against_what_was_learnt_bring_the_shipped_head_back() -> None:
    cell = Cell()
    cell.teach()
    assert cell.adapter.status.adapted
    changes = ""
    for _ in range(MOST_SPANS):
        cell.label(MOVED, says=LIKE)
        changes += cell.adapter.work()
        if not cell.adapter.status.adapted:
            break
    assert "rollback" in changes


@given(st.integers(0, 2**31), st.floats(0.01, 1.0), st.integers(0, 12))
@settings(max_examples=10, deadline=None)
def test_whatever_is_labelled_a_shadow_stays_within_its_bound(seed: int, largest: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    memory = LabelledMemory(per_action=8, per_span=4, width=WIDTH)
    for number in range(count):
        embeddings = rng.normal(size=(4, WIDTH)).astype(np.float32)
        ticks = [ObservedTick(9 * number + i, e, np.zeros(K, np.float32)) for i, e in enumerate(embeddings)]
        memory.add(ticks, int(rng.integers(K)))
    breaths = []
    bound = DriftBound(SHIPPED, largest)
    asked = AdaptationSettings(largest_drift=largest, reference=0.0)
    objective = Objective(SHIPPED, memory.lessons(), guard().reference, SHARES, asked)
    head = learn(objective, bound, lambda: breaths.append(1))
    assert head.finite and bound.drift(head) <= largest
    assert 0 < len(breaths) <= EVALUATIONS + 25, "a line search may end a little later"
    assert objective(head)[0] <= objective(SHIPPED)[0] + 1e-9


def test_learning_again_from_the_same_memory_gives_the_same_head() -> None:
    asked = AdaptationSettings()
    memory = LabelledMemory(8, 4, WIDTH)
    objective = Objective(SHIPPED, memory.lessons(), guard().reference, SHARES, asked)
    first, second = (learn(objective, DriftBound(SHIPPED, 0.5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first.parts(), second.parts(), strict=True))


def test_learning_ends_when_it_is_asked_to() -> None:
    class Ended(Exception):
        pass

    def breathe() -> None:
        raise Ended

    objective = Objective(
        SHIPPED, LabelledMemory(8, 4, WIDTH).lessons(), guard().reference, SHARES, AdaptationSettings()
    )
    with pytest.raises(Ended):
        learn(objective, DriftBound(SHIPPED, 0.5), breathe)
