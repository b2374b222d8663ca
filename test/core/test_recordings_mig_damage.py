"""The importer of MIG runs: what is missing, cut or unreadable is tolerated as far as possible, and said."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recorded_runs import LENGTH_S, RATE, write_run

from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, CameraFrame
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.mig import import_mig_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path)


@pytest.mark.parametrize(
    ("lost", "clock", "says"),
    [
        ("camera.avi", "acoustic", None),
        ("audio.flac", "telemetry", "no audio.flac"),
        ("process.csv", "acoustic", "no process.csv"),
    ],
)
def test_missing_pieces_are_tolerated_and_said(
    run_dir: Path, tmp_path: Path, lost: str, clock: str, says: str | None
) -> None:
    (run_dir / lost).unlink()
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.clock == clock
    assert any(says in note for note in report.notes) if says else report.notes == []
    with BagReader(tmp_path / "bag") as bag:
        assert len(list(bag.samples())) > 100
        assert bool(bag.annotations) == (lost != "process.csv")


def test_folder_with_nothing_usable_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "run"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no readable stream"):
        import_mig_run(empty, tmp_path / "bag")
    with pytest.raises(InputError, match="no such run folder"):
        import_mig_run(tmp_path / "nowhere", tmp_path / "bag")
    for name in ("audio.flac", "camera.avi"):
        (empty / name).write_bytes(b"not media at all")
    (empty / "process.csv").write_text("time_s,current_a,voltage_v\nx,y,z\n")
    with pytest.raises(InputError, match="holds no readable stream") as raised:
        import_mig_run(empty, tmp_path / "bag")
    said = str(raised.value)
    assert "\n" not in said
    for reason in ("audio.flac is unreadable", "process.csv: 1 rows skipped", "camera.avi: is no video"):
        assert reason in said, reason
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("fps", [math.nan, math.inf, 0.0, -30.0])
def test_an_impossible_frame_rate_is_refused_with_and_without_a_camera(
    run_dir: Path, tmp_path: Path, fps: float
) -> None:
    with pytest.raises(InputError, match=f"--fps: is {fps:g}; give frames per second"):
        import_mig_run(run_dir, tmp_path / "bag", fps=fps)
    (run_dir / "camera.avi").unlink()
    with pytest.raises(InputError, match=f"--fps: is {fps:g}; give frames per second"):
        import_mig_run(run_dir, tmp_path / "bag", fps=fps)
    report = import_mig_run(run_dir, tmp_path / "bag", fps=30.0)
    assert any("the frame rate that was given is not used" in note for note in report.notes)


@pytest.mark.parametrize("name", ["audio.flac", "camera.avi"])
def test_cut_media_are_imported_as_far_as_they_go(run_dir: Path, tmp_path: Path, name: str) -> None:
    data = (run_dir / name).read_bytes()
    (run_dir / name).write_bytes(data[: len(data) * 6 // 10])
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert any(note.startswith(f"{name} is cut") for note in report.notes), report.notes
    with BagReader(tmp_path / "bag") as bag:
        samples = list(bag.samples())
    seconds = {
        "audio.flac": sum(len(s.samples) for s in samples if isinstance(s, AudioChunk)) / RATE,
        "camera.avi": sum(isinstance(s, CameraFrame) for s in samples) / 25,
    }[name]
    assert 0.3 * LENGTH_S < seconds < 0.8 * LENGTH_S
    # One edge of the arc is enough to place the rest.
    assert report.offsets["telemetry"].offset_s == pytest.approx(-1.5, abs=0.15)
    assert report.offsets["camera"].offset_s == pytest.approx(-1.0, abs=0.15)


def test_unreadable_media_are_said(run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "audio.flac").write_bytes(b"junk")
    (run_dir / "camera.avi").write_bytes(b"junk")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.clock == "telemetry"
    assert any("audio.flac is unreadable" in note for note in report.notes)
    assert any("the bag has no images" in note for note in report.notes)


def test_last_row_cut_in_the_middle_is_skipped_and_said(run_dir: Path, tmp_path: Path) -> None:
    path = run_dir / "process.csv"
    path.write_text(path.read_text()[:-25] + "\n0.5,1,1,1,1,1,1\nx,1,1,1,1,1,1\n")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert any("process.csv: 3 rows skipped" in note for note in report.notes), report.notes


def test_table_without_its_columns_is_refused_by_name(run_dir: Path, tmp_path: Path) -> None:
    (run_dir / "process.csv").write_text("time,current\n0,0\n")
    with pytest.raises(InputError, match=r"process\.csv: column time_s is missing"):
        import_mig_run(run_dir, tmp_path / "bag")


def test_tables_that_a_spreadsheet_saved_are_read(run_dir: Path, tmp_path: Path) -> None:
    path = run_dir / "process.csv"
    path.write_text(path.read_text(), encoding="utf-8-sig")
    runs = run_dir.parent.parent / "runs.csv"
    runs.write_text(f"run_id,configuration\n{run_dir.name},lap\n", encoding="utf-8-sig")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.attributes["group"] == "lap" and report.annotations


def test_a_table_in_another_encoding_is_refused_by_name(run_dir: Path, tmp_path: Path) -> None:
    runs = run_dir.parent.parent / "runs.csv"
    runs.write_bytes("run_id,configuration\nx,Schweißer\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"runs\.csv: not a CSV text file"):
        import_mig_run(run_dir, tmp_path / "bag")


def test_run_without_an_arc_is_imported_unaligned_and_says_so(run_dir: Path, tmp_path: Path) -> None:
    soundfile.write(run_dir / "audio.flac", np.random.default_rng(0).normal(0, 0.001, 10 * RATE), RATE)
    (run_dir / "camera.avi").unlink()
    (run_dir / "process.csv").write_text("time_s,current_a,voltage_v\n0,0,40\n1,0,40\n2,0,40\n")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.annotations == []
    assert any("offset of telemetry to acoustic not estimated" in note for note in report.notes)
    assert any("the current never exceeds 20 A" in note for note in report.notes)


def test_a_table_that_is_cut_inside_the_arc_labels_no_end_of_it(run_dir: Path, tmp_path: Path) -> None:
    table = run_dir / "process.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:90]) + "\n")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert "process.csv does not show the arc's extinction: not labelled" in report.notes
    with BagReader(tmp_path / "bag") as bag:
        assert [a.label for a in bag.annotations] == ["IDLE", "ARC_INITIATION", "MATERIAL_DEPOSITION"]


@pytest.mark.parametrize("wrong", ["9999.0", "-9999.0"])
def test_one_wrong_time_costs_its_own_row(run_dir: Path, tmp_path: Path, wrong: str) -> None:
    intact = import_mig_run(run_dir, tmp_path / "intact")
    table = run_dir / "process.csv"
    lines = table.read_text().splitlines()
    lines[70] = wrong + lines[70][lines[70].index(",") :]
    table.write_text("\n".join(lines) + "\n")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert any("1 rows skipped" in note for note in report.notes)
    assert report.offsets["telemetry"].offset_s == pytest.approx(intact.offsets["telemetry"].offset_s, abs=0.02)
