"""A disk that stalls holds up no rollback and no watch over the head in use; what it refuses is not forgotten."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from adaptation_cell import LIKE, MOVED, WIDTH, Cell, K

from msstan_core.adaptation import revisions
from msstan_core.errors import InputError


def no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def stalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Every fsync waits until the block ends; the event says that one does."""
    waits, go_on, fsync = threading.Event(), threading.Event(), os.fsync

    def slowly(descriptor: int) -> None:
        waits.set()
        assert go_on.wait(60)
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", slowly)
        try:
            yield waits
        finally:
            go_on.set()


def beside(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def restarted(folder: Path) -> Cell:
    cell = Cell(folder)
    cell.weld(LIKE, 1)
    cell.adapter.work()
    return cell


def test_a_rollback_that_the_disk_refuses_holds_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        cell.adapter.roll_back()
        assert not cell.adapter.status.adapted
        assert "No space left" in cell.adapter.status.unrecorded
        with pytest.raises(InputError, match="No space left"):
            cell.adapter.work()
        assert restarted(tmp_path).adapter.status.adapted, "the disk knows nothing yet"
    cell.adapter.work()
    assert not cell.adapter.status.unrecorded
    again = restarted(tmp_path).adapter.status
    assert not again.adapted
    assert not again.adapting


def test_a_model_that_is_loaded_again_knows_what_the_disk_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    monkeypatch.setattr(os, "fsync", no_room)
    cell.adapter.roll_back()
    again = Cell(store=cell.store)
    again.weld(LIKE, 1)
    with pytest.raises(InputError, match="No space left"):
        again.adapter.work()
    assert not again.adapter.status.adapted
    assert not again.adapter.status.adapting


def test_what_the_disk_owes_outlives_another_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        cell.adapter.roll_back()
        cell.job = "job b"
        cell.weld(LIKE, 1)
        with pytest.raises(InputError, match="No space left"):
            cell.adapter.work()
    cell.adapter.work()
    assert not restarted(tmp_path).adapter.status.adapted


@pytest.mark.parametrize("command", ["freeze", "roll_back", "fault"])
def test_a_freeze_holds_after_a_restart_until_it_is_lifted(tmp_path: Path, command: str) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    if command == "fault":
        assert cell.adapter.correction.weight is not None
        cell.adapter.correction.weight[:] = np.nan
        cell.adapter.corrected(np.zeros(K, np.float32), np.zeros(WIDTH, np.float32))
        cell.adapter.work()
    else:
        getattr(cell.adapter, command)()
    assert not Cell(tmp_path).adapter.status.adapting, "also before the job is known"
    again = restarted(tmp_path)
    assert not again.adapter.status.adapting
    assert again.adapter.status.adapted == (command == "freeze")
    again.adapter.enable()
    assert restarted(tmp_path).adapter.status.adapting


def test_a_freeze_before_anything_was_learnt_holds_too(tmp_path: Path) -> None:
    Cell(tmp_path).adapter.freeze()
    again = restarted(tmp_path)
    assert not again.adapter.status.adapting
    assert "ENABLE" in again.adapter.status.last_change


def test_revisions_of_an_earlier_version_say_nothing_of_freezing_and_are_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(tmp_path)
    with monkeypatch.context() as patch:
        asdict = revisions.asdict
        patch.setattr(revisions, "asdict", lambda r: {k: v for k, v in asdict(r).items() if k != "frozen"})
        cell.teach()
    again = restarted(tmp_path).adapter.status
    assert again.adapted
    assert again.adapting


def test_a_journal_that_stalls_holds_up_neither_rollback_nor_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    with stalled(monkeypatch) as waits:
        label = beside(lambda: cell.label(LIKE))
        assert waits.wait(30)
        assert cell.adapter.correction.weight is not None
        cell.adapter.correction.weight[:] = np.nan
        cell.adapter.corrected(np.zeros(K, np.float32), np.zeros(WIDTH, np.float32))
        watch = beside(cell.adapter.work)
        command = beside(cell.adapter.roll_back)
        until(lambda: cell.adapter.status.last_change.endswith("as commanded"))
        assert label.is_alive()
    for thread in (label, watch, command):
        thread.join(30)


def test_a_step_that_stalls_holds_up_no_rollback_and_is_not_used_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(tmp_path)
    for _ in range(3):
        cell.label(MOVED)
        cell.label(LIKE)
    with stalled(monkeypatch) as waits:
        learning = beside(cell.adapter.work)
        assert waits.wait(30)
        command = beside(cell.adapter.roll_back)
        until(lambda: cell.adapter.status.last_change.endswith("as commanded"))
        assert learning.is_alive()
    for thread in (learning, command):
        thread.join(30)
    assert not cell.adapter.status.adapted
    files = list(tmp_path.glob("revision-*"))
    assert [path.name for path in files] == [f"revision-{cell.adapter.status.revision:08d}.npz"]
    assert not restarted(tmp_path).adapter.status.adapted


def test_fresh_labels_take_a_head_back_while_a_step_stalls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell(tmp_path)
    cell.teach()
    cell.label(MOVED)
    monkeypatch.setattr("msstan_core.adaptation.adapter.write_down", lambda *_: None)
    with stalled(monkeypatch) as waits:
        learning = beside(cell.adapter.work)
        assert waits.wait(30)
        monkeypatch.setattr(cell.adapter._promotion, "against_shipped", lambda *_: -1)
        for _ in range(4):
            cell.label(LIKE)
        assert learning.is_alive()
        assert cell.adapter.correction.weight is None
    learning.join(30)
    assert not cell.adapter.status.adapted


def test_learning_is_given_up_where_the_head_in_use_must_go() -> None:
    cell = Cell()
    cell.teach()
    cell.label(MOVED)
    steps = []

    def breathe() -> None:
        steps.append(1)
        if len(steps) == 2:
            assert cell.adapter.correction.weight is not None
            cell.adapter.correction.weight[:] = np.nan
            cell.adapter.corrected(np.zeros(K, np.float32), np.zeros(WIDTH, np.float32))

    assert "not finite" in cell.adapter.work(breathe)
    assert len(steps) == 2


def until(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(3000):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came")
