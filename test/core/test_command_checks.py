"""What a command was asked for is checked before the work, and what is wrong is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from nominal_blocks import SHIPPED

from msstan_core.cli import main


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command refuses these arguments with."""
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1, said
    return said.err


def test_a_model_named_twice_is_no_spread_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = tmp_path / "link"
    again.symlink_to(SHIPPED)
    command = ["evaluate", str(SHIPPED), str(again), "--data", str(tmp_path), "--json", str(tmp_path / "x.json")]
    assert f"{again}: is named twice" in refused(command, capsys)
