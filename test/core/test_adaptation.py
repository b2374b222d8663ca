"""Adaptation learns what is labelled, within its bounds, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from adaptation_cell import LIKE, MOVED, WIDTH, Cell, K

from msstan_core.adaptation.observed_ticks import ObservedTick
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.errors import InputError


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


def test_a_guard_set_of_other_weights_is_noticed_at_the_first_tick() -> None:
    cell = Cell()
    tick = ObservedTick(1, np.ones(WIDTH, np.float32), np.full(K, 1 / K, np.float32))
    cell.adapter.hear_job("job a")
    cell.adapter.observe(tick, np.full(K, 7.0, np.float32))
    with pytest.raises(InputError, match="other weights"):
        cell.adapter.enable()
