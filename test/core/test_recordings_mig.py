"""The importer of MIG runs: streams on one clock, samples as they were, labels without gaps."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from recorded_runs import CURRENT_ARC, SOUND_ARC, spans, write_process, write_run

from msstan_core.observation import AudioChunk, CameraFrame, TelemetrySample, WeldContext
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.mig import import_mig_run
from msstan_core.vocabulary import Material, Process


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path)


def test_streams_are_brought_to_the_clock_of_the_microphone(run_dir: Path, tmp_path: Path) -> None:
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.clock == "acoustic"
    assert report.offsets["telemetry"].offset_s == pytest.approx(-1.5, abs=0.06)
    assert report.offsets["camera"].offset_s == pytest.approx(-1.0, abs=0.03)
    with BagReader(tmp_path / "bag") as bag:
        samples = list(bag.samples())
        assert not bag.rejected
        assert bag.attributes["group"] == "plate_7"
        assert bag.attributes["verdict"] == "overlap"
        assert bag.attributes["simulated"] == "false"
        assert (bag.attributes["material_a"], bag.attributes["material_b"]) == ("carbon_steel", "carbon_steel")
        assert float(bag.attributes["offset_telemetry_s"]) == pytest.approx(-1.5, abs=0.06)
        zero = bag.start_ns
        labels = bag.annotations
    # The first event on the common clock is the telemetry's first row, 1.5 s before the microphone starts.
    arc_s = SOUND_ARC[0] - report.offsets["telemetry"].offset_s
    sound = [s for s in samples if isinstance(s, AudioChunk)]
    assert (sound[0].stamp_ns - zero) / 1e9 == pytest.approx(1.5, abs=0.06)
    loud = [s for s in sound if s.samples.std() > 0.01]
    assert (loud[0].stamp_ns - zero) / 1e9 == pytest.approx(arc_s, abs=0.065)
    bright = [s for s in samples if isinstance(s, CameraFrame) and s.encoded and len(s.encoded) > 0 and _is_lit(s)]
    assert (bright[0].stamp_ns - zero) / 1e9 == pytest.approx(arc_s, abs=0.08)
    assert spans(labels)["ARC_INITIATION"][0] == pytest.approx(arc_s, abs=0.1)


@pytest.mark.parametrize("trigger_s", [0.5, 4.0])
def test_rows_from_before_the_trigger_are_kept_with_their_labels(tmp_path: Path, trigger_s: float) -> None:
    folder = tmp_path / "runs" / "01-02-23-0001-06"
    folder.mkdir(parents=True)
    write_process(folder / "process.csv")
    header, *rows = (folder / "process.csv").read_text().splitlines()
    times = [row.split(",", 1) for row in rows]
    moved = [f"{float(time_s) - trigger_s:.3f},{rest}" for time_s, rest in times]
    (folder / "process.csv").write_text("\n".join([header, *moved]) + "\n")
    import_mig_run(folder, tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        lit = [bag.seconds(s.stamp_ns) for s in bag.samples() if isinstance(s, TelemetrySample) and s.current_a > 20]
        labels = spans(bag.annotations)
    assert lit[0] == pytest.approx(CURRENT_ARC[0], abs=0.01)
    assert labels["ARC_INITIATION"][0] == pytest.approx(lit[0], abs=0.06)
    assert labels["ARC_EXTINCTION"][1] == pytest.approx(lit[-1], abs=0.11)


def _is_lit(frame: CameraFrame) -> bool:
    assert frame.encoded is not None
    image = cv2.imdecode(np.frombuffer(frame.encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image.ndim == 2  # mono video stays mono
    return bool(image.max() > 150)


def test_what_a_recogniser_hears_and_sees_does_not_depend_on_the_telemetry(run_dir: Path, tmp_path: Path) -> None:
    import_mig_run(run_dir, tmp_path / "with")
    (run_dir / "process.csv").unlink()
    report = import_mig_run(run_dir, tmp_path / "without")
    assert "no process.csv: the bag has no telemetry and no annotations" in report.notes
    heard = []
    for name in ("with", "without"):
        with BagReader(tmp_path / name) as bag:
            sensed = [s for s in bag.samples() if isinstance(s, (AudioChunk, CameraFrame))]
        heard.append([(type(s), s.stamp_ns - sensed[0].stamp_ns) for s in sensed])
    assert [kind for kind, _ in heard[0]] == [kind for kind, _ in heard[1]]
    assert max(abs(a - b) for (_, a), (_, b) in zip(*heard, strict=True)) <= 1  # ns, by rounding


def test_only_documented_columns_are_imported(run_dir: Path, tmp_path: Path) -> None:
    import_mig_run(run_dir, tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        rows = np.array([s.as_row() for s in bag.samples() if isinstance(s, TelemetrySample)])
        context = next(s for s in bag.samples() if isinstance(s, WeldContext))
    assert len(rows) == 160
    assert np.isfinite(rows[:, :2]).all()
    assert np.isnan(rows[:, 2:]).all()
    assert (context.process, context.material_a) == (Process.GMAW, Material.CARBON_STEEL)


def test_sound_is_kept_sample_by_sample(run_dir: Path, tmp_path: Path) -> None:
    import_mig_run(run_dir, tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        chunks = [s for s in bag.samples() if isinstance(s, AudioChunk)]
    original, _ = soundfile.read(run_dir / "audio.flac", dtype="float32")
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), original)
    gaps = [b.stamp_ns - a.end_stamp_ns for a, b in itertools.pairwise(chunks)]
    assert max(map(abs, gaps)) <= 1
    assert len(chunks[0].samples) == 1024


def test_labels_cover_the_recording_without_gaps(run_dir: Path, tmp_path: Path) -> None:
    report = import_mig_run(run_dir, tmp_path / "bag")
    found = spans(report.annotations)
    assert list(found) == ["IDLE", "ARC_INITIATION", "MATERIAL_DEPOSITION", "ARC_EXTINCTION", "COOLING"]
    starts, ends = zip(*found.values(), strict=True)
    assert starts[0] == 0.0
    assert list(starts[1:]) == pytest.approx(list(ends[:-1]))
    assert ends[-1] == pytest.approx(report.duration_s, abs=0.05)
    assert found["ARC_INITIATION"][1] - found["ARC_INITIATION"][0] == pytest.approx(0.8, abs=0.01)
    assert found["ARC_EXTINCTION"][1] - found["ARC_EXTINCTION"][0] == pytest.approx(0.5)


def test_wrong_nominal_frame_rate_is_corrected_by_the_arc(run_dir: Path, tmp_path: Path) -> None:
    data = (run_dir / "camera.avi").read_bytes()
    assert data
    video = cv2.VideoCapture(str(run_dir / "camera.avi"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    writer = cv2.VideoWriter(str(run_dir / "camera.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 26.0, (96, 64))
    for frame in frames:  # 25 Hz frames in a file that claims 26
        writer.write(frame)
    writer.release()
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.offsets["camera"].rate == pytest.approx(26 / 25, abs=0.005)
    assert any("of its nominal frame rate" in note for note in report.notes)
    given = import_mig_run(run_dir, tmp_path / "given", fps=25.0)
    assert given.offsets["camera"].rate == 1.0


def test_group_falls_back_to_the_run_and_says_so(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").unlink()
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.attributes["group"] == "01-02-23-0001-06"
    assert report.attributes["verdict"] == "overlap"  # by the name's last digits
    assert any("group is the run itself" in note for note in report.notes)
