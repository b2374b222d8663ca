"""Synthetic occlusion and sensor noise: smoke, a hand, a fixture before the camera; a grainy image; a noisy wire."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.training.configuration import AugmentationConfig


def hide_parts(arrays: dict[str, NDArray[Any]], config: AugmentationConfig, rng: np.random.Generator) -> None:
    """Put boxes over camera map and thermal image of one clip, each with probability ``config.occlusion``.

    A box covers up to ``occlusion_size`` of each side, for a random span of the clip, and stands still. What it hides
    reads as the clip's mean in the camera's features, and as the coldest that the thermal camera saw: what stands
    before the weld is colder than it.

    Args:
        arrays: by the names of Features, each [T, ...]; changed in place of its entries.
    """
    for name in ("camera", "thermal"):
        images = arrays[name]
        if config.occlusion == 0 or not any(images.strides) or rng.random() >= config.occlusion:
            continue
        ticks, height, width = len(images), *images.shape[-2:]
        begin, end = sorted(rng.integers(0, ticks + 1, 2))
        rows, columns = (_span(side, config.occlusion_size, rng) for side in (height, width))
        if begin == end:
            continue
        changed = images.copy()
        values = images.astype(np.float32)
        filling = values.mean(axis=(0, 2, 3))[:, None, None] if name == "camera" else values.min()
        changed[begin:end, ..., rows, columns] = filling
        arrays[name] = changed


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
