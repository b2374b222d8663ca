"""The head in use: whatever goes wrong leads back to the shipped one."""

from __future__ import annotations

import numpy as np
import pytest
from adaptation_cell import LIKE, MEANS, WIDTH, Cell, K

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.guard import LabelledTicks, Scale
from msstan_core.adaptation.settings import AdaptationSettings


def test_a_head_that_fails_the_guard_set_is_taken_back_at_the_next_check() -> None:
    cell = Cell()
    cell.teach()
    bad = cell.guard.shipped.moved(Head(-2.5 * MEANS, np.zeros(K), np.zeros(WIDTH), np.zeros(WIDTH)))
    cell.adapter._rules._use(bad, "step", "a fault")
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


def test_an_unchanged_head_is_judged_once_and_a_changed_one_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    accuracy = Scale.accuracy

    def counted(scale: Scale, head: Head, ticks: LabelledTicks) -> float:
        asked.append(head)
        return accuracy(scale, head, ticks)

    monkeypatch.setattr(Scale, "accuracy", counted)
    cell = Cell()
    cell.teach()
    assert asked[-1] is cell.adapter._in_use.revision.head
    asked.clear()
    learnt = [cell.adapter.status for _ in range(3)][-1]
    assert not asked
    assert learnt.guard_accuracy == cell.adapter._promotion.guard_accuracy(cell.adapter._in_use.revision.head)
    assert learnt.drift > 0
    cell.adapter.roll_back()
    assert cell.adapter.status.guard_accuracy == learnt.shipped_guard_accuracy
    assert cell.adapter.status.drift == 0
    cell.adapter.roll_back(learnt.revision)
    assert cell.adapter.status.guard_accuracy == learnt.guard_accuracy
    assert cell.adapter.status.drift == learnt.drift
