"""Synthetic occlusion and sensor noise: smoke, a hand, a fixture before the camera; a grainy image; a noisy wire."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.preprocessing.thermal_statistics import ThermalStatistics
from msstan_core.training.configuration import AugmentationConfig
from msstan_core.vocabulary import Modality

#: Of usual streams, 25 frames a second.
TICK_NS = 40_000_000


def hide_parts(arrays: dict[str, NDArray[Any]], config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Put boxes over camera map and thermal image of one clip, each with probability ``config.occlusion``.

    A box covers up to ``occlusion_size`` of each side, for a random span of the clip, and stands still. What it hides
    reads as the clip's mean in the camera's features and thumbnail, and as the coldest that the thermal camera saw:
    what stands before the weld is colder than it. The temperatures' statistics are those of what is left to see.

    Args:
        arrays: by the names of Features, each [T, ...]; changed in place of its entries.
    """
    for name, modality in (("camera", Modality.CAMERA), ("thermal", Modality.THERMAL)):
        images = arrays[name]
        if config.occlusion == 0 or not any(images.strides) or rng.random() >= config.occlusion:
            continue
        begin, end = sorted(rng.integers(0, len(images) + 1, 2))
        rows, columns = (_span(side, config.occlusion_size, rng) for side in images.shape[-2:])
        seen = arrays["valid"][:, modality] > 0
        if begin == end or not seen.any():
            continue
        span = slice(begin, end)
        if name == "camera":
            arrays[name] = _covered(images, seen, span, rows, columns)
            if arrays.get("thumbnail") is not None:
                scale = arrays["thumbnail"].shape[-1] // images.shape[-1]
                finer = (slice(part.start * scale, part.stop * scale) for part in (rows, columns))
                arrays["thumbnail"] = _covered(arrays["thumbnail"], seen, span, *finer)
        else:
            arrays[name] = images.copy()
            arrays[name][span, rows, columns] = images[seen].min()
            arrays["thermal_statistics"] = _statistics(arrays, seen, span)


def _covered(images: NDArray[Any], seen: NDArray[np.bool_], span: slice, rows: slice, columns: slice) -> NDArray[Any]:
    """[T, (channels,) H, W] with a box at the mean of what the ticks of the clip have ``seen``, channel by channel."""
    changed = images.copy()
    mean = images[seen].astype(np.float32).mean(axis=(0, -2, -1))
    changed[span, ..., rows, columns] = mean[..., None, None]
    return changed


def _statistics(arrays: dict[str, NDArray[Any]], seen: NDArray[np.bool_], span: slice) -> NDArray[np.float32]:
    """[T, STATISTICS_COUNT]: anew for the ticks of a span, from the covered images; one frame a tick."""
    statistics, changed = ThermalStatistics(), arrays["thermal_statistics"].copy()
    for tick in np.flatnonzero(seen[: span.stop]):
        found = statistics.update(int(tick) * TICK_NS, arrays["thermal"][tick].astype(np.float32))
        if tick >= span.start:
            changed[tick] = found
    return changed


def _span(side: int, largest: float, rng: np.random.Generator) -> slice:
    """A random run of places, one at least."""
    length = max(1, round(rng.uniform(0.0, largest) * side))
    begin = int(rng.integers(0, side - length + 1))
    return slice(begin, begin + length)


def add_noise(arrays: dict[str, NDArray[Any]], config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Independent noise on every tick of one clip: camera grain, thermal noise, telemetry noise.

    Args:
        arrays: by the names of Features, each [T, ...]; changed in place of its entries.
    """
    for name, level in (("camera", config.camera_grain), ("telemetry", config.telemetry_noise)):
        if level > 0 and any(arrays[name].strides):
            measured = arrays[name].astype(np.float32)
            spread = np.float32(level) * measured.std(axis=0 if name == "telemetry" else None)
            arrays[name] = measured + spread * rng.standard_normal(measured.shape, np.float32)
    thermal = arrays["thermal"]
    if config.thermal_noise_c > 0 and any(thermal.strides):
        noise = rng.standard_normal(thermal.shape, np.float32) * np.float32(config.thermal_noise_c)
        arrays["thermal"] = thermal.astype(np.float32) + noise
