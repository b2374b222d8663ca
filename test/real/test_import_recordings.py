"""The importers on the real recordings beside the repository; skipped, with the reason, where these are missing."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from msstan_core.observation import AudioChunk, CameraFrame, TelemetrySample, ThermalFrame
from msstan_core.recordings.annotations import UNLABELLED, Annotation, action_track
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.importing import ImportReport
from msstan_core.recordings.mig import import_mig_run
from msstan_core.recordings.offsets import arc_from_current, arc_from_sound, estimate_offset
from msstan_core.recordings.thermal import import_thermal
from msstan_core.vocabulary import ACTIONS, ARC_ON, Action

REAL_DATA = Path(os.environ.get("MSSTAN_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
RUNS = REAL_DATA / "robotic_mig" / "runs"
THERMAL = REAL_DATA / "thermal_arc"
CAMERA_RUN = "03-22-23-0001-06"

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not RUNS.is_dir(), reason=f"no real recordings at {REAL_DATA} (set MSSTAN_REAL_DATA)"),
]


def run_names() -> list[str]:
    return sorted(p.name for p in RUNS.iterdir()) if RUNS.is_dir() else []


def span(annotations: list[Annotation], action: Action) -> tuple[float, float]:
    (found,) = [a for a in annotations if a.action is action]
    return found.start_s, found.end_s


@pytest.fixture(scope="module")
def camera_import(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    return import_mig_run(RUNS / CAMERA_RUN, tmp_path_factory.mktemp("bags") / "camera")


def test_offsets_of_the_camera_run_agree_with_its_known_edges(camera_import: ImportReport) -> None:
    """The arc lights at 5.84 s in the video, 5.92 s in the telemetry and about 3.95 s in the sound."""
    camera, telemetry = camera_import.offsets["camera"], camera_import.offsets["telemetry"]
    assert camera_import.clock == "acoustic"
    assert float(camera.to_reference(5.84)) == pytest.approx(3.95, abs=0.05)
    assert float(telemetry.to_reference(5.92)) == pytest.approx(3.95, abs=0.1)
    # Its video claims 31 frames per second; sound and telemetry agree on an arc 3 % longer than that makes it.
    assert camera.rate == pytest.approx(1.032, abs=0.005)
    assert camera.uncertainty_s < 0.1
    assert telemetry.uncertainty_s < 0.15


def test_bag_of_the_camera_run_holds_every_frame_and_sample(camera_import: ImportReport) -> None:
    with BagReader(camera_import.bag) as bag:
        samples = list(bag.samples())
        assert not bag.rejected
        assert bag.attributes["group"] == "overlap_1_03-22-23_BSK46"
        assert bag.attributes["verdict"] == "overlap"
        assert bag.start_ns == min(s.stamp_ns for s in samples)
    sound, _ = soundfile.read(RUNS / CAMERA_RUN / "audio.flac", dtype="float32")
    np.testing.assert_array_equal(np.concatenate([s.samples for s in samples if isinstance(s, AudioChunk)]), sound)
    frames = [s for s in samples if isinstance(s, CameraFrame)]
    assert len(frames) == 669
    with (RUNS / CAMERA_RUN / "process.csv").open() as stream:
        current = [float(row["current_a"]) for row in csv.DictReader(stream)]
    np.testing.assert_allclose([s.current_a for s in samples if isinstance(s, TelemetrySample)], current, rtol=1e-6)


def test_stored_images_are_an_order_of_magnitude_smaller_and_still_the_same_picture(
    camera_import: ImportReport,
) -> None:
    with BagReader(camera_import.bag) as bag:
        frames = [s for s in bag.samples() if isinstance(s, CameraFrame)]
    assert 10 * sum(len(f.encoded or b"") for f in frames) < camera_import.camera_raw_bytes
    video = cv2.VideoCapture(str(RUNS / CAMERA_RUN / "camera.avi"))
    for k in range(200):
        done, original = video.read()
        assert done
        if k in (20, 181, 190):
            stored = cv2.imdecode(np.frombuffer(frames[k].encoded or b"", np.uint8), cv2.IMREAD_UNCHANGED)
            assert stored.shape == (600, 960)
            assert np.abs(stored.astype(int) - original[..., 0]).mean() < 1.5
    video.release()


def test_labels_meet_the_light_and_the_sound_of_the_arc(camera_import: ImportReport) -> None:
    """Labels come from the telemetry; light and sound, placed without it, must begin and end with them."""
    with BagReader(camera_import.bag) as bag:
        zero = bag.start_ns
        lit, loud = [], []
        for s in bag.samples():
            if isinstance(s, CameraFrame):
                image = cv2.imdecode(np.frombuffer(s.encoded or b"", np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
                lit.append(((s.stamp_ns - zero) / 1e9, image.mean() > 18))
            elif isinstance(s, AudioChunk):
                loud.append(((s.stamp_ns - zero) / 1e9 + 0.032, s.samples.std() > 1e-3))
        annotations = bag.annotations
    start, end = span(annotations, Action.ARC_INITIATION)[0], span(annotations, Action.ARC_EXTINCTION)[1]
    for sensed in (lit, loud):
        times = [t for t, on in sensed if on and abs(t - (start + end) / 2) < 8]
        assert times[0] == pytest.approx(start, abs=0.2)
        assert times[-1] == pytest.approx(end, abs=0.2)


@pytest.mark.parametrize("name", run_names())
def test_microphone_and_telemetry_of_every_run_agree_on_the_arc(name: str) -> None:
    sound, rate = soundfile.read(RUNS / name / "audio.flac", dtype="float32")
    table = np.genfromtxt(RUNS / name / "process.csv", delimiter=",", names=True)
    estimate = estimate_offset(arc_from_sound(sound, rate), arc_from_current(table["time_s"], table["current_a"]))
    assert estimate is not None
    assert -2.1 < estimate.offset_s < -0.6  # the sound leads the telemetry by 0.7 to 2.0 s
    assert estimate.uncertainty_s < 0.25
    assert int(estimate.method.split()[0]) >= 2  # both ends of the arc were paired


def test_arc_that_breaks_many_times_is_matched_by_many_edges(tmp_path: Path) -> None:
    report = import_mig_run(RUNS / "09-09-22-0002-02", tmp_path / "bag")
    assert int(report.offsets["telemetry"].method.split()[0]) >= 6
    assert report.offsets["telemetry"].uncertainty_s < 0.12
    deposition = [a for a in report.annotations if a.action is Action.MATERIAL_DEPOSITION]
    assert len(deposition) == 1  # its breaks are shorter than two seconds


def test_labels_of_a_run_follow_the_reference_rule(tmp_path: Path) -> None:
    report = import_mig_run(RUNS / "08-17-22-0012-00", tmp_path / "bag")
    table = np.genfromtxt(RUNS / "08-17-22-0012-00" / "process.csv", delimiter=",", names=True)
    time, current = table["time_s"], table["current_a"]
    with BagReader(tmp_path / "bag") as bag:
        stamps = [s.stamp_ns for s in bag.samples() if isinstance(s, TelemetrySample)]
        shift = bag.seconds(stamps[0]) - time[0]
    burning = np.flatnonzero(current > 20)
    median = np.median(current[burning])
    settled = next(
        t
        for t in time[burning[0] :]
        if (np.abs(current[(time >= t) & (time <= t + 0.5)] - median) <= 0.25 * median).all()
    )
    start, end = time[burning[0]], time[burning[-1]]
    assert span(report.annotations, Action.ARC_INITIATION) == pytest.approx(
        (start + shift, max(settled, start + 0.5) + shift), abs=1e-3
    )
    assert span(report.annotations, Action.COOLING)[0] == pytest.approx(end + shift, abs=1e-3)
    assert span(report.annotations, Action.IDLE)[0] == 0.0


@pytest.mark.skipif(not THERMAL.is_dir(), reason=f"no thermal recordings at {THERMAL}")
@pytest.mark.parametrize("name", ["TF031", "TF034"])
def test_thermal_recording_keeps_temperatures_and_arc_label(tmp_path: Path, name: str) -> None:
    report = import_thermal(THERMAL / f"{name}.npz", tmp_path / "bag")
    arrays = np.load(THERMAL / f"{name}.npz")
    with BagReader(tmp_path / "bag") as bag:
        images = [s for s in bag.samples() if isinstance(s, ThermalFrame)]
        times = np.array([bag.seconds(s.stamp_ns) for s in images])
        assert not bag.rejected
    np.testing.assert_array_equal([s.celsius for s in images], arrays["thermal_celsius"].astype(np.float32))
    labels = action_track(report.annotations, times)
    labelled = labels != UNLABELLED
    assert labelled.mean() > 0.95
    np.testing.assert_array_equal(
        np.isin(labels, [ACTIONS.index(a) for a in ARC_ON])[labelled], arrays["arc_on"][labelled]
    )
