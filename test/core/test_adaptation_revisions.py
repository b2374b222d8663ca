"""Revisions survive a crash, and an operator can go back to each."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from adaptation_cell import LIKE, MEANS, MOVED, Cell, K

from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.revisions import KEPT, Revision, RevisionStore
from msstan_core.errors import InputError


def test_a_revision_is_restored_exactly_after_a_crash_and_numbers_go_on(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    old = cell.adapter.status
    (tmp_path / "revision-00000099.4711.part.npz").write_bytes(b"half")  # the crash came in mid-write
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


def test_nobody_goes_back_to_a_revision_of_another_job() -> None:
    cell = Cell()
    cell.teach()
    number = cell.adapter.status.revision
    cell.job = "job b"
    cell.weld(LIKE)
    with pytest.raises(InputError, match=f"revision {number} is not kept for this job") as refused:
        cell.adapter.roll_back(number)
    assert str(number) not in refused.value.remedy
    assert not cell.adapter.status.adapted
    assert cell.adapter.status.adapting, "what is refused freezes nothing"


def test_files_of_earlier_runs_give_way_and_jobs_without_learning_leave_none(tmp_path: Path) -> None:
    for run in range(1, 2 * KEPT, KEPT // 2):
        store = RevisionStore(tmp_path)
        for number in range(run, run + KEPT // 2):
            store.keep(Revision(number, Head.shipped(MEANS, np.zeros(K)), "step", "", "sha", "job a", 1.0, 0.0, 3))
    (tmp_path / "revision-00000001.npz").write_bytes(b"decayed")
    cell = Cell(tmp_path)
    cell.teach()
    files = sorted(path.name for path in tmp_path.glob("revision-*.npz"))
    assert len(files) == KEPT
    for job in ("job b", "job c", "job d"):
        cell.job = job
        cell.weld(LIKE, 1)
        cell.adapter.work()
    assert len(set(files) - {path.name for path in tmp_path.iterdir()}) == 1, "only the way back from what was learnt"
    again = Cell(tmp_path)
    again.weld(LIKE, 1)
    again.adapter.work()
    assert not again.adapter.status.adapted, "and a restart finds that it was taken back"


def no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_a_full_disk_did_not_take_is_used_once_there_is_room(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    for _ in range(3):
        cell.label(MOVED)
        cell.label(LIKE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        for _ in range(2):
            with pytest.raises(InputError, match="No space left"):
                cell.adapter.work()
        assert not cell.adapter.status.adapted
        assert not list(tmp_path.glob("revision-*")), "no half file is left either"
    assert "step" in cell.adapter.work()
    assert cell.adapter.status.adapted
    assert not cell.adapter.work(), "and once is enough"


def test_a_full_disk_does_not_cost_the_head_that_it_holds(tmp_path: Path) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    again = Cell(tmp_path)
    again.weld(LIKE, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        assert "restored" in again.adapter.work()
        with pytest.raises(InputError, match="No space left"):
            again.adapter.work()
        assert "No space left" in again.adapter.status.unrecorded
    np.testing.assert_array_equal(again.adapter.correction.weight, cell.adapter.correction.weight)
