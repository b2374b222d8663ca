"""Importer of robotic MIG run folders: ``audio.flac``, ``process.csv`` and, sometimes, ``camera.avi``.

The three streams do not share a clock. The bag has the clock of the microphone, and camera and telemetry are placed on
it by the arc (:mod:`msstan_core.recordings.offsets`). Camera and microphone are related directly, so that what a
recogniser sees of them does not depend on the telemetry its labels come from.

Only documented columns are mapped: ``current_a`` (A) and ``voltage_v`` (V). ``feed``, ``wire_consumed``, ``co2_flow``
and ``pressure`` have no documented unit; they stay unmeasured (NaN) rather than being guessed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, Sample, TelemetrySample, WeldContext
from msstan_core.recordings.importing import (
    JPEG_QUALITY,
    RECORDING_EPOCH_NS,
    ImportReport,
    Progress,
    VideoFile,
    bag_stamp_ns,
    check_frame_rate,
    compressed_frames,
    encode_jpeg,
    write_recording,
)
from msstan_core.recordings.offsets import (
    ArcSignal,
    OffsetEstimate,
    arc_from_brightness,
    arc_from_current,
    arc_from_sound,
    estimate_offset,
)
from msstan_core.recordings.phases import find_phases, label_phases
from msstan_core.vocabulary import Material, Process

CHUNK_SAMPLES = 1024  #: 64 ms at 16 kHz

#: Verdict by the last two digits of a run's name, where no runs.csv gives it.
VERDICT_BY_SUFFIX = {
    "00": "good",
    "02": "burn_through",
    "06": "overlap",
    "07": "lack_of_fusion",
    "08": "excessive_convexity",
    "11": "crater_cracks",
}

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Stream:
    """One stream on its own clock."""

    arc: ArcSignal
    end_s: float
    offset: OffsetEstimate | None = None

    def place(self, stamps_s: Floats | float) -> Floats:
        """Own times on the clock of the reference stream; as they are where no offset could be estimated."""
        return np.asarray(stamps_s, np.float64) if self.offset is None else self.offset.to_reference(stamps_s)


@dataclass(slots=True)
class _Run:
    """What a run folder holds, each stream on its own clock."""

    samples: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    sample_rate_hz: int = 0
    telemetry_s: Floats = field(default_factory=lambda: np.zeros(0))
    current_a: Floats = field(default_factory=lambda: np.zeros(0))
    voltage_v: Floats = field(default_factory=lambda: np.zeros(0))
    jpegs: list[bytes] = field(default_factory=list)
    frame_s: Floats = field(default_factory=lambda: np.zeros(0))
    camera_raw_bytes: int = 0
    fps_is_given: bool = False
    streams: dict[str, _Stream] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def import_mig_run(
    run_dir: Path, out_bag: Path, *, fps: float | None = None, progress: Progress | None = None
) -> ImportReport:
    """Make a bag of a run folder. Missing and cut pieces are tolerated and noted in the report.

    Args:
        run_dir: the folder; ``runs.csv`` two levels up (beside ``runs/``) gives configuration and verdict.
        out_bag: bag folder to create.
        fps: true frame rate of the camera where the video's header is wrong; None: the header's, corrected by the arc.
        progress: called with the seconds written.

    Raises:
        InputError: no stream at all, an impossible ``fps``, a malformed ``process.csv``, an existing ``out_bag``, or a
            full disk.
    """
    if not run_dir.is_dir():
        raise InputError(run_dir, "no such run folder", "give a folder with audio.flac, process.csv or camera.avi")
    if out_bag.exists():
        raise InputError(out_bag, "exists already", "remove it or give another name")
    check_frame_rate(fps)
    run = _Run()
    _read_audio(run, run_dir / "audio.flac")
    _read_process(run, run_dir / "process.csv")
    _read_camera(run, run_dir / "camera.avi", fps)
    if not run.streams:
        reasons = "; ".join(run.notes)
        raise InputError(
            run_dir, f"holds no readable stream ({reasons})", "it needs audio.flac, process.csv or camera.avi"
        )
    report = ImportReport(out_bag, notes=run.notes, camera_raw_bytes=run.camera_raw_bytes)
    report.clock = _share_clock(run)
    report.offsets = {name: s.offset for name, s in run.streams.items() if s.offset is not None}
    start_s = min(float(stream.place(0.0)) for stream in run.streams.values())
    end_s = max(float(stream.place(stream.end_s)) for stream in run.streams.values())
    attributes = _attributes(run_dir, run, report)
    annotations = []
    phases = (
        find_phases(run.streams["telemetry"].place(run.telemetry_s) - start_s, run.current_a)
        if len(run.current_a)
        else None
    )
    if phases is not None:
        annotations = label_phases(phases, end_s - start_s, "telemetry")
    else:
        run.notes.append(
            "no annotations: " + ("the current never exceeds 20 A" if len(run.current_a) else "no current")
        )
    context = WeldContext(
        stamp_ns=RECORDING_EPOCH_NS,
        process=Process.GMAW,
        material_a=Material.CARBON_STEEL,
        material_b=Material.CARBON_STEEL,
        job_id=run_dir.resolve().name,
    )
    streams: list[Iterator[Sample]] = [iter([context]), _telemetry(run, start_s), _sound(run, start_s)]
    if run.jpegs:
        streams.append(compressed_frames(run.jpegs, run.streams["camera"].place(run.frame_s) - start_s))
    return write_recording(report, streams, attributes=attributes, annotations=annotations, progress=progress)


def _read_audio(run: _Run, path: Path) -> None:
    if not path.is_file():
        run.notes.append("no audio.flac: the bag has no sound")
        return
    blocks = []
    try:
        with soundfile.SoundFile(path) as sound:
            run.sample_rate_hz, announced = int(sound.samplerate), int(sound.frames)
            try:
                while len(block := sound.read(sound.samplerate, dtype="float32", always_2d=True)):
                    blocks.append(block[:, 0])
            except soundfile.LibsndfileError:
                pass  # a cut file: what came before is good, and the shortfall is noted below
    except soundfile.LibsndfileError as error:
        run.notes.append(f"audio.flac is unreadable ({error.error_string.rstrip('.')}): the bag has no sound")
        return
    run.samples = np.concatenate(blocks) if blocks else run.samples
    if not len(run.samples):
        run.notes.append("audio.flac holds no readable sample: the bag has no sound")
        return
    if len(run.samples) < announced:
        seconds = len(run.samples) / run.sample_rate_hz
        run.notes.append(f"audio.flac is cut: {seconds:.1f} of {announced / run.sample_rate_hz:.1f} s are readable")
    arc = arc_from_sound(run.samples, run.sample_rate_hz)
    run.streams["acoustic"] = _Stream(arc, len(run.samples) / run.sample_rate_hz)


def _read_process(run: _Run, path: Path) -> None:
    if not path.is_file():
        run.notes.append("no process.csv: the bag has no telemetry and no annotations")
        return
    rows: list[tuple[float, ...]] = []
    skipped = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            for column in ("time_s", "current_a", "voltage_v"):
                if column not in (reader.fieldnames or ()):
                    raise InputError(
                        path, f"column {column} is missing", "the header must name time_s (s), current_a (A)"
                    )
            for row in reader:
                try:
                    values = tuple(float(row[c]) for c in ("time_s", "current_a", "voltage_v"))
                except (TypeError, ValueError):
                    skipped += 1
                    continue
                if not np.isfinite(values[0]) or (rows and values[0] <= rows[-1][0]):
                    skipped += 1
                    continue
                rows.append(values)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"not a CSV text file ({error})", "export it again") from None
    if skipped:
        run.notes.append(f"process.csv: {skipped} rows skipped (cut, not a number, or out of time order)")
    if len(rows) < 2:
        run.notes.append("process.csv holds no usable rows: the bag has no telemetry and no annotations")
        return
    run.telemetry_s, run.current_a, run.voltage_v = np.array(rows, np.float64).T
    arc = arc_from_current(run.telemetry_s, run.current_a)
    run.streams["telemetry"] = _Stream(arc, float(run.telemetry_s[-1]))


def _read_camera(run: _Run, path: Path, fps: float | None) -> None:
    if not path.is_file():  # most runs have none
        if fps is not None:
            run.notes.append("no camera.avi: the frame rate that was given is not used")
        return
    try:
        video = VideoFile(path, fps)
        brightness = []
        for image in video.frames():
            brightness.append(float(image.mean()))
            run.camera_raw_bytes += image.size
            run.jpegs.append(encode_jpeg(image))
    except InputError as error:
        run.notes.append(f"the bag has no images: {error}")
        return
    if video.shortfall():
        run.notes.append(video.shortfall())
    run.frame_s = np.arange(len(run.jpegs)) / video.fps
    run.fps_is_given = fps is not None
    run.streams["camera"] = _Stream(arc_from_brightness(run.frame_s, brightness), float(run.frame_s[-1]))


def _share_clock(run: _Run) -> str:
    """Estimate each stream's offset to the clock of one; returns that one's name."""
    order = [name for name in ("acoustic", "telemetry", "camera") if name in run.streams]
    clock = next((name for name in order if run.streams[name].arc.edges()), order[0])
    reference = run.streams[clock]
    for name in order:
        stream = run.streams[name]
        if name == clock:
            continue
        # The camera's times are frame numbers at a nominal rate, which may itself be wrong by a few per cent.
        stream.offset = estimate_offset(reference.arc, stream.arc, fit_rate=name == "camera" and not run.fps_is_given)
        if stream.offset is None:
            run.notes.append(f"offset of {name} to {clock} not estimated: no arc edge in both; taken as 0")
        elif stream.offset.rate != 1.0:
            run.notes.append(
                f"{name} runs at {1 / stream.offset.rate:.4f} of its nominal frame rate, by the arc's length"
            )
    return clock


def _attributes(run_dir: Path, run: _Run, report: ImportReport) -> dict[str, str]:
    run_id = run_dir.resolve().name
    row = _run_row(run_dir.resolve().parent.parent / "runs.csv", run_id)
    attributes = {
        "run_id": run_id,
        "group": row.get("configuration") or run_id,
        "verdict": row.get("label") or VERDICT_BY_SUFFIX.get(run_id[-2:], "unknown"),
        "importer": "mig",
        "simulated": "false",
        "process": "GMAW",
        "material": "mild steel",
        "clock": report.clock,
        "telemetry_columns": "current_a,voltage_v",
    }
    if not row.get("configuration"):
        run.notes.append("no runs.csv names this run's configuration: group is the run itself")
    if run.jpegs:
        attributes["camera_jpeg_quality"] = str(JPEG_QUALITY)
    for name, offset in report.offsets.items():
        attributes[f"offset_{name}_s"] = f"{offset.offset_s:.4f}"
        attributes[f"offset_{name}_uncertainty_s"] = f"{offset.uncertainty_s:.4f}"
        attributes[f"offset_{name}_method"] = offset.method
        attributes[f"rate_{name}"] = f"{offset.rate:.5f}"
    return attributes


def _run_row(path: Path, run_id: str) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return next((row for row in csv.DictReader(stream) if row.get("run_id") == run_id), {})


def _telemetry(run: _Run, start_s: float) -> Iterator[Sample]:
    if "telemetry" not in run.streams:
        return
    times = run.streams["telemetry"].place(run.telemetry_s) - start_s
    for time_s, current, voltage in zip(times, run.current_a, run.voltage_v, strict=True):
        yield TelemetrySample(bag_stamp_ns(time_s), current_a=float(current), voltage_v=float(voltage))


def _sound(run: _Run, start_s: float) -> Iterator[Sample]:
    if "acoustic" not in run.streams:
        return
    shift_s = float(run.streams["acoustic"].place(0.0)) - start_s
    for first in range(0, len(run.samples), CHUNK_SAMPLES):
        chunk = run.samples[first : first + CHUNK_SAMPLES]
        yield AudioChunk(bag_stamp_ns(shift_s + first / run.sample_rate_hz), run.sample_rate_hz, chunk, "microphone")
