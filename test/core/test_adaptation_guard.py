"""The guard set: what it holds, how it travels with the model, and that a model without one says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.adaptation.adapted_head import Correction, DriftBound, Head
from msstan_core.adaptation.guard import GuardSet, LabelledTicks, Scale, balanced
from msstan_core.errors import InputError
from msstan_core.vocabulary import ACTIONS

WIDTH, K = 6, len(ACTIONS)


def random_head(seed: int, size: float = 1.0) -> Head:
    rng = np.random.default_rng(seed)
    shapes = ((K, WIDTH), (K,), (WIDTH,), (WIDTH,))
    return Head(*(size * rng.normal(size=shape) for shape in shapes))


def ticks(count: int, seed: int = 0) -> LabelledTicks:
    rng = np.random.default_rng(seed)
    return LabelledTicks(rng.normal(size=(count, WIDTH)).astype(np.float32), rng.integers(0, K, count))


def test_guard_set_survives_the_disk(tmp_path: Path) -> None:
    shipped = Head.shipped(random_head(1).weight.astype(np.float32), random_head(1).bias.astype(np.float32))
    GuardSet(shipped, ticks(40), ticks(20, 1)).save(tmp_path / "guard.npz")
    read = GuardSet.load(tmp_path / "guard.npz")
    assert np.array_equal(read.shipped.weight, shipped.weight)
    assert np.array_equal(read.sealed.labels, ticks(40).labels)
    np.testing.assert_allclose(read.reference.embeddings, ticks(20, 1).embeddings, atol=2e-3)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "label"])
def test_damaged_guard_set_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "guard.npz"
    sealed = LabelledTicks(ticks(40).embeddings, np.full(40, K)) if damage == "label" else ticks(40)
    GuardSet(Head.shipped(np.zeros((K, WIDTH)), np.zeros(K)), sealed, ticks(1)).save(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    if damage == "foreign":
        np.savez(path, embeddings=np.zeros(3))
    with pytest.raises(InputError, match=r"guard\.npz"):
        GuardSet.load(path)


def test_guard_takes_of_each_action_and_recording_alike() -> None:
    embeddings = [np.full((50, WIDTH), float(i), np.float32) for i in range(3)]
    labels = [np.array([4] * 40 + [0] * 10), np.array([4] * 5 + [-1] * 45), np.array([4] * 50)]
    taken = balanced(embeddings, labels, 12, np.random.default_rng(0))
    assert (taken.labels == 4).sum() == 12
    assert (taken.labels == 0).sum() == 10
    source = taken.embeddings[taken.labels == 4, 0]
    assert [int((source == i).sum()) for i in range(3)] == [4, 4, 4]
    assert (taken.labels >= 0).all()


def test_accuracy_never_counts_an_untrained_action() -> None:
    bias = np.zeros(K)
    bias[2], bias[5] = 9.0, 1.0
    head = Head.shipped(np.zeros((K, WIDTH)), bias)
    answered = LabelledTicks(np.zeros((4, WIDTH), np.float32), np.full(4, 5))
    assert Scale((np.arange(K) != 2) / (K - 1)).accuracy(head, answered) == 1.0
    assert Scale(np.full(K, 1 / K)).accuracy(head, answered) == 0.0


@given(seed=st.integers(0, 2**31), size=st.floats(0, 1e6), largest=st.floats(1e-3, 2.0))
@settings(max_examples=60, deadline=None)
def test_drift_bound_is_never_exceeded(seed: int, size: float, largest: float) -> None:
    bound = DriftBound(Head.shipped(random_head(0).weight, random_head(0).bias), largest)
    bounded = bound.within(bound.shipped.moved(random_head(seed), size))
    assert bound.drift(bounded) <= largest
    assert bound.within(bounded) is bounded


@given(seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_correction_on_the_networks_logits_is_the_adapted_head(seed: int) -> None:
    shipped = Head.shipped(random_head(0).weight, random_head(0).bias)
    head = shipped.moved(random_head(seed), 0.2)
    embeddings = ticks(5, seed).embeddings
    corrected = Correction.between(2, shipped, head).apply(shipped.logits(embeddings).astype(np.float32), embeddings)
    np.testing.assert_allclose(corrected, head.logits(embeddings), atol=1e-4)


def test_shipped_head_leaves_the_logits_alone_to_the_bit() -> None:
    shipped = Head.shipped(random_head(0).weight, random_head(0).bias)
    logits = np.array([0.1] * K, np.float32)
    same = Correction.between(1, shipped, Head(*(part.copy() for part in shipped.parts())))
    assert same.apply(logits, np.ones(WIDTH, np.float32)) is logits
