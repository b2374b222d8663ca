"""Made-up recordings in the formats that are imported, whose streams have clocks of their own."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import soundfile

from msstan_core.recordings.annotations import Annotation

RATE = 16_000
#: When the arc burns on the clock of each stream of the made-up run.
SOUND_ARC = (4.0, 12.0)
CURRENT_ARC = (5.5, 13.5)
CAMERA_ARC = (5.0, 13.0)
LENGTH_S = 16.0


def write_sound(path: Path) -> None:
    """Noise while the arc burns."""
    rng = np.random.default_rng(0)
    times = np.arange(int(LENGTH_S * RATE)) / RATE
    sound = rng.normal(0, 0.0005, len(times))
    arc = (times >= SOUND_ARC[0]) & (times < SOUND_ARC[1])
    sound[arc] = rng.normal(0, 0.02, arc.sum())
    soundfile.write(path, sound, RATE)


def write_process(path: Path) -> None:
    """Ten rows a second of current, voltage and columns that nobody has documented."""
    times = np.arange(0, LENGTH_S, 0.1)
    current = np.where((times >= CURRENT_ARC[0] - 1e-9) & (times <= CURRENT_ARC[1] + 1e-9), 200.0, 2.0)
    current[(times >= CURRENT_ARC[0] - 1e-9) & (times < CURRENT_ARC[0] + 0.75)] = 300.0
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time_s", "pressure", "co2_flow", "feed", "current_a", "wire_consumed", "voltage_v"])
        for t, i in zip(times, current, strict=True):
            writer.writerow([f"{t:.3f}", 1.9, 12.3, 45.0, i, 516.0, 20.0 if i > 20 else 40.23])


def write_camera(path: Path, fps: float = 25.0, colour: bool = False) -> None:
    """A film that is bright where the arc burns."""
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


def write_run(root: Path) -> Path:
    """A run folder with sound, process table and video, and the list of runs beside it."""
    folder = root / "runs" / "01-02-23-0001-06"
    folder.mkdir(parents=True)
    write_sound(folder / "audio.flac")
    write_process(folder / "process.csv")
    write_camera(folder / "camera.avi")
    (root / "runs.csv").write_text(
        "run_id,configuration,label,camera,rows,duration_s\n01-02-23-0001-06,plate_7,overlap,1,160,16.0\n"
    )
    return folder


def spans(annotations: list[Annotation]) -> dict[str, tuple[float, float]]:
    """Begin and end by label, s."""
    return {a.label: (a.start_s, a.end_s) for a in annotations}


def thermal_arrays(frames: int = 100, arc: int = 75) -> dict[str, np.ndarray]:
    """What a thermal recording holds; the arc burns in its first frames."""
    process = np.zeros((frames, 4), np.float32)
    process[:arc] = (200.0, 25.0, 500.0, 150.0)
    return {
        "thermal_celsius": np.random.default_rng(0).uniform(100, 3000, (frames, 6, 5)).astype(np.float16),
        "process": process,
        "arc_on": np.arange(frames) < arc,
        "fps": np.float32(25.0),
    }
