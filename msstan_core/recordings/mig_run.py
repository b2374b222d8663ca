"""What a robotic MIG run folder holds: sound, process values and images, each stream on its own clock.

Missing and cut pieces are tolerated and noted.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import AudioChunk, Sample, TelemetrySample
from msstan_core.recordings.importing import VideoFile, bag_stamp_ns, encode_jpeg
from msstan_core.recordings.offsets import (
    ArcSignal,
    OffsetEstimate,
    arc_from_brightness,
    arc_from_current,
    arc_from_sound,
)

CHUNK_SAMPLES = 1024  #: 64 ms at 16 kHz

Floats = NDArray[np.float64]


@dataclass(slots=True)
class RunStream:
    """One stream on its own clock."""

    arc: ArcSignal
    end_s: float
    begin_s: float = 0.0  #: below 0 where it was recorded before the trigger
    offset: OffsetEstimate | None = None

    def place(self, stamps_s: Floats | float) -> Floats:
        """Own times on the clock of the reference stream; as they are where no offset could be estimated."""
        return np.asarray(stamps_s, np.float64) if self.offset is None else self.offset.to_reference(stamps_s)


@dataclass(slots=True)
class MigRun:
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
    streams: dict[str, RunStream] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def telemetry(self, start_s: float) -> Iterator[Sample]:
        """Its process values, on the clock of the bag that begins at ``start_s`` of the reference stream's."""
        if "telemetry" not in self.streams:
            return
        times = self.streams["telemetry"].place(self.telemetry_s) - start_s
        for time_s, current, voltage in zip(times, self.current_a, self.voltage_v, strict=True):
            yield TelemetrySample(bag_stamp_ns(time_s), current_a=float(current), voltage_v=float(voltage))

    def sound(self, start_s: float) -> Iterator[Sample]:
        """Its sound in chunks, likewise."""
        if "acoustic" not in self.streams:
            return
        shift_s = float(self.streams["acoustic"].place(0.0)) - start_s
        for first in range(0, len(self.samples), CHUNK_SAMPLES):
            chunk = self.samples[first : first + CHUNK_SAMPLES]
            stamp_ns = bag_stamp_ns(shift_s + first / self.sample_rate_hz)
            yield AudioChunk(stamp_ns, self.sample_rate_hz, chunk, "microphone")


def read_run(run_dir: Path, fps: float | None) -> MigRun:
    """Read what there is of ``audio.flac``, ``process.csv`` and ``camera.avi``.

    Args:
        run_dir: the folder. fps: true frame rate of the camera; None: the video header's.

    Raises:
        InputError: no stream at all, or a malformed ``process.csv``.
    """
    run = MigRun()
    _read_audio(run, run_dir / "audio.flac")
    _read_process(run, run_dir / "process.csv")
    _read_camera(run, run_dir / "camera.avi", fps)
    if not run.streams:
        reasons = "; ".join(run.notes)
        raise InputError(
            run_dir, f"holds no readable stream ({reasons})", "it needs audio.flac, process.csv or camera.avi"
        )
    return run


def _read_audio(run: MigRun, path: Path) -> None:
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
    run.streams["acoustic"] = RunStream(arc, len(run.samples) / run.sample_rate_hz)


def _read_process(run: MigRun, path: Path) -> None:
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
                if np.isfinite(values[0]):
                    rows.append(values)
                else:
                    skipped += 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"not a CSV text file ({error})", "export it again") from None
    ordered = _in_time_order([row[0] for row in rows])
    skipped += len(rows) - len(ordered)
    rows = [rows[k] for k in ordered]
    if skipped:
        run.notes.append(f"process.csv: {skipped} rows skipped (cut, not a number, or out of time order)")
    if len(rows) < 2:
        run.notes.append("process.csv holds no usable rows: the bag has no telemetry and no annotations")
        return
    run.telemetry_s, run.current_a, run.voltage_v = np.array(rows, np.float64).T
    arc = arc_from_current(run.telemetry_s, run.current_a)
    run.streams["telemetry"] = RunStream(arc, float(run.telemetry_s[-1]), min(0.0, float(run.telemetry_s[0])))


def _in_time_order(times_s: list[float]) -> list[int]:
    """Indices of the most rows whose times ascend: one wrong time costs its own row, whichever way it is wrong."""
    ends: list[int] = []  # of the runs of length 1, 2, ..., the row with the earliest end
    before: list[int] = []
    for k, time_s in enumerate(times_s):
        place = bisect_left(ends, time_s, key=times_s.__getitem__)
        before.append(ends[place - 1] if place else -1)
        ends[place : place + 1] = [k]
    run: list[int] = []
    last = ends[-1] if ends else -1
    while last >= 0:
        run.append(last)
        last = before[last]
    return run[::-1]


def _read_camera(run: MigRun, path: Path, fps: float | None) -> None:
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
    run.streams["camera"] = RunStream(arc_from_brightness(run.frame_s, brightness), float(run.frame_s[-1]))
