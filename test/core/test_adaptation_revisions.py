"""Revisions survive a crash, and an operator can go back to each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adaptation_cell import LIKE, Cell

from msstan_core.errors import InputError


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
