"""Random sensors: views, lenses, light, noise and levels of cameras, microphone and telemetry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Draw = np.random.Generator


def between(draw: Draw, low: float, high: float) -> float:
    """Uniform."""
    return float(round(draw.uniform(low, high), 7))


def log_between(draw: Draw, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return float(f"{math.exp(draw.uniform(math.log(low), math.log(high))):.4g}")


def camera(draw: Draw) -> dict[str, Any]:
    """A weld camera's settings."""
    width = int(draw.choice([192, 224, 256, 320]))
    return {
        "width": width,
        "height": int(round(width * float(draw.choice([0.625, 0.75])) / 2) * 2),
        "rate_hz": float(draw.choice([25.0, 30.0, 30.0])),
        "mount": "torch" if draw.random() < 0.75 else "cell",
        "azimuth_deg": between(draw, 30.0, 150.0) * (1 if draw.random() < 0.75 else -1),
        "elevation_deg": between(draw, 8.0, 50.0),
        "field_of_view_m": log_between(draw, 0.03, 0.11),
        "colour": bool(draw.random() < 0.5),
        "ambient_light": 0.0 if draw.random() < 0.2 else log_between(draw, 0.06, 1.0),
        "arc_filter": log_between(draw, 0.003, 0.08),
        "glow": log_between(draw, 0.2, 1.5),
        "exposure_s": log_between(draw, 0.0003, 0.012),
        "noise": log_between(draw, 0.002, 0.04),
        "blur_px": between(draw, 0.0, 1.6),
        "vignetting": between(draw, 0.0, 0.7),
        "distortion": between(draw, -0.12, 0.12) if draw.random() < 0.3 else 0.0,
        "dirt": between(draw, 0.0, 0.9),
        "smoke": between(draw, 0.0, 1.0),
        "bloom": between(draw, 0.1, 1.0),
        "black_level": between(draw, 0.0, 0.08),
        "gamma": between(draw, 0.6, 1.4),
        "clutter": between(draw, 0.0, 1.0),
    }


def thermal(draw: Draw) -> dict[str, Any]:
    """A thermal camera's settings."""
    crop = draw.random() < 0.4
    size = int(draw.choice([48, 64, 80])) if not crop else 72
    return {
        "width": size,
        "height": size * 3 // 4,
        "crop_px": 30 if crop else 0,
        "mount": "cell" if draw.random() < 0.6 else "torch",
        "azimuth_deg": between(draw, 30.0, 150.0) * (1 if draw.random() < 0.5 else -1),
        "elevation_deg": between(draw, 25.0, 75.0),
        "field_of_view_m": log_between(draw, 0.05, 0.15),
        "emissivity": between(draw, 0.5, 0.95),
        "noise_c": log_between(draw, 0.3, 8.0),
        "blur_px": between(draw, 0.3, 1.5),
        "arc_light": between(draw, 0.1, 1.0),
        "range_high_c": float(draw.choice([1500.0, 2000.0, 3150.0, 3150.0, 3150.0])),
    }


def microphone(draw: Draw) -> dict[str, Any]:
    """A microphone's settings, and the shop's."""
    level = between(draw, -60.0, -28.0)
    return {
        "level_db": level,
        "shop_noise_db": level - between(draw, 14.0, 32.0),
        "hum_hz": float(draw.choice([50.0, 60.0])),
        "clanks_per_minute": between(draw, 0.0, 15.0),
        "reverberation": between(draw, 0.0, 1.0),
        "gas_hiss_db": level - between(draw, 18.0, 36.0),
    }


def telemetry(draw: Draw) -> dict[str, Any]:
    """A power source's display."""
    return {
        "rate_hz": float(draw.choice([10.0, 25.0, 50.0, 50.0, 100.0])),
        "time_constant_s": between(draw, 0.02, 0.25),
        "current_noise": between(draw, 0.003, 0.03),
        "voltage_noise_v": between(draw, 0.03, 0.4),
        "measures_travel": bool(draw.random() < 0.6),
    }
