"""Tables of result files within a page of prose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msstan_core.errors import InputError
from msstan_core.results_page.tables_in_text import refresh_tables

REPOSITORY = Path(__file__).parents[2]


def page(tmp_path: Path, mark: str) -> Path:
    path = tmp_path / "page.md"
    path.write_text(f"before\n\n<!-- table {mark} -->\nold 0.123\n<!-- end of table -->\n\nafter\n", encoding="utf-8")
    return path


def test_table_is_made_anew_and_the_prose_kept(tmp_path: Path) -> None:
    content = {"metrics": {"real: a": {"f1": {"mean": 0.5}}, "simulated: a": {"f1": {"mean": 0.7}}}}
    (tmp_path / "smoothing.json").write_text(json.dumps(content), encoding="utf-8")
    path = page(tmp_path, 'smoothing metrics "real: " f1')
    assert refresh_tables(path, tmp_path) == 1
    text = path.read_text(encoding="utf-8")
    assert "| a | 0.500 |" in text and "0.700" not in text and "0.123" not in text
    assert text.startswith("before\n") and text.endswith("after\n")
    refresh_tables(path, tmp_path)
    assert path.read_text(encoding="utf-8") == text, "a second time changes nothing"


def test_what_is_not_measured_is_said(tmp_path: Path) -> None:
    path = page(tmp_path, 'absent metrics "" f1')
    refresh_tables(path, tmp_path)
    assert "Not measured yet." in path.read_text(encoding="utf-8")


def test_malformed_mark_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="table mark"):
        refresh_tables(page(tmp_path, "smoothing"), tmp_path)


def test_page_of_decisions_has_tables_of_its_results(tmp_path: Path) -> None:
    copy = tmp_path / "decisions.md"
    copy.write_text((REPOSITORY / "docs" / "decisions.md").read_text(encoding="utf-8"), encoding="utf-8")
    written = copy.read_text(encoding="utf-8").count("<!-- table ")
    assert refresh_tables(copy, REPOSITORY / "docs" / "results") == written >= 8
    assert "auc excessive penetration" in copy.read_text(encoding="utf-8")
