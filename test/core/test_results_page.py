"""The page of results: what is in the files is on it, what is not measured is said."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from msstan_core.benchmark.aims import AIM_OF
from msstan_core.cli import main
from msstan_core.results import command_line, source_revision, write_result
from msstan_core.results_page.figures import text_of
from msstan_core.results_page.page import anchor, write_page
from msstan_core.results_page.section import Aim
from msstan_core.results_page.sections import SECTIONS


def result(metrics: dict[str, Any], **changes: Any) -> str:
    content = {
        "command": "msstan try",
        "revision": "abc",
        "machine": "a machine",
        "seeds": 3,
        "data": "two welds",
        "metrics": metrics,
        "baselines": {},
    }
    return json.dumps({**content, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def page_of(folder: Path) -> str:
    page = folder.parent / "results.md"
    assert main(["results", "--results", str(folder), "--out", str(page)]) == 0
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"mean": 0.9164, "std": 0.0169}, "0.916 ± 0.017"),
        ({"mean": 0.97, "std": 0.0}, "0.970"),
        ({"p50": 3.41, "p99": 5.02}, "3.410 (p99 5.020)"),
        ({"mean": 1.2, "lower95": 0.8, "upper95": 1.9}, "1.200 [0.800, 1.900]"),
        ({"mean": None, "std": None}, "-"),
        (2142.0, "2142"),
        (math.nan, "-"),
        (True, "yes"),
        ("a | b", "a \\| b"),
    ],
)
def test_figures_as_text(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_figures_stand_beside_baselines_and_aims(folder: Path) -> None:
    figure = {"mean": 0.94, "std": 0.01}
    (folder / "ut_interaction.json").write_text(
        result({"accuracy": figure}, baselines={"frozen backbone": {"accuracy": {"mean": 0.8}}})
    )
    text = page_of(folder)
    assert "| accuracy | 0.940 ± 0.010 | 0.800 | at least 0.93 |" in text
    assert "accuracy | 0.940 ± 0.010 | at least 0.93 | yes |" in text
    assert "`msstan try`, revision abc, 3 seeds, a machine. Data: two welds." in text


def test_what_has_no_file_is_listed_as_missing(folder: Path) -> None:
    (folder / "bench.json").write_text(result({"tick_ms": 3.0}))
    text = page_of(folder)
    shown, missing = text.split("## Missing")
    assert "- UT-Interaction, set 1: " in missing and "- Speed" not in missing
    assert "## Speed" in shown and "## UT-Interaction" not in shown


def test_lists_in_details_become_bullets(folder: Path) -> None:
    (folder / "peers.json").write_text(result({"steps": 1}, details={"notes": ["one seed", "one fold"]}))
    assert "- one seed\n- one fold\n" in page_of(folder)


def test_the_page_in_the_documentation_is_up_to_date(tmp_path: Path) -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    write_page(docs / "results", tmp_path / "results.md")
    written = (docs / "results.md").read_text(encoding="utf-8")
    assert written == (tmp_path / "results.md").read_text(encoding="utf-8"), "run: msstan results"


def test_unknown_files_and_nested_figures_are_shown_too(folder: Path) -> None:
    nested = {"small": {"f1": {"mean": 0.5}}, "large": {"f1": {"mean": 0.75}}}
    (folder / "brand_new.json").write_text(result({"sizes": nested, "f1_by_kind": {"a": 1.0}}))
    text = page_of(folder)
    assert "## Brand new" in text
    assert "| small | 0.500 |" in text
    assert "| large | 0.750 |" in text
    assert "| f1 by kind | 1.000 |" in text


def test_simulated_details_become_tables(folder: Path) -> None:
    details = {"by_imperfection": {"2011 gas pore": {"trained": True, "f1": 0.5}, "501 undercut": {"trained": False}}}
    (folder / "simulated.json").write_text(result({"action_accuracy": {"mean": 0.9}}, details=details))
    text = page_of(folder)
    assert "| 2011 gas pore | yes | 0.500 |" in text
    assert "| 501 undercut | no |  |" in text
    assert "| at least 0.92 | no |" in text


@pytest.mark.parametrize(
    ("content", "problem"), [("{", "is no JSON"), ("{}", "has no command"), ("[1]", "has no command")]
)
def test_a_file_that_is_no_result_is_named(folder: Path, content: str, problem: str, capsys: Any) -> None:
    (folder / "peers.json").write_text(content)
    assert main(["results", "--results", str(folder), "--out", str(folder.parent / "results.md")]) == 1
    error = capsys.readouterr().err
    assert "peers.json" in error and problem in error
    assert not (folder.parent / "results.md").exists()


def test_links_go_to_headings(folder: Path) -> None:
    write_page(folder, folder.parent / "page.md")
    text = (folder.parent / "page.md").read_text(encoding="utf-8")
    headings = {anchor(line.removeprefix("## ")) for line in text.splitlines() if line.startswith("## ")}
    links = {part.split(")")[0] for part in text.split("](#")[1:]}
    assert links and links <= headings


def test_an_aim_is_not_reached_by_what_is_not_defined() -> None:
    assert Aim(0.5).reached_by(0.5)
    assert not Aim(0.5).reached_by(math.nan)
    assert not Aim(0.5, at_most=True).reached_by(0.6)


def test_speed_is_judged_as_on_the_page_of_performance(folder: Path) -> None:
    slower_than_its_mean = {"p50": 190.6, "mean": 200.2, "std": 44.4}
    (folder / "bench.json").write_text(result({"ratio_r3d_18": slower_than_its_mean}))
    assert "| 200.2 ± 44.4 (p50 190.6) | median >= 200 | no |" in page_of(folder)
    (bench,) = (section for section in SECTIONS if section.name == "bench")
    assert all(row.aim is AIM_OF[row.metric] for row in bench.rows)


def test_every_file_and_every_heading_has_one_section() -> None:
    for names in ([section.name for section in SECTIONS], [section.title for section in SECTIONS]):
        assert len(names) == len(set(names))


def test_notes_stay_when_a_result_is_written_again_and_stand_on_the_page(folder: Path) -> None:
    path = folder / "peers.json"

    def write(accuracy: float) -> dict[str, Any]:
        write_result(path, command="c", seeds=1, data="d", metrics={"accuracy": accuracy}, baselines={})
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    first = write(0.5)
    assert "notes" not in first
    path.write_text(json.dumps({**first, "notes": ["One seed: no spread is known."]}), encoding="utf-8")
    again = write(0.6)
    assert again["notes"] == ["One seed: no spread is known."]
    assert again["metrics"] == {"accuracy": {"mean": 0.6}}
    assert "### Notes\n\n- One seed: no spread is known.\n" in page_of(folder)


def test_what_is_not_defined_is_null_in_a_result_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    figures = {"f1": math.nan, "bounds": (1.0, math.inf), "rows": [{"auc": math.nan}]}
    write_result(path, command="c", seeds=1, data="d", metrics=figures, baselines={"b": figures}, details=figures)
    found = json.loads(path.read_text(encoding="utf-8"))
    expected = {"f1": None, "bounds": [1.0, None], "rows": [{"auc": None}]}
    assert found["metrics"] == {**expected, "f1": {"mean": None}}, "a number alone is a mean"
    assert [found["baselines"]["b"], found["details"]] == [expected] * 2


def test_the_command_of_a_result_is_whole_and_tells_of_no_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["evaluate", str(tmp_path / "models/first"), "--data", "bags/a b", "/mnt/disk/welds", "--json=/tmp/x.json"]
    assert command_line("msstan", words) == "msstan evaluate models/first --data 'bags/a b' welds --json=x.json"


def test_a_command_that_names_a_hundred_bags_is_cut_on_the_page(folder: Path) -> None:
    command = " ".join(["msstan evaluate models/default --data", *(f"bags/weld_{i}" for i in range(100))])
    (folder / "simulated.json").write_text(result({"accuracy": {"mean": 0.9}}, command=command), encoding="utf-8")
    assert "bags/weld_1 " in page_of(folder) and "bags/weld_99" not in page_of(folder)


def test_what_a_study_has_written_is_no_change_of_the_source(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    assert source_revision(tmp_path) == "unknown"
    git("init")
    (tmp_path / "docs").mkdir()
    for name in ("docs/figures.json", "code.py"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    git("add", ".")
    git("commit", "-m", "first")
    commit = source_revision(tmp_path)
    assert len(commit) == 12
    (tmp_path / "docs" / "figures.json").write_text("2", encoding="utf-8")
    assert source_revision(tmp_path) == commit
    (tmp_path / "code.py").write_text("2", encoding="utf-8")
    assert source_revision(tmp_path) == f"{commit}+changes"
