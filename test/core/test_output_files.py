"""What is asked for is refused before the work where it could not be written, and devices are never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msstan_core.cli import main
from msstan_core.errors import InputError
from msstan_core.output_files import check_output_file


def test_folders_are_made_and_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    check_output_file(path)
    assert path.parent.is_dir() and not list(path.parent.iterdir())
    path.write_text("before")
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


@pytest.mark.parametrize("command", [("replay", "no_bag", "--csv"), ("evaluate", "no_model", "--data", "x", "--json")])
def test_a_command_says_so_before_it_looks_at_anything_else(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err


def test_options_are_held_against_the_limits_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(__file__).parents[2] / "config" / "training" / "default.yaml"
    assert main(["train", str(config), "--data", str(tmp_path), "--out", str(tmp_path / "m"), "--steps", "0"]) == 1
    said = capsys.readouterr().err
    assert "--steps" in said and "got 0" in said and len(said.splitlines()) == 1


def test_what_another_run_is_just_writing_is_left_alone(tmp_path: Path) -> None:
    part = tmp_path / "result.json.part"
    part.write_text("half")
    check_output_file(tmp_path / "result.json")
    assert part.read_text() == "half"
