"""Adaptation: it learns what is labelled, within its bounds, and whatever goes wrong leads back to the shipped head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.consistency import consistency
from msstan_core.adaptation.feedback import JOURNAL_FILE, Feedback
from msstan_core.adaptation.guard import GuardSet, LabelledTicks
from msstan_core.adaptation.memory import LabelledMemory
from msstan_core.adaptation.observed_ticks import ObservedTick, boundary_gate
from msstan_core.adaptation.output_prior import LARGEST_SHIFT, OutputPrior
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.errors import InputError
from msstan_core.vocabulary import ACTIONS, Action

K, WIDTH = len(ACTIONS), len(ACTIONS) + 2
SHARES = np.full(K, 1 / K)
MEANS = 2.0 * np.eye(K, WIDTH)
#: In the new cell this action looks mostly like another, and something appears that training never showed.
MOVED, LIKE = ACTIONS.index(Action.MATERIAL_DEPOSITION), ACTIONS.index(Action.IDLE)
STEP_NS = 40_000_000


def seen(action: int, count: int, rng: np.random.Generator, *, here: bool = True) -> NDArray[np.float32]:
    mean = MEANS[action].copy()
    if here and action == MOVED:
        mean = 0.7 * MEANS[LIKE] + 0.3 * MEANS[MOVED]
        mean[-1] = 2.0
    return (mean + 0.15 * rng.normal(size=(count, WIDTH))).astype(np.float32)


def guard() -> GuardSet:
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(2):
        embeddings = np.concatenate([seen(a, 20, rng, here=False) for a in range(K)])
        parts.append(LabelledTicks(embeddings, np.repeat(np.arange(K), 20)))
    return GuardSet(Head.shipped(2.0 * MEANS, np.zeros(K)), *parts)


class Cell:
    """Welds in front of an adapter; time passes by ticks."""

    def __init__(self, folder: Path | None = None, **chosen: object) -> None:
        self.guard, self.rng, self.stamp_ns, self.now_s = guard(), np.random.default_rng(1), 10**9, 0.0
        asked = AdaptationSettings.model_validate({"enabled": True, **chosen})
        self.adapter = Adapter(self.guard, SHARES, "sha", asked, folder, clock=lambda: self.now_s)
        self.job = "job a"

    def weld(self, action: int, count: int = 20, **about: object) -> tuple[int, int]:
        """Span of the ticks welded, ns."""
        start = self.stamp_ns
        for embedding in seen(action, count, self.rng):
            logits = self.guard.shipped.logits(embedding).astype(np.float32)
            published = np.full(K, 1 / K, np.float32)
            tick = replace(ObservedTick(self.stamp_ns, embedding, published), **about)  # type: ignore[arg-type]
            self.adapter.observe(tick, logits, self.job)
            self.stamp_ns += STEP_NS
            self.now_s += STEP_NS / 1e9
        return start, self.stamp_ns - STEP_NS

    def label(self, action: int, says: int | None = None, **about: object) -> tuple[int, str]:
        start, end = self.weld(action, **about)
        return self.adapter.take(Feedback(start, end, "test", ACTIONS[action if says is None else says]))

    def teach(self, spans: int = 4) -> str:
        changes = ""
        for _ in range(spans):
            self.label(MOVED)
            self.label(LIKE)
            changes += self.adapter.work()
        return changes

    def accuracy(self, action: int) -> float:
        embeddings = seen(action, 100, np.random.default_rng(9))
        logits = self.guard.shipped.logits(embeddings).astype(np.float32)
        return float((self.adapter.correction.apply(logits, embeddings).argmax(axis=1) == action).mean())


@pytest.fixture(scope="module")
def taught() -> Cell:
    cell = Cell()
    cell.teach()
    return cell


def test_what_is_labelled_is_learnt_and_nothing_else_is_lost(taught: Cell) -> None:
    assert Cell().accuracy(MOVED) < 0.2
    assert taught.accuracy(MOVED) > 0.9
    assert min(taught.accuracy(a) for a in range(K) if a != MOVED) > 0.97
    status = taught.adapter.status
    assert status.adapted
    assert status.guard_accuracy >= status.shipped_guard_accuracy
    assert 0 < status.drift <= taught.adapter.settings.largest_drift


def test_every_change_has_its_own_number_and_answers_say_it(taught: Cell) -> None:
    logits, revision = taught.adapter.corrected(np.zeros(K, np.float32), np.zeros(WIDTH, np.float32))
    assert revision == taught.adapter.status.revision > 1
    assert np.isfinite(logits).all()


def test_off_by_default_nothing_is_learnt() -> None:
    cell = Cell(enabled=AdaptationSettings().enabled)
    assert not cell.teach()
    assert not cell.adapter.status.adapted


@pytest.mark.parametrize("about", [{"anomaly_open": True}, {"input_flaw": "camera is stale"}])
def test_flagged_ticks_are_never_learnt_from(about: dict[str, object]) -> None:
    cell = Cell()
    with pytest.raises(InputError, match=r"anomaly|stale"):
        cell.label(MOVED, **about)
    assert cell.adapter.status.held_ticks == 0


@pytest.mark.parametrize("hindrance", ["anomaly", "stale"])
def test_learning_waits_while_an_anomaly_is_open_or_no_tick_arrives(hindrance: str) -> None:
    cell = Cell()
    for _ in range(4):
        cell.label(MOVED)
        cell.label(LIKE)
    if hindrance == "anomaly":
        cell.weld(LIKE, 1, anomaly_open=True)
    else:
        cell.now_s += 5.0
    assert not cell.adapter.work()
    assert cell.adapter.status.paused
    cell.weld(LIKE, 1)
    assert "step" in cell.adapter.work()  # and goes on by itself


def test_false_labels_are_not_promoted_against_the_guard_set() -> None:
    cell = Cell()
    for _ in range(6):
        cell.label(LIKE, says=2)
        cell.label(2, says=LIKE)
        cell.adapter.work()
    assert cell.accuracy(LIKE) > 0.97
    assert cell.accuracy(2) > 0.97


def test_a_head_that_fails_the_guard_set_is_taken_back_at_the_next_check() -> None:
    cell = Cell()
    cell.teach()
    bad = cell.guard.shipped.moved(Head(-2.5 * MEANS, np.zeros(K), np.zeros(WIDTH), np.zeros(WIDTH)))
    cell.adapter._use(bad, "step", "a fault")
    assert "rollback" in cell.adapter.work()
    assert not cell.adapter.status.adapted
    assert not cell.adapter.status.adapting
    assert AdaptationSettings.model_fields["watch_period_s"].metadata[-1].le <= 0.5  # so within a second


def test_an_answer_that_is_not_finite_is_never_given() -> None:
    cell = Cell()
    cell.teach()
    assert cell.adapter.correction.weight is not None
    cell.adapter.correction.weight[:] = np.nan
    logits, _ = cell.adapter.corrected(np.zeros(K, np.float32), np.zeros(WIDTH, np.float32))
    assert np.isfinite(logits).all()
    assert "not finite" in cell.adapter.work()


def test_feedback_that_contradicts_the_head_in_use_takes_it_back() -> None:
    cell = Cell()
    cell.teach()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell.adapter._promotion, "against_shipped", lambda *_: -1)
        for _ in range(3):
            cell.label(LIKE)
    assert "rollback" in cell.adapter.work()


def test_another_job_answers_with_the_shipped_head_from_its_first_tick() -> None:
    cell = Cell()
    cell.teach()
    before = cell.adapter.status.revision
    cell.job = "job b"
    cell.weld(LIKE, 1)
    assert cell.adapter.correction.weight is None
    assert cell.adapter.correction.revision > before
    cell.adapter.work()
    assert cell.adapter.status.spans == 0


def test_a_revision_is_restored_exactly_after_a_crash_and_numbers_go_on(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    old = cell.adapter.status
    (tmp_path / "revision-00000099.npz.part").write_bytes(b"half")  # the crash came in mid-write
    again = Cell(tmp_path)
    again.weld(LIKE, 1)
    again.adapter.work()
    assert again.adapter.status.adapted
    assert again.adapter.status.revision > old.revision
    np.testing.assert_array_equal(again.adapter.correction.weight, cell.adapter.correction.weight)


def test_a_decayed_revision_is_passed_over(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    for path in tmp_path.glob("revision-*.npz"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(bytes(content))
    again = Cell(tmp_path)
    again.weld(LIKE, 1)
    again.adapter.work()
    assert not again.adapter.status.adapted


def test_operator_goes_back_to_any_revision_and_is_told_which_there_are() -> None:
    cell = Cell()
    cell.teach()
    number, weight = cell.adapter.status.revision, cell.adapter.correction.weight
    cell.adapter.roll_back(0)
    assert not cell.adapter.status.adapted
    assert not cell.adapter.status.adapting
    cell.adapter.roll_back(number)
    np.testing.assert_array_equal(cell.adapter.correction.weight, weight)
    with pytest.raises(InputError, match=str(number)):
        cell.adapter.roll_back(12345)


def test_a_guard_set_of_other_weights_is_noticed_at_the_first_tick() -> None:
    cell = Cell()
    tick = ObservedTick(1, np.ones(WIDTH, np.float32), np.full(K, 1 / K, np.float32))
    cell.adapter.observe(tick, np.full(K, 7.0, np.float32), "job a")
    with pytest.raises(InputError, match="other weights"):
        cell.adapter.enable()


def test_labels_survive_in_a_journal_and_imperfections_only_there(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    start, end = cell.weld(LIKE)
    count, text = cell.adapter.take(Feedback(start, end, "inspection", iso_code=2017, present=True))
    assert count == 20
    assert "never adapted" in text
    assert "inspection" in (tmp_path / JOURNAL_FILE).read_text()
    assert cell.adapter.status.held_ticks == 0


@pytest.mark.parametrize(
    "feedback",
    [
        Feedback(5, 4, "x", Action.IDLE),
        Feedback(1, 4, " ", Action.IDLE),
        Feedback(1, 4, "x", iso_code=77),
        Feedback(1, 4, "x", Action.IDLE, severity=2.0),
    ],
)
def test_feedback_that_makes_no_sense_is_refused(feedback: Feedback) -> None:
    with pytest.raises(InputError, match="feedback"):
        Cell().adapter.take(feedback)


@given(st.lists(st.tuples(st.integers(0, K - 1), st.integers(1, 40)), max_size=60))
@settings(max_examples=40, deadline=None)
def test_memory_is_bounded_and_balanced_whatever_is_labelled(spans: list[tuple[int, int]]) -> None:
    memory = LabelledMemory(per_action=10, per_span=4, width=2)
    for action, count in spans:
        ticks = [ObservedTick(i, np.zeros(2, np.float32), np.zeros(K, np.float32)) for i in range(count)]
        memory.add(ticks, action)
    for ticks in (memory.lessons().ticks, memory.judged()):
        assert np.bincount(ticks.labels, minlength=K).max(initial=0) <= 10
    assert memory.spans == len(spans)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_gradient_of_the_consistency_term_is_its_slope(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, gate = rng.normal(size=(2, 3, K)), rng.random(3)

    def loss(values: NDArray[np.float64]) -> float:
        p = np.exp(values) / np.exp(values).sum(axis=-1, keepdims=True)
        return consistency(p[0], p[1], gate)[0]

    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    _, before, now = consistency(p[0], p[1], gate)
    way = rng.normal(size=logits.shape)
    slope = (loss(logits + 1e-5 * way) - loss(logits - 1e-5 * way)) / 2e-5
    assert slope == pytest.approx(float((np.stack([before, now]) * way).sum()), abs=1e-7)


def test_a_true_change_of_action_is_not_punished() -> None:
    idle, other = np.eye(K, dtype=np.float32)[:2]
    assert boundary_gate(idle, other) == 0.0
    assert boundary_gate(idle, idle) == 1.0
    assert boundary_gate(idle, np.full(K, np.nan, np.float32)) == 0.0


@given(st.lists(st.integers(0, K - 1), min_size=1, max_size=300))
@settings(max_examples=30, deadline=None)
def test_unlabelled_mode_shifts_no_probability_by_more_than_its_bound(actions: list[int]) -> None:
    prior = OutputPrior(SHARES, 10.0)
    even = np.full(K, 1 / K, np.float32)
    for second, action in enumerate(actions):
        prior.update(float(second), np.eye(K, dtype=np.float32)[action], learn=True)
    shifted = prior.update(1e4, even, learn=False)
    assert np.abs(np.log(shifted[:, None] / shifted)).max() <= 2 * LARGEST_SHIFT + 1e-5
    prior.reset()
    np.testing.assert_allclose(prior.update(0.0, even, learn=False), even, rtol=1e-5)
