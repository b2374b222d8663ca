"""Which job a head belongs to: another one is answered by the shipped head, one that nobody told of ends none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adaptation_cell import LIKE, WIDTH, Cell, K

from msstan_core.adaptation.answering import UNTOLD, job_of
from msstan_core.decision.pipeline import Monitor
from msstan_core.observation import Tick, WeldContext
from msstan_core.resources import default_model_dir


def taught(folder: Path | None = None) -> Cell:
    cell = Cell(folder)
    assert "step" in cell.teach()
    return cell


def test_a_tick_before_the_weld_context_does_not_cost_the_head_of_the_job(tmp_path: Path) -> None:
    old = taught(tmp_path).adapter
    again = Cell(tmp_path)
    again.job = UNTOLD
    again.weld(LIKE, 1)
    assert not again.adapter.work()
    again.job = "job a"
    again.weld(LIKE, 1)
    assert "restored" in again.adapter.work()
    np.testing.assert_array_equal(again.adapter.correction.weight, old.correction.weight)
    again.adapter.roll_back(old.status.revision)


def test_a_session_that_begins_without_context_goes_on_with_the_job() -> None:
    cell = taught()
    before, spans = cell.adapter.status.revision, cell.adapter.status.spans
    for cell.job in (UNTOLD, "job a"):
        cell.weld(LIKE, 2)
        assert cell.adapter.correction.weight is not None
        cell.adapter.work()
    assert cell.adapter.status.revision >= before
    assert cell.adapter.status.spans == spans


def test_what_was_learnt_before_the_first_weld_context_is_not_of_that_job() -> None:
    cell = Cell()
    cell.job = UNTOLD
    cell.teach()
    cell.job = "job a"
    cell.weld(LIKE, 1)
    assert cell.adapter.correction.weight is None
    cell.adapter.work()
    assert not cell.adapter.status.adapted


def test_another_job_and_back_between_two_rounds_is_told_apart_from_nothing() -> None:
    cell = taught()
    for cell.job in ("job b", "job a"):
        cell.weld(LIKE, 1)
    assert "another job" in cell.adapter.work()
    status = cell.adapter.status
    assert not status.adapted
    assert status.drift == 0
    assert status.spans == 0
    assert status.guard_accuracy == status.shipped_guard_accuracy
    assert cell.adapter._in_use.revision.number == status.revision
    assert not cell.adapter._in_use.adapted


def test_a_change_of_job_is_told_also_where_a_label_noticed_it_first(tmp_path: Path) -> None:
    cell = taught(tmp_path)
    cell.job = "job b"
    cell.label(LIKE)
    assert "another job" in cell.adapter.work()
    cell.job = "job c"
    cell.weld(LIKE, 1)
    assert not cell.adapter.work(), "nothing changes where the shipped head answered"
    assert "another job" in cell.adapter.status.last_change


def test_another_job_is_heard_before_its_first_tick_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = taught()
    adapter = cell.adapter
    assert adapter.correction.weight is not None
    adapter.hear_job("job b")
    logits = np.zeros(K, np.float32)
    assert adapter.corrected(logits, np.ones(WIDTH, np.float32))[0] is logits

    calls = []
    monitor = Monitor.load(default_model_dir())
    monitor.adapter = adapter
    monkeypatch.setattr(adapter, "hear_job", lambda job: calls.append(job))
    monkeypatch.setattr(adapter, "corrected", lambda logits, embedding: calls.append("corrected") or (logits, 7))
    monkeypatch.setattr(adapter, "observe", lambda *_: calls.append("observed"))
    context = WeldContext(job_id="b")
    assert monitor.step(Tick(index=0, stamp_ns=1, context=context)).model_revision == 7
    assert calls == [job_of(context), "corrected", "observed"]
