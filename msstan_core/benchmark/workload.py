"""What a usual cell delivers: 640x480 colour at 30 Hz, 640x480 thermal at 25 Hz, sound, telemetry at 50 Hz."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    AudioChunk,
    AudioWindow,
    CameraFrame,
    Sample,
    TelemetrySample,
    TelemetryWindow,
    ThermalFrame,
    Tick,
)

WIDTH, HEIGHT = 640, 480
CAMERA_HZ, THERMAL_HZ, TELEMETRY_HZ = 30.0, 25.0, 50.0
CHUNK_SAMPLES = 1024
#: Different images that take turns: enough that none stays in a cache.
_PICTURES = 12


def camera_pictures(count: int = _PICTURES, seed: int = 0) -> list[NDArray[np.uint8]]:
    """[480, 640, 3] BGR: a noisy plate with a bright spot that wanders."""
    rng = np.random.default_rng(seed)
    plate = cv2.resize(rng.integers(30, 90, (60, 80, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    out = []
    for index in range(count):
        noisy = np.asarray(plate, np.uint8) + rng.integers(0, 12, plate.shape, dtype=np.uint8)
        cv2.circle(noisy, (80 + index * 480 // count, 240), 28, (255, 250, 240), -1)
        out.append(noisy)
    return out


def thermal_pictures(count: int = _PICTURES, seed: int = 1) -> list[NDArray[np.float32]]:
    """[480, 640] degC: a hot spot that wanders, with sensor noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    out = []
    for index in range(count):
        squared = (columns - 80 - index * 480 / count) ** 2 + (rows - 240) ** 2
        celsius = 25.0 + 1600.0 * np.exp(-squared / 2500.0) + rng.normal(0, 2, (HEIGHT, WIDTH))
        out.append(celsius.astype(np.float32))
    return out


def ticks(count: int, camera_hz: float = CAMERA_HZ, sample_rate_hz: int = 16_000) -> list[Tick]:
    """Ticks with all four modalities, as the aligner would make them; thermal frames are shared as at 25 Hz."""
    rng = np.random.default_rng(2)
    cameras, thermals = camera_pictures(), thermal_pictures()
    sound = rng.normal(0, 0.05, 2 * sample_rate_hz).astype(np.float32)
    out: list[Tick] = []
    newest: ThermalFrame | None = None
    for index in range(count):
        now = NANOSECONDS_PER_SECOND + round(index / camera_hz * NANOSECONDS_PER_SECOND)
        number = int(index / camera_hz * THERMAL_HZ)
        stamp = NANOSECONDS_PER_SECOND + round(number / THERMAL_HZ * NANOSECONDS_PER_SECOND)
        if newest is None or newest.stamp_ns != stamp:
            newest = ThermalFrame(stamp, thermals[number % _PICTURES])
        begin = int(rng.integers(0, sample_rate_hz))
        telemetry = np.tile(np.array([180, 22, 0.12, 0.006, 15], np.float32), (50, 1))
        telemetry += rng.normal(0, 0.02, telemetry.shape).astype(np.float32) * telemetry
        out.append(
            Tick(
                index=index,
                stamp_ns=now,
                camera=CameraFrame(now, image=cameras[index % _PICTURES]),
                thermal=newest,
                audio=AudioWindow(now, sample_rate_hz, sound[begin : begin + round(0.4 * sample_rate_hz)]),
                telemetry=TelemetryWindow(now - np.arange(50, dtype=np.int64)[::-1] * 20_000_000, telemetry),
                age_s=np.zeros(4, np.float32),
                valid=np.ones(4, bool),
            )
        )
    return out


def samples(seconds: float, sample_rate_hz: int = 16_000, start_ns: int = NANOSECONDS_PER_SECOND) -> Iterator[Sample]:
    """The streams as single samples in the order of their stamps."""
    cameras, thermals = camera_pictures(), thermal_pictures()
    sound = np.random.default_rng(3).normal(0, 0.05, CHUNK_SAMPLES).astype(np.float32)
    due: list[tuple[float, Sample]] = []

    def stamp(at_s: float) -> int:
        return start_ns + round(at_s * NANOSECONDS_PER_SECOND)

    for index in range(int(seconds * CAMERA_HZ)):
        at = index / CAMERA_HZ
        due.append((at, CameraFrame(stamp(at), image=cameras[index % _PICTURES])))
    for index in range(int(seconds * THERMAL_HZ)):
        at = index / THERMAL_HZ
        due.append((at, ThermalFrame(stamp(at), thermals[index % _PICTURES])))
    for index in range(int(seconds * sample_rate_hz / CHUNK_SAMPLES)):
        at = index * CHUNK_SAMPLES / sample_rate_hz
        due.append((at + CHUNK_SAMPLES / sample_rate_hz, AudioChunk(stamp(at), sample_rate_hz, sound)))
    for index in range(int(seconds * TELEMETRY_HZ)):
        at = index / TELEMETRY_HZ
        due.append((at, TelemetrySample(stamp(at), 180.0, 22.0, 0.12, 0.006, 15.0)))
    return (sample for _, sample in sorted(due, key=lambda pair: pair[0]))
