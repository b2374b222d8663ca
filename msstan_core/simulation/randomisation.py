"""Domain randomisation: scenarios drawn over processes, materials, joints, faults, cameras, light, sound and noise.

Made for training sets: every draw is a plausible cell, and what a network could latch on to (view, exposure, level of the
microphone, time of events) varies independently of what it shall recognise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from msstan_core.simulation.gmaw import WIRE_MELTING, GmawArc
from msstan_core.simulation.materials import PROPERTIES
from msstan_core.simulation.scenario import Scenario, parse_scenario
from msstan_core.vocabulary import Filler, Material

Draw = np.random.Generator

#: material pair, filler, weight
_GMAW_PAIRS: tuple[tuple[str, str, str, float], ...] = (
    ("carbon_steel", "carbon_steel", "steel", 0.55),
    ("stainless_steel", "stainless_steel", "stainless", 0.1),
    ("aluminium", "aluminium", "aluminium_silicon", 0.1),
    ("aluminium", "carbon_steel", "aluminium_silicon", 0.1),
    ("copper", "stainless_steel", "copper_silicon", 0.05),
    ("titanium", "nickel", "nickel", 0.05),
    ("magnesium", "magnesium", "magnesium", 0.05),
)


def randomised(seed: int) -> Scenario:
    """The scenario of a seed. Equal seeds give equal scenarios."""
    draw = np.random.default_rng([seed, 0x5EED])
    content: dict[str, Any] = {"name": f"random-{seed}", "seed": seed}
    content.update(_gmaw(draw))
    travel, seam = content["process"]["travel_speed_m_s"], content["joint"]["seam_length_m"]
    weld_s = seam / travel
    content["procedure"] = _procedure(draw, weld_s)
    content["disturbances"] = _disturbances(draw, weld_s, content["process"]["kind"], content["procedure"]["welds"])
    content["camera"] = _camera(draw)
    content["thermal"] = _thermal(draw)
    content["microphone"] = _microphone(draw)
    content["telemetry"] = {
        "rate_hz": float(draw.choice([10.0, 25.0, 50.0, 50.0, 100.0])),
        "time_constant_s": _between(draw, 0.02, 0.25),
        "current_noise": _between(draw, 0.003, 0.03),
        "voltage_noise_v": _between(draw, 0.03, 0.4),
        "measures_travel": bool(draw.random() < 0.6),
    }
    content["noise"] = {
        "pool": _between(draw, 0.5, 2.0),
        "arc": _between(draw, 0.5, 2.0),
        "droplets": _between(draw, 0.5, 1.6),
        "path_m": _between(draw, 0.0, 0.0004),
        "spatter": float(draw.lognormal(0.0, 0.5)).__round__(3),
    }
    content["noise"]["spatter"] = min(content["noise"]["spatter"], 3.5)
    return parse_scenario(content, f"randomised({seed})")


def _between(draw: Draw, low: float, high: float) -> float:
    return float(round(draw.uniform(low, high), 7))


def _log_between(draw: Draw, low: float, high: float) -> float:
    return float(f"{math.exp(draw.uniform(math.log(low), math.log(high))):.4g}")


def _gmaw(draw: Draw) -> dict[str, Any]:
    index = int(draw.choice(len(_GMAW_PAIRS), p=np.array([p[3] for p in _GMAW_PAIRS])))
    near, far, filler, _ = _GMAW_PAIRS[index]
    a, b, transition = WIRE_MELTING[Filler[filler.upper()]]
    light = filler.startswith(("aluminium", "magnesium"))
    carbon_dioxide = 0.0 if light else float(draw.choice([0.02, 0.08, 0.18, 0.18, 1.0]))
    current = transition * _between(draw, 0.45, 1.15)
    stick_out = _between(draw, 0.011, 0.02)
    feed = a * current + b * (stick_out - 0.003) * current**2
    sprays = current > transition * (1.0 + 0.5 * carbon_dioxide) and carbon_dioxide < 0.3
    gap = _between(draw, 0.003, 0.0055) if sprays else _between(draw, 0.0004, 0.003)
    voltage = _arc_voltage(current, gap, stick_out, carbon_dioxide, filler)
    thickness = _between(draw, 0.002, 0.008)
    # energy per length and thickness that melts this metal, J/mm^2; conductive metals need more of it
    conductive = max(PROPERTIES[Material[m.upper()]].conductivity_w_mk for m in (near, far)) > 100
    demand = _between(draw, 0.08, 0.14) * (0.9 if conductive else 1.0) * 1e9
    travel = 0.8 * voltage * current / (min(thickness, 0.006) * demand)
    travel = float(np.clip(travel, 0.003, 0.014))
    return {
        "process": {
            "kind": "gmaw",
            "voltage_v": float(np.clip(round(voltage, 2), 14.0, 36.0)),
            "wire_feed_speed_m_s": float(np.clip(round(feed, 4), 0.025, 0.34)),
            "travel_speed_m_s": round(travel, 5),
            "stick_out_m": stick_out,
            "gas_flow_l_min": _between(draw, 11.0, 19.0),
            "carbon_dioxide": carbon_dioxide,
            "shielding_gas": "I1-Ar" if carbon_dioxide == 0 else ("C1-C" if carbon_dioxide == 1 else "M2-ArC"),
            "inductance_h": _log_between(draw, 0.00015, 0.0006),
            "weave_amplitude_m": _between(draw, 0.0005, 0.0025) if draw.random() < 0.3 else 0.0,
            "weave_frequency_hz": _between(draw, 0.5, 3.0),
            "hot_start": _between(draw, 0.95, 1.3),
            "hot_start_s": _between(draw, 0.2, 1.2),
        },
        "joint": {
            "kind": str(draw.choice(["bead", "butt", "lap", "tee"])),
            "material_a": near,
            "material_b": far,
            "filler": filler,
            "thickness_a_m": thickness,
            "thickness_b_m": float(np.clip(round(thickness * draw.uniform(0.8, 1.25), 5), 0.0015, 0.01)),
            "seam_length_m": float(np.clip(round(travel * draw.uniform(4.0, 11.0), 4), 0.02, 0.12)),
            "gap_m": _between(draw, 0.0, 0.0006),
            "ambient_c": _between(draw, 12.0, 34.0),
            "preheat_c": _between(draw, 34.0, 160.0) if draw.random() < 0.25 else 25.0,
            "clamps": int(draw.integers(0, 5)),
            "surface_roughness": _between(draw, 0.1, 1.0),
        },
    }


def _arc_voltage(current: float, gap_m: float, stick_out_m: float, carbon_dioxide: float, filler: str) -> float:
    trial = parse_scenario({"process": {"carbon_dioxide": carbon_dioxide}, "joint": {"filler": filler}})
    return GmawArc(trial, np.random.default_rng(0)).voltage_for(current, gap_m, stick_out_m)


def _procedure(draw: Draw, weld_s: float) -> dict[str, Any]:
    adjustments = []
    if draw.random() < 0.45 and weld_s > 3.5:
        down = draw.random() < 0.55
        adjustments.append(
            {
                "at_s": _between(draw, 1.6, max(weld_s - 2.0, 1.8)),
                "duration_s": _between(draw, 0.8, 1.8),
                "voltage_v": _between(draw, -2.5, -0.8) if down else _between(draw, 0.8, 2.5),
                "energy": _between(draw, 0.7, 0.88) if down else _between(draw, 1.12, 1.35),
                "travel": _between(draw, 0.85, 1.15),
            }
        )
    return {
        "idle_s": _between(draw, 0.3, 3.0),
        "placement_s": _between(draw, 1.2, 3.0) if draw.random() < 0.6 else 0.0,
        "approach_s": _between(draw, 0.8, 2.5),
        "pre_flow_s": _between(draw, 0.2, 2.0),
        "crater_fill_s": _between(draw, 0.9, 2.0) if draw.random() < 0.65 else 0.0,
        "crater_fill_energy": _between(draw, 0.45, 0.72),
        "post_flow_s": _between(draw, 0.2, 3.0),
        "retract_after_s": _log_between(draw, 0.2, 6.0),
        "cooling_s": _between(draw, 3.0, 7.0),
        "welds": 2 if draw.random() < 0.12 else 1,
        "heat_adjustments": adjustments,
    }


def _disturbances(draw: Draw, weld_s: float, kind: str, welds: int) -> list[dict[str, Any]]:
    """None in four of ten recordings, one or two in the others."""
    choices: dict[str, tuple[float, float]] = {
        "gas_loss": (0.45, 1.0),
        "voltage_offset": (-5.0, -2.5),
        "wire_feed_factor": (1.3, 1.7),
        "travel_factor": (1.8, 2.8),
        "stick_out_offset": (0.005, 0.012),
        "aim_offset": (0.002, 0.005),
        "joint_gap": (0.0012, 0.003),
        "magnetic_blow": (0.4, 1.0),
        "stray_strike": (0.008, 0.015),
    }
    found = []
    for _ in range(int(draw.choice([0, 1, 2], p=[0.4, 0.42, 0.18]))):
        name = str(draw.choice(list(choices)))
        low, high = choices[name]
        magnitude = _between(draw, low, high)
        start = _between(draw, 0.8, max(weld_s - 1.5, 1.0))
        length = _between(draw, 1.0, 4.0)
        if name == "travel_factor" and draw.random() < 0.4:
            magnitude = _between(draw, 0.35, 0.6)  # too slow: too hot, too much metal
        if name == "wire_feed_factor" and draw.random() < 0.4:
            magnitude = _between(draw, 0.45, 0.7)
        if name in ("aim_offset", "stray_strike") and draw.random() < 0.5:
            magnitude = -magnitude
        if name == "stray_strike":
            start, length = 0.0, _between(draw, 0.2, 0.6)
        found.append(
            {"kind": name, "start_s": start, "duration_s": length, "magnitude": magnitude, "weld": int(draw.integers(0, welds))}
        )
    return found


def _camera(draw: Draw) -> dict[str, Any]:
    width = int(draw.choice([192, 224, 256, 320]))
    return {
        "width": width,
        "height": int(round(width * float(draw.choice([0.625, 0.75])) / 2) * 2),
        "rate_hz": float(draw.choice([25.0, 30.0, 30.0])),
        "mount": "torch" if draw.random() < 0.75 else "cell",
        "azimuth_deg": _between(draw, 30.0, 150.0) * (1 if draw.random() < 0.75 else -1),
        "elevation_deg": _between(draw, 8.0, 50.0),
        "field_of_view_m": _log_between(draw, 0.03, 0.11),
        "colour": bool(draw.random() < 0.5),
        "ambient_light": 0.0 if draw.random() < 0.3 else _log_between(draw, 0.03, 1.0),
        "arc_filter": _log_between(draw, 0.003, 0.08),
        "glow": _log_between(draw, 0.2, 1.5),
        "exposure_s": _log_between(draw, 0.0003, 0.012),
        "noise": _log_between(draw, 0.002, 0.04),
        "blur_px": _between(draw, 0.0, 1.6),
        "vignetting": _between(draw, 0.0, 0.7),
        "distortion": _between(draw, -0.12, 0.12) if draw.random() < 0.3 else 0.0,
        "dirt": _between(draw, 0.0, 0.9),
        "smoke": _between(draw, 0.0, 1.0),
        "bloom": _between(draw, 0.1, 1.0),
        "gamma": _between(draw, 0.6, 1.4),
        "clutter": _between(draw, 0.0, 1.0),
    }


def _thermal(draw: Draw) -> dict[str, Any]:
    crop = draw.random() < 0.4
    size = int(draw.choice([48, 64, 80])) if not crop else 72
    return {
        "width": size,
        "height": size * 3 // 4,
        "crop_px": 30 if crop else 0,
        "mount": "cell" if draw.random() < 0.6 else "torch",
        "azimuth_deg": _between(draw, 30.0, 150.0) * (1 if draw.random() < 0.5 else -1),
        "elevation_deg": _between(draw, 25.0, 75.0),
        "field_of_view_m": _log_between(draw, 0.05, 0.15),
        "emissivity": _between(draw, 0.5, 0.95),
        "noise_c": _log_between(draw, 0.3, 8.0),
        "blur_px": _between(draw, 0.3, 1.5),
        "arc_light": _between(draw, 0.1, 1.0),
        "range_high_c": float(draw.choice([1500.0, 2000.0, 3150.0, 3150.0, 3150.0])),
    }


def _microphone(draw: Draw) -> dict[str, Any]:
    level = _between(draw, -60.0, -28.0)
    return {
        "level_db": level,
        "shop_noise_db": level - _between(draw, 10.0, 28.0),
        "hum_hz": float(draw.choice([50.0, 60.0])),
        "clanks_per_minute": _between(draw, 0.0, 15.0),
        "reverberation": _between(draw, 0.0, 1.0),
        "gas_hiss_db": level - _between(draw, 12.0, 30.0),
    }
