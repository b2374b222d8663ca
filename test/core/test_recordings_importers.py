"""Importers on made-up recordings: offsets found, labels placed, missing and cut pieces tolerated and said."""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from msstan_core.commands import import_recording
from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, CameraFrame, TelemetrySample, ThermalFrame, WeldContext
from msstan_core.recordings.annotations import Annotation
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.importing import drop_empty_colour, encode_jpeg
from msstan_core.recordings.mig import import_mig_run
from msstan_core.recordings.phases import find_phases, label_phases
from msstan_core.recordings.thermal import import_thermal
from msstan_core.recordings.video import import_video
from msstan_core.vocabulary import Action, Material, Process

RATE = 16_000
#: When the arc burns on the clock of each stream of the made-up run.
SOUND_ARC = (4.0, 12.0)
CURRENT_ARC = (5.5, 13.5)
CAMERA_ARC = (5.0, 13.0)
LENGTH_S = 16.0


def write_sound(path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(int(LENGTH_S * RATE)) / RATE
    sound = rng.normal(0, 0.0005, len(times))
    arc = (times >= SOUND_ARC[0]) & (times < SOUND_ARC[1])
    sound[arc] = rng.normal(0, 0.02, arc.sum())
    soundfile.write(path, sound, RATE)


def write_process(path: Path) -> None:
    times = np.arange(0, LENGTH_S, 0.1)
    current = np.where((times >= CURRENT_ARC[0] - 1e-9) & (times <= CURRENT_ARC[1] + 1e-9), 200.0, 2.0)
    current[(times >= CURRENT_ARC[0] - 1e-9) & (times < CURRENT_ARC[0] + 0.75)] = 300.0
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time_s", "pressure", "co2_flow", "feed", "current_a", "wire_consumed", "voltage_v"])
        for t, i in zip(times, current, strict=True):
            writer.writerow([f"{t:.3f}", 1.9, 12.3, 45.0, i, 516.0, 20.0 if i > 20 else 40.23])


def write_camera(path: Path, fps: float = 25.0, colour: bool = False) -> None:
    rng = np.random.default_rng(1)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (96, 64))
    for k in range(int(LENGTH_S * fps)):
        frame = np.full((64, 96, 3), 10, np.uint8)
        if CAMERA_ARC[0] <= k / fps < CAMERA_ARC[1]:
            frame[20:44, 30:66] = rng.integers(200, 255)
        if colour:
            frame[..., 0] //= 4
        video.write(frame)
    video.release()


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "01-02-23-0001-06"
    folder.mkdir(parents=True)
    write_sound(folder / "audio.flac")
    write_process(folder / "process.csv")
    write_camera(folder / "camera.avi")
    (tmp_path / "runs.csv").write_text(
        "run_id,configuration,label,camera,rows,duration_s\n01-02-23-0001-06,plate_7,overlap,1,160,16.0\n"
    )
    return folder


