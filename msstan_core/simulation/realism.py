"""How close simulated recordings come to real ones: the same descriptors of both, and the distance between them.

Each descriptor is computed per recording, alike for real and simulated ones, from the raw streams. The distance of a
scalar is |median(sim) - median(real)| in units of the real recordings' own spread; for curves (spectra) it is the RMS
difference of the mean curves in dB, beside the same number between single real recordings and the mean of the others.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from msstan_core.errors import InputError

Values = dict[str, float]
Curves = dict[str, NDArray[np.float64]]
#: Third-octave band edges of the microphone spectra, Hz.
BANDS_HZ = 50.0 * 2.0 ** (np.arange(23) / 3.0)
#: Edges of the bands of the envelope's modulation, Hz.
MODULATION_HZ = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 480.0])
AUDIO_RATE_HZ = 16000


@dataclass(frozen=True, slots=True)
class Description:
    """Descriptors of one recording's streams."""

    values: Values
    curves: Curves


def describe_sound(samples: NDArray[np.floating], rate_hz: int = AUDIO_RATE_HZ) -> Description:
    """Level, crackle and spectra of the arc and of the shop before it, from sound alone."""
    block = rate_hz // 100
    count = len(samples) // block
    blocks = np.asarray(samples[: count * block], np.float64).reshape(count, block)
    decibel = 10 * np.log10((blocks**2).mean(1) + 1e-12)
    smooth = np.convolve(decibel, np.ones(30) / 30, "same")
    threshold = (np.percentile(smooth, 5) + np.percentile(smooth, 80)) / 2
    loud = _longest_run(smooth > threshold, gap=60)
    start, end = int(loud[0]) + 100, max(int(loud[-1]) - 50, int(loud[0]) + 200)
    arc, quiet = blocks[start:end].ravel(), blocks[20 : max(int(loud[0]) - 30, 60)].ravel()
    levels = decibel[start:end]
    envelope = np.sqrt((arc[: len(arc) // 16 * 16].reshape(-1, 16) ** 2).mean(1))
    rates, modulation = welch(envelope / envelope.mean() - 1.0, 1000, nperseg=1024)
    values = {
        "arc over shop floor, dB": float(10 * np.log10((arc**2).mean() / max((quiet**2).mean(), 1e-14))),
        "10 ms levels, 95th over 5th percentile, dB": float(np.percentile(levels, 95) - np.percentile(levels, 5)),
        "crackle, log10 kurtosis": float(np.log10((arc**4).mean() / (arc**2).mean() ** 2)),
        "ignition over arc, dB": float(decibel[max(start - 120, 0) : start].max() - 10 * np.log10((arc**2).mean())),
        "fall at arc end, s to lose half the step": _fall(smooth, int(loud[-1])),
    }
    curves = {
        "arc spectrum, dB": _bands(arc, rate_hz),
        "shop spectrum, dB": _bands(quiet, rate_hz),
        "modulation spectrum, dB": _band_means(rates, modulation, MODULATION_HZ),
    }
    return Description(values, curves)


def _longest_run(inside: NDArray[np.bool_], gap: int) -> NDArray[np.intp]:
    """Indices of the longest stretch of True, gaps shorter than ``gap`` bridged."""
    on = np.flatnonzero(inside)
    runs = np.split(on, np.flatnonzero(np.diff(on) > gap) + 1)
    longest = max(runs, key=lambda run: run[-1] - run[0])
    return np.arange(longest[0], longest[-1] + 1)


def _fall(smooth: NDArray[np.float64], last: int) -> float:
    tail = smooth[max(last - 40, 0) : last + 60]
    half = (np.median(smooth[max(last - 200, 0) : max(last - 60, 1)]) + np.percentile(smooth, 5)) / 2
    above = np.flatnonzero(tail > half)
    return float((len(tail) - (above[-1] if len(above) else 0)) / 100.0)


def _bands(signal: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    frequency, density = welch(signal, rate_hz, nperseg=min(2048, max(len(signal) // 4, 256)))
    return _band_means(frequency, density, BANDS_HZ)


def _band_means(
    x: NDArray[np.float64], density: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    means = []
    for low, high in pairwise(edges):
        inside = (x >= low) & (x < high)
        means.append(float(density[inside].mean()) if inside.any() else float(np.interp((low + high) / 2, x, density)))
    shape = 10 * np.log10(np.array(means) + 1e-16)
    return np.asarray(shape - shape.mean())


def describe_current(
    time_s: NDArray[np.floating], current_a: NDArray[np.floating], voltage_v: NDArray[np.floating]
) -> Description:
    """Start, steadiness and end of the electrical process as the welder reports it, resampled to 9 Hz."""
    grid = np.arange(float(time_s[0]), float(time_s[-1]), 1 / 9)
    current, voltage = np.interp(grid, time_s, current_a), np.interp(grid, time_s, voltage_v)
    on = np.flatnonzero(current > 20)
    median = float(np.median(current[on]))
    steady = slice(int(on[0]) + 20, int(on[-1]) - 8)
    good = np.abs(current - median) <= 0.25 * median
    settled = next((k for k in range(int(on[0]), len(grid)) if good[k : k + 5].all()), int(on[0]))
    # the first value is an average over the touch and the time before it
    end = current[int(on[-1]) :]
    return Description(
        {
            "current, A": median,
            "current, spread over mean": float(current[steady].std() / median),
            "voltage, V": float(np.median(voltage[steady])),
            "voltage, spread, V": float(voltage[steady].std()),
            "settling, s": float((settled - int(on[0])) / 9),
            "overshoot, of the median": float(current[int(on[0]) : int(on[0]) + 18].max() / median - 1.0),
            "end, s below 20 A": float(len(end[end > 20]) / 9),
        },
        {},
    )


def describe_thermal(celsius: NDArray[np.floating], arc_on: NDArray[np.bool_], rate_hz: float = 25.0) -> Description:
    """Hottest reading during the arc and its fall afterwards."""
    hottest = celsius.reshape(len(celsius), -1).max(1).astype(np.float64)
    flat = celsius.reshape(len(celsius), -1)
    on = np.flatnonzero(arc_on)
    arc = slice(int(on[0]) + 25, int(on[-1]))
    values = {
        "hottest in arc, degC": float(np.median(hottest[arc])),
        "hottest in arc, frame to frame, degC": float(np.diff(hottest[arc]).std()),
        "mean of the crop in arc, degC": float(np.median(flat[arc].mean(1))),
        "coldest of the crop in arc, degC": float(np.median(flat[arc].min(1))),
        "share above 800 degC in arc": float((flat[arc] > 800).mean()),
    }
    for delay in (0.1, 0.5, 1.0, 2.0, 4.0):
        index = int(on[-1]) + round(delay * rate_hz)
        if index < len(hottest):
            values[f"hottest {delay:g} s after the arc, degC"] = float(hottest[index])
    below = np.flatnonzero(hottest[int(on[-1]) :] < 1000)
    values["time to 1000 degC, s"] = (
        float(below[0] / rate_hz) if len(below) else float((len(hottest) - on[-1]) / rate_hz)
    )
    return Description(values, {})


def describe_video(frames: NDArray[np.uint8], rate_hz: float) -> Description:
    """Brightness, saturation, flicker and bright specks away from the arc; [N, H, W] grey."""
    scale = 160 / frames.shape[2]
    small = np.stack([cv2.resize(f, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for f in frames])
    mean = small.reshape(len(small), -1).mean(1).astype(np.float64)
    dark = float(np.percentile(mean, 10))
    lit = np.flatnonzero(mean > dark + 3.0)
    arc = slice(int(lit[0]) + round(rate_hz), int(lit[-1]) - round(0.7 * rate_hz))
    inside = small[arc]
    specks = [_specks(f) for f in frames[arc][:: max(round(rate_hz / 6), 1)]]
    after = mean[int(lit[-1]) - round(0.3 * rate_hz) : int(lit[-1]) + round(1.0 * rate_hz)]
    return Description(
        {
            "mean before the arc": dark,
            "mean in arc": float(np.median(mean[arc])),
            "frame to frame, of the mean": float(np.diff(mean[arc]).std() / mean[arc].mean()),
            "spread inside a frame": float(np.median(inside.reshape(len(inside), -1).std(1))),
            "saturated share": float((inside >= 250).mean()),
            "median pixel": float(np.median(inside)),
            "spatter specks a frame": float(np.mean(specks)),
            "mean 1 s after the arc": float(after[-1]),
        },
        {},
    )


def _specks(frame: NDArray[np.uint8]) -> int:
    """Small bright regions: spatter in flight."""
    bright = (
        cv2.resize(frame, (480, round(480 * frame.shape[0] / frame.shape[1])), interpolation=cv2.INTER_AREA) > 60
    ).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(bright)
    return int(((stats[1:, cv2.CC_STAT_AREA] >= 1) & (stats[1:, cv2.CC_STAT_AREA] < 120)).sum()) if count > 1 else 0


# -- real recordings


def real_sound_and_current(root: Path) -> tuple[list[Description], list[Description]]:
    """Descriptions of the MIG runs below ``root``; raises :class:`InputError` when there are none."""
    import soundfile

    runs = sorted(p for p in (root / "robotic_mig" / "runs").glob("*") if (p / "audio.flac").is_file())
    if not runs:
        raise InputError(root, "holds no robotic_mig/runs/*/audio.flac", "give the folder of the real recordings")
    sound, current = [], []
    for run in runs:
        samples, rate = soundfile.read(run / "audio.flac", dtype="float32")
        sound.append(describe_sound(samples, rate))
        with (run / "process.csv").open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
        time_s, amps, volts = (np.array([float(r[c]) for r in rows]) for c in ("time_s", "current_a", "voltage_v"))
        current.append(describe_current(time_s, amps, volts))
    return sound, current


def real_thermal(root: Path) -> list[Description]:
    """Descriptions of the thermal recordings below ``root``."""
    found = []
    for file in sorted((root / "thermal_arc").glob("*.npz")):
        with np.load(file) as data:
            found.append(describe_thermal(data["thermal_celsius"].astype(np.float32), data["arc_on"]))
    if not found:
        raise InputError(root, "holds no thermal_arc/*.npz", "give the folder of the real recordings")
    return found


def read_video(file: Path, width: int = 480) -> tuple[NDArray[np.uint8], float]:
    """All frames in grey, [N, H, W], reduced to ``width``, and their rate."""
    capture = cv2.VideoCapture(str(file))
    rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
    frames = []
    while True:
        more, frame = capture.read()
        if not more:
            break
        height = round(width * frame.shape[0] / frame.shape[1])
        frames.append(cv2.resize(frame[..., 0], (width, height), interpolation=cv2.INTER_AREA))
    if not frames:
        raise InputError(file, "no frame can be read", "check the file")
    return np.stack(frames), float(rate)


def real_videos(root: Path) -> list[Description]:
    """Descriptions of the weld videos below ``root``."""
    files = sorted((root / "robotic_mig" / "runs").glob("*/camera.avi"))
    return [describe_video(*read_video(file)) for file in files]


# -- distances


@dataclass(frozen=True, slots=True)
class Comparison:
    """One descriptor, real against simulated."""

    name: str
    real: float  #: median; for a curve NaN
    real_spread: float  #: half the distance between the 16th and 84th percentile; for a curve real-to-real RMS, dB
    simulated: float
    distance: float  #: in units of the real spread; for a curve RMS difference of the means, dB
    curve: bool = False


def compare(real: list[Description], simulated: list[Description]) -> list[Comparison]:
    """Distances of all descriptors that both have."""
    found = []
    for name in real[0].values:
        a = np.array([d.values[name] for d in real if name in d.values])
        b = np.array([d.values[name] for d in simulated if name in d.values])
        if len(b) == 0:
            continue
        middle, spread = float(np.median(a)), float(np.percentile(a, 84) - np.percentile(a, 16)) / 2
        if len(a) < 3:  # a single recording has no spread: take a quarter of its value
            spread = 0.25 * abs(middle)
        spread = max(spread, 0.02 * abs(middle), 1e-6)
        found.append(Comparison(name, middle, spread, float(np.median(b)), abs(float(np.median(b)) - middle) / spread))
    for name in real[0].curves:
        a = np.stack([d.curves[name] for d in real])
        b = np.stack([d.curves[name] for d in simulated])
        others = [float(np.sqrt(((a[k] - np.delete(a, k, 0).mean(0)) ** 2).mean())) for k in range(len(a))]
        apart = float(np.sqrt(((a.mean(0) - b.mean(0)) ** 2).mean()))
        found.append(Comparison(name, float("nan"), float(np.median(others)), float("nan"), apart, curve=True))
    return found
