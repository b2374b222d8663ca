"""What importers have in common, and the command that runs them."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest
from recorded_runs import thermal_arrays, write_run

from msstan_core.commands import import_recording
from msstan_core.errors import InputError
from msstan_core.recordings.importing import drop_empty_colour, encode_jpeg
from msstan_core.recordings.mig import import_mig_run
from msstan_core.recordings.thermal import import_thermal
from msstan_core.recordings.video import import_video


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path)


def test_existing_bag_is_refused_before_any_work(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    for importer in (import_mig_run, import_thermal, import_video):
        with pytest.raises(InputError, match="exists already"):
            importer(run_dir, tmp_path / "bag")  # type: ignore[operator]


def test_jpeg_stays_close_to_the_image() -> None:
    yy, xx = np.mgrid[0:120, 0:160]
    image = (10 + 240 * np.exp(-((yy - 60) ** 2 + (xx - 80) ** 2) / 800)).astype(np.uint8)
    back = cv2.imdecode(
        np.frombuffer(encode_jpeg(drop_empty_colour(np.dstack([image] * 3))), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert back.ndim == 2
    assert np.abs(back.astype(int) - image).mean() < 1.0


def run_command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    import_recording.register(parser.add_subparsers())
    parsed = parser.parse_args(["import", *arguments])
    return int(parsed.run(parsed))


def test_command_prints_streams_offsets_and_labels(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("mig", str(run_dir), str(tmp_path / "bag")) == 0
    printed = capsys.readouterr().out
    for expected in ("camera/image_raw/compressed", "25.0 Hz", "offset: camera -", "COOLING", "raw 2.5 MB"):
        assert expected in printed
    assert max(map(len, printed.splitlines())) < 200


def test_quiet_command_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "W1.npz", **thermal_arrays())
    assert run_command("thermal", str(tmp_path / "W1.npz"), str(tmp_path / "bag"), "--quiet") == 0
    assert capsys.readouterr().out == ""
