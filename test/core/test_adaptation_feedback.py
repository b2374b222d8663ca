"""Feedback: what is written down, and what is refused."""

from __future__ import annotations

import csv
import errno
import io
from pathlib import Path

import pytest
from adaptation_cell import LIKE, Cell

from msstan_core.adaptation import feedback as feedback_module
from msstan_core.adaptation.feedback import JOURNAL_FILE, Feedback, write_down
from msstan_core.errors import InputError
from msstan_core.vocabulary import Action


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


def test_a_full_disk_leaves_no_half_row_for_the_next_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = [Feedback(k, k + 1, "carla", Action.IDLE) for k in (1, 3, 5)]
    write_down(tmp_path, spans[0], "job")
    whole = feedback_module._write_all

    def cut(stream: io.FileIO, content: bytes) -> None:
        stream.write(content[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feedback_module, "_write_all", cut)
    with pytest.raises(InputError, match="No space left"):
        write_down(tmp_path, spans[1], "job")
    monkeypatch.setattr(feedback_module, "_write_all", whole)
    write_down(tmp_path, spans[2], "job")
    with (tmp_path / JOURNAL_FILE).open() as stream:
        assert [row["start_ns"] for row in csv.DictReader(stream)] == ["1", "5"]
