"""Feedback: what is written down, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from adaptation_cell import LIKE, Cell

from msstan_core.adaptation.feedback import JOURNAL_FILE, Feedback
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