def spans(annotations: list[Annotation]) -> dict[str, tuple[float, float]]:
    return {a.label: (a.start_s, a.end_s) for a in annotations}


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
    with pytest.raises(InputError, match="holds no readable stream"):
        import_mig_run(empty, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


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


def test_run_without_an_arc_is_imported_unaligned_and_says_so(run_dir: Path, tmp_path: Path) -> None:
    soundfile.write(run_dir / "audio.flac", np.random.default_rng(0).normal(0, 0.001, 10 * RATE), RATE)
    (run_dir / "camera.avi").unlink()
    (run_dir / "process.csv").write_text("time_s,current_a,voltage_v\n0,0,40\n1,0,40\n2,0,40\n")
    report = import_mig_run(run_dir, tmp_path / "bag")
    assert report.annotations == []
    assert any("offset of telemetry to acoustic not estimated" in note for note in report.notes)
    assert any("the current never exceeds 20 A" in note for note in report.notes)


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


def test_existing_bag_is_refused_before_any_work(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    for importer in (import_mig_run, import_thermal, import_video):
        with pytest.raises(InputError, match="exists already"):
            importer(run_dir, tmp_path / "bag")  # type: ignore[operator]


def thermal_arrays(frames: int = 100, arc: int = 75) -> dict[str, np.ndarray]:
    process = np.zeros((frames, 4), np.float32)
    process[:arc] = (200.0, 25.0, 500.0, 150.0)
    return {
        "thermal_celsius": np.random.default_rng(0).uniform(100, 3000, (frames, 6, 5)).astype(np.float16),
        "process": process,
        "arc_on": np.arange(frames) < arc,
        "fps": np.float32(25.0),
    }


def test_thermal_recording_keeps_its_temperatures(tmp_path: Path) -> None:
    arrays = thermal_arrays()
    np.savez(tmp_path / "W1.npz", **arrays)
    report = import_thermal(tmp_path / "W1.npz", tmp_path / "bag")
    with BagReader(tmp_path / "bag") as bag:
        samples = list(bag.samples())
        assert bag.attributes["group"] == "W1"
    images = [s for s in samples if isinstance(s, ThermalFrame)]
    np.testing.assert_array_equal(np.stack([s.celsius for s in images]), arrays["thermal_celsius"].astype(np.float32))
    assert {b.stamp_ns - a.stamp_ns for a, b in itertools.pairwise(images)} == {40_000_000}
    rows = np.array([s.as_row() for s in samples if isinstance(s, TelemetrySample)])
    np.testing.assert_array_equal(rows[:, :2], arrays["process"][:, :2])
    assert np.isnan(rows[:, 2:]).all()  # the wire feed's unit is only presumed
    assert spans(report.annotations) == {
        "ARC_INITIATION": (0.0, 0.5),
        "MATERIAL_DEPOSITION": (2.0, 2.5),
        "ARC_EXTINCTION": (2.5, 3.0),
        "COOLING": (3.0, 4.0),
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"thermal_celsius": None}, "array thermal_celsius is missing"),
        ({"fps": np.float32(0)}, "fps is 0"),
        ({"fps": np.float32("nan")}, "fps is nan"),
        ({"arc_on": np.ones(3, bool)}, r"arc_on has shape \(3,\)"),
        ({"process": np.ones((100, 1))}, r"process has shape \(100, 1\)"),
        ({"thermal_celsius": np.ones((100, 4))}, r"thermal_celsius has shape \(100, 4\)"),
        ({"process": np.array([object()] * 100)}, "not a readable"),
    ],
)
def test_malformed_thermal_files_name_the_array(tmp_path: Path, change: dict[str, object], says: str) -> None:
    arrays = {k: v for k, v in {**thermal_arrays(), **change}.items() if v is not None}
    np.savez(tmp_path / "W1.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=says):
        import_thermal(tmp_path / "W1.npz", tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_cut_thermal_file_is_refused(tmp_path: Path, kept: int) -> None:
    np.savez_compressed(tmp_path / "W1.npz", **thermal_arrays())
    (tmp_path / "W1.npz").write_bytes((tmp_path / "W1.npz").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"W1\.npz: not a readable"):
        import_thermal(tmp_path / "W1.npz", tmp_path / "bag")


def test_video_becomes_evenly_spaced_colour_images(tmp_path: Path) -> None:
    write_camera(tmp_path / "film.avi", fps=20.0, colour=True)
    import_video(tmp_path / "film.avi", tmp_path / "bag")
    import_video(tmp_path / "film.avi", tmp_path / "slow", fps=10.0)
    for name, period in (("bag", 50_000_000), ("slow", 100_000_000)):
        with BagReader(tmp_path / name) as bag:
            frames = [s for s in bag.samples() if isinstance(s, CameraFrame)]
        assert len(frames) == 320
        assert {b.stamp_ns - a.stamp_ns for a, b in itertools.pairwise(frames)} == {period}
    assert frames[0].encoded is not None
    assert cv2.imdecode(np.frombuffer(frames[0].encoded, np.uint8), cv2.IMREAD_UNCHANGED).ndim == 3


def test_video_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.avi").write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match="no video that OpenCV can read"):
        import_video(tmp_path / "film.avi", tmp_path / "bag")
    with pytest.raises(InputError, match="no such video file"):
        import_video(tmp_path / "none.avi", tmp_path / "bag")
    write_camera(tmp_path / "good.avi")
    with pytest.raises(InputError, match="the frame rate is -3"):
        import_video(tmp_path / "good.avi", tmp_path / "bag", fps=-3.0)
    assert not (tmp_path / "bag").exists()


def test_jpeg_stays_close_to_the_image() -> None:
    yy, xx = np.mgrid[0:120, 0:160]
    image = (10 + 240 * np.exp(-((yy - 60) ** 2 + (xx - 80) ** 2) / 800)).astype(np.uint8)
    back = cv2.imdecode(
        np.frombuffer(encode_jpeg(drop_empty_colour(np.dstack([image] * 3))), np.uint8), cv2.IMREAD_UNCHANGED
    )
    assert back.ndim == 2
    assert np.abs(back.astype(int) - image).mean() < 1.0


def test_current_that_never_settles_starts_after_a_second() -> None:
    times = np.arange(0, 10, 0.1)
    current = np.where((times > 2) & (times < 8), np.where(np.arange(100) % 2, 300.0, 100.0), 0.0)
    phases = find_phases(times, current)
    assert phases is not None
    assert phases.settled_s == pytest.approx(phases.start_s + 1.0)


def test_short_breaks_stay_deposition_and_long_ones_are_unlabelled() -> None:
    times = np.arange(0, 30, 0.1)
    current = np.where((times > 5) & (times < 25), 200.0, 0.0)
    current[(times > 10) & (times < 11.5)] = 0.0
    current[(times > 15) & (times < 18)] = 0.0
    phases = find_phases(times, current)
    assert phases is not None
    labels = label_phases(phases, 30.0, "telemetry")
    deposition = [(a.start_s, a.end_s) for a in labels if a.action is Action.MATERIAL_DEPOSITION]
    assert len(deposition) == 2
    assert deposition[0][1] == pytest.approx(15.0, abs=0.11)
    assert deposition[1][0] == pytest.approx(18.0, abs=0.11)


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
