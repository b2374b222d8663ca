"""What is asked for is refused before the work where it could not be written, and devices are never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msstan_core.cli import main
from msstan_core.errors import InputError
from msstan_core.output_files import check_output_file, check_output_folder, written_whole


def test_a_folder_is_made_by_who_writes_and_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    check_output_file(path)
    assert list(tmp_path.iterdir()) == [], "what is refused later leaves nothing behind"
    with written_whole(path) as partial:
        partial.write_text("before")
    check_output_file(path)
    assert path.read_text() == "before" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a device", "below a file"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a device":
        path.symlink_to("/dev/null")
    else:
        path.write_text("a file")
        path /= "out"
    with pytest.raises(InputError, match="out"):
        check_output_file(path)


def test_a_folder_to_write_into_need_not_be_there_and_is_not_made(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "new" / "deeper"):
        check_output_folder(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("file", "file: is no folder"),
        ("file/new", "file/new: cannot be made: .*file is no folder"),
        ("gone", "gone: is no folder"),
        ("/proc/new", "/proc/new: cannot be written to"),
    ],
)
def test_what_is_no_folder_or_cannot_be_written_to_is_refused(tmp_path: Path, path: str, says: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=says):
        check_output_folder(tmp_path / path)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), written_whole(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with written_whole(path) as partial:
        partial.write_text("after")
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "command",
    [
        ("replay", "no_bag", "--csv"),
        ("evaluate", "no_model", "--data", "x", "--json"),
        ("report", "no_bag", "--out"),
        ("results", "--results", "nowhere", "--out"),
        ("study", "false-alarms", "no_model", "--json", "x.json", "--picture"),
        ("bench", "--model", "no_model", "--json", "x.json", "--page"),
    ],
)
def test_a_command_says_so_before_it_looks_at_anything_else(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    assert main([*command, str(folder)]) == 1
    assert f"{folder}: is a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [folder] and list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ("train", "no_config", "--data", "x", "--out"),
        ("calibrate", "no_model", "--nominal", "x", "--out"),
        ("evaluate", "no_model", "--data", "x", "--json", "x.json", "--pictures"),
        ("cross-validate", "no_config", "--data", "x", "--json", "x.json", "--cache"),
        ("simulate", "--random", "1", "--out-dir"),
        ("import", "mig", "no_run"),
    ],
)
def test_a_command_that_writes_a_folder_does_so_too(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.touch()
    assert main([*command, str(file)]) == 1
    assert f"{file}: is no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


def test_options_are_held_against_the_limits_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(__file__).parents[2] / "config" / "training" / "default.yaml"
    assert main(["train", str(config), "--data", str(tmp_path), "--out", str(tmp_path / "m"), "--steps", "0"]) == 1
    said = capsys.readouterr().err
    assert "--steps" in said and "got 0" in said and len(said.splitlines()) == 1


def test_what_another_run_is_just_writing_is_left_alone(tmp_path: Path) -> None:
    part = tmp_path / "result.4711.part.json"
    part.write_text("half")
    check_output_file(tmp_path / "result.json")
    assert part.read_text() == "half"


def test_no_result_takes_the_place_of_a_recording(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    (bag / "weld.mcap").touch()
    for name in ("weld.mcap", "metadata.yaml", "annotations.csv", "new.db3"):
        with pytest.raises(InputError, match="is a recording, or a part of one"):
            check_output_file(bag / name)
    check_output_file(bag / "result.json")
    check_output_file(tmp_path / "annotations.csv")


def test_two_results_in_one_file_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = str(tmp_path / "r.html")
    assert main(["report", str(tmp_path / "bag"), "--out", page, "--video", page]) == 1
    assert "is asked for twice" in capsys.readouterr().err
