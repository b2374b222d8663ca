"""Log-mel spectrogram of an audio window, independent of the sample rate."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msstan_core.preprocessing.input_spec import LogMelSpec

#: Power floor; -100 dB of a full-scale sine.
FLOOR_DB = -100.0


def log_mel(samples: NDArray[np.float32], sample_rate_hz: int, spec: LogMelSpec) -> NDArray[np.float32]:
    """Log-mel spectrogram of the newest sound.

    Args:
        samples: [N] oldest first; what is older than ``spec.length_s`` is ignored.
        sample_rate_hz: any rate; the bands are defined in hertz, so 16 and 48 kHz of one sound agree.
        spec: bands, frames and windows.

    Returns:
        [bands, frames] in dB re a full-scale sine, newest frame last. Frames before the first sample repeat the
        oldest computed one; with less than one analysis window everything is FLOOR_DB.
    """
    window, bank = _analysis(sample_rate_hz, spec)
    length = len(window)
    hop = max(1, round(spec.hop_s * sample_rate_hz))
    frames = min(spec.frames, (len(samples) - length) // hop + 1) if len(samples) >= length else 0
    out = np.full((spec.bands, spec.frames), FLOOR_DB, np.float32)
    if frames == 0:
        return out
    newest = samples[len(samples) - ((frames - 1) * hop + length) :]
    segments = np.lib.stride_tricks.sliding_window_view(newest, length)[::hop]
    power = np.square(np.abs(np.fft.rfft(segments * window, axis=1)))  # [frames, bins]
    level = 10.0 * np.log10(power @ bank + 10.0 ** (FLOOR_DB / 10.0))
    out[:, spec.frames - frames :] = level.T
    out[:, : spec.frames - frames] = out[:, spec.frames - frames, None]
    return out


@lru_cache(maxsize=8)
def _analysis(sample_rate_hz: int, spec: LogMelSpec) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Window [n] and mel filter bank [bins, bands]; scaled so that a full-scale sine inside a band reads 0 dB."""
    length = max(16, round(spec.window_s * sample_rate_hz))
    window = np.hanning(length).astype(np.float32)
    window *= 2.0 / window.sum()
    frequency = np.fft.rfftfreq(length, 1.0 / sample_rate_hz)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(spec.low_hz), _hz_to_mel(spec.high_hz), spec.bands + 2))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequency[:, None] - low) / (centre - low)
    falling = (high - frequency[:, None]) / (high - centre)
    bank = np.clip(np.minimum(rising, falling), 0.0, None)
    # Narrow low bands may fall between two bins: give them the nearest one.
    empty = (bank.sum(axis=0) == 0) & (centre < sample_rate_hz / 2)
    for band in np.flatnonzero(empty):
        bank[np.argmin(np.abs(frequency - centre[band])), band] = 1.0
    return window, bank.astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
