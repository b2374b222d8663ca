"""Domain randomisation: scenarios drawn over processes, materials, joints, faults, cameras, light, sound and noise.

Made for training sets: every draw is a plausible cell, and what a network could latch on to (view, exposure, level
of the
microphone, time of events) varies independently of what it shall recognise.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from msstan_core.simulation.gmaw import WIRE_MELTING, GmawArc
from msstan_core.simulation.material_pairs import Pair, PairChoice
from msstan_core.simulation.materials import PROPERTIES
from msstan_core.simulation.random_sensors import Draw, between, camera, log_between, microphone, telemetry, thermal
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.scenario_files import parse_scenario
from msstan_core.vocabulary import Filler, Material


def randomised(seed: int, pairs: Collection[Pair] | None = None) -> Scenario:
    """The scenario of a seed, of one of these material pairs (None: all). Equal arguments give equal scenarios."""
    draw, choice = np.random.default_rng([seed, 0x5EED]), PairChoice(seed, pairs)
    content: dict[str, Any] = {"name": f"random-{seed}{choice.scenario_suffix}", "seed": seed}
    kind = choice.process(draw)
    content.update({"gmaw": _gmaw, "laser": _laser, "fsw": _friction_stir}[kind](draw, choice))
    travel, seam = content["process"]["travel_speed_m_s"], content["joint"]["seam_length_m"]
    weld_s = seam / travel
    content["procedure"] = _procedure(draw, weld_s)
    faults = _disturbances(draw, weld_s, content["process"]["kind"], content["procedure"]["welds"])
    one_part = content["joint"]["kind"] == "bead"
    content["disturbances"] = [fault for fault in faults if not (one_part and fault["kind"] == "joint_gap")]
    content["camera"] = camera(draw)
    content["thermal"] = thermal(draw)
    content["microphone"] = microphone(draw)
    content["telemetry"] = telemetry(draw)
    content["noise"] = {
        "pool": between(draw, 0.5, 2.0),
        "arc": between(draw, 0.5, 2.0),
        "droplets": between(draw, 0.5, 1.6),
        "path_m": between(draw, 0.0, 0.0004),
        "spatter": min(round(float(draw.lognormal(0.0, 0.5)), 3), 3.5),
    }
    fixture = np.random.default_rng([seed, 0xF1C])
    content["joint"]["clamp_height_m"] = log_between(fixture, 0.004, 0.03) if fixture.random() < 0.7 else 0.0
    return parse_scenario(content, f"randomised({seed})")


def _gmaw(draw: Draw, choice: PairChoice) -> dict[str, Any]:
    near, far, filler = choice.gmaw(draw)
    a, b, transition = WIRE_MELTING[Filler[filler.upper()]]
    light = filler.startswith(("aluminium", "magnesium"))
    carbon_dioxide = 0.0 if light else float(draw.choice([0.02, 0.08, 0.18, 0.18, 1.0]))
    current = transition * between(draw, 0.45, 1.15)
    stick_out = between(draw, 0.011, 0.02)
    feed = a * current + b * (stick_out - 0.003) * current**2
    sprays = current > transition * (1.0 + 0.5 * carbon_dioxide) and carbon_dioxide < 0.3
    gap = between(draw, 0.003, 0.0055) if sprays else between(draw, -0.0003, 0.002)
    voltage = _arc_voltage(current, gap, stick_out, carbon_dioxide, filler)
    thickness = between(draw, 0.002, 0.008)
    # energy per length and thickness, J/m^2; conductive metals melt at less, but lose most of it
    conductive = max(PROPERTIES[Material[m.upper()]].conductivity_w_mk for m in (near, far)) > 100
    demand = between(draw, 0.08, 0.14) * (0.9 if conductive else 1.0) * 1e9
    power = 0.8 * voltage * current
    travel = float(np.clip(power / (min(thickness, 0.006) * demand), 0.003, 0.014))
    thickness = max(min(thickness, power / (travel * demand)), 0.0015) if travel == 0.003 else thickness
    return {
        "process": {
            "kind": "gmaw",
            "voltage_v": float(np.clip(round(voltage, 2), 12.0, 36.0)),
            "wire_feed_speed_m_s": float(np.clip(round(feed, 4), 0.025, 0.34)),
            "travel_speed_m_s": round(travel, 5),
            "stick_out_m": stick_out,
            "gas_flow_l_min": between(draw, 11.0, 19.0),
            "carbon_dioxide": carbon_dioxide,
            "shielding_gas": "I1-Ar" if carbon_dioxide == 0 else ("C1-C" if carbon_dioxide == 1 else "M2-ArC"),
            "inductance_h": log_between(draw, 0.00015, 0.0006),
            "weave_amplitude_m": between(draw, 0.0005, 0.0025) if draw.random() < 0.3 else 0.0,
            "weave_frequency_hz": between(draw, 0.5, 3.0),
            "hot_start": between(draw, 0.95, 1.3),
            "hot_start_s": between(draw, 0.2, 1.2),
        },
        "joint": {
            "kind": str(draw.choice(["bead", "butt", "lap", "tee"])),
            "material_a": near,
            "material_b": far,
            "filler": filler,
            "thickness_a_m": thickness,
            "thickness_b_m": float(np.clip(round(thickness * draw.uniform(0.8, 1.25), 5), 0.0015, 0.01)),
            "seam_length_m": float(np.clip(round(travel * draw.uniform(5.0, 12.0), 4), 0.02, 0.12)),
            "gap_m": between(draw, 0.0, 0.0006),
            "ambient_c": between(draw, 12.0, 34.0),
            "preheat_c": between(draw, 34.0, 160.0) if draw.random() < 0.25 else 25.0,
            "clamps": int(draw.integers(0, 5)),
            "surface_roughness": between(draw, 0.1, 1.0),
        },
    }


def _laser(draw: Draw, choice: PairChoice) -> dict[str, Any]:
    near, far = choice.laser(draw)
    travel = log_between(draw, 0.012, 0.05)
    return {
        "process": {
            "kind": "laser",
            "laser_power_w": log_between(draw, 1500.0, 6000.0),
            "spot_radius_m": log_between(draw, 0.0002, 0.00045),
            "travel_speed_m_s": travel,
            "wire_feed_speed_m_s": 0.0,
            "stick_out_m": between(draw, 0.01, 0.03),
            "gas_flow_l_min": between(draw, 11.0, 25.0),
            "shielding_gas": str(draw.choice(["I1-Ar", "I2-He", "N1-N"])),
        },
        "joint": {
            **_joint(draw, near, far),
            "filler": "none",
            "kind": str(draw.choice(["butt", "lap", "bead"])),
            "thickness_a_m": between(draw, 0.001, 0.005),
            "thickness_b_m": between(draw, 0.001, 0.005),
            "seam_length_m": float(np.clip(round(travel * draw.uniform(3.0, 8.0), 4), 0.04, 0.3)),
        },
    }


def _friction_stir(draw: Draw, choice: PairChoice) -> dict[str, Any]:
    near, far = choice.friction_stir(draw)
    travel = log_between(draw, 0.0015, 0.008)
    thickness = between(draw, 0.003, 0.008)
    return {
        "process": {
            "kind": "fsw",
            "spindle_speed_hz": between(draw, 12.0, 25.0),
            "axial_force_n": log_between(draw, 5000.0, 14000.0),
            "shoulder_radius_m": between(draw, 0.006, 0.011),
            "travel_speed_m_s": travel,
            "wire_feed_speed_m_s": 0.0,
            "stick_out_m": 0.005,
            "gas_flow_l_min": 0.0,
            "shielding_gas": "",
        },
        "joint": {
            **_joint(draw, near, far),
            "filler": "none",
            "kind": "butt",
            "thickness_a_m": thickness,
            "thickness_b_m": thickness,
            "seam_length_m": float(np.clip(round(travel * draw.uniform(6.0, 12.0), 4), 0.015, 0.1)),
        },
    }


def _joint(draw: Draw, near: str, far: str) -> dict[str, Any]:
    return {
        "material_a": near,
        "material_b": far,
        "ambient_c": between(draw, 12.0, 34.0),
        "clamps": int(draw.integers(0, 5)),
        "surface_roughness": between(draw, 0.1, 1.0),
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
                "at_s": between(draw, 1.6, max(weld_s - 2.0, 1.8)),
                "duration_s": between(draw, 0.8, 1.8),
                "voltage_v": between(draw, -2.5, -0.8) if down else between(draw, 0.8, 2.5),
                "energy": between(draw, 0.7, 0.88) if down else between(draw, 1.12, 1.35),
                "travel": between(draw, 0.85, 1.15),
            }
        )
    return {
        "idle_s": between(draw, 0.3, 3.0),
        "placement_s": between(draw, 1.2, 3.0) if draw.random() < 0.6 else 0.0,
        "approach_s": between(draw, 0.8, 2.5),
        "pre_flow_s": between(draw, 0.2, 2.0),
        "crater_fill_s": between(draw, 0.9, 2.0) if draw.random() < 0.65 else 0.0,
        "crater_fill_energy": between(draw, 0.45, 0.72),
        "post_flow_s": between(draw, 0.2, 3.0),
        "retract_after_s": log_between(draw, 0.2, 6.0),
        "cooling_s": between(draw, 3.0, 7.0),
        "welds": 2 if draw.random() < 0.12 else 1,
        "heat_adjustments": adjustments,
    }


#: Faults of each process and the range of their magnitudes.
_FAULTS: dict[str, dict[str, tuple[float, float]]] = {
    "gmaw": {
        "gas_loss": (0.45, 1.0),
        "voltage_offset": (-5.0, -2.5),
        "wire_feed_factor": (1.3, 1.7),
        "travel_factor": (1.8, 2.8),
        "stick_out_offset": (0.005, 0.012),
        "aim_offset": (0.002, 0.005),
        "joint_gap": (0.0012, 0.003),
        "magnetic_blow": (0.4, 1.0),
        "stray_strike": (0.008, 0.015),
    },
    "laser": {
        "gas_loss": (0.45, 1.0),
        "travel_factor": (1.8, 2.8),
        "aim_offset": (0.0006, 0.002),
        "joint_gap": (0.0012, 0.002),
        "focus_offset": (0.003, 0.008),
    },
    "fsw": {
        "travel_factor": (1.8, 2.8),
        "stick_out_offset": (0.0012, 0.003),
        "aim_offset": (0.002, 0.004),
        "tool_wear": (0.5, 1.0),
    },
}


def _disturbances(draw: Draw, weld_s: float, kind: str, welds: int) -> list[dict[str, Any]]:
    """None in three of ten recordings, one or two in the others."""
    choices = _FAULTS[kind]
    found = []
    for _ in range(int(draw.choice([0, 1, 2], p=[0.3, 0.4, 0.3]))):
        name = str(draw.choice(list(choices)))
        low, high = choices[name]
        magnitude = between(draw, low, high)
        start = between(draw, 0.8, max(weld_s - 1.5, 1.0))
        length = between(draw, 1.5, 5.0)
        if name == "travel_factor" and draw.random() < 0.4:
            magnitude = between(draw, 0.35, 0.6)  # too slow: too hot, too much metal
        if name == "wire_feed_factor" and draw.random() < 0.4:
            magnitude = between(draw, 0.45, 0.7)
        if name in ("aim_offset", "stray_strike") and draw.random() < 0.5:
            magnitude = -magnitude
        if name == "stray_strike":
            start, length = 0.0, between(draw, 0.2, 0.6)
        found.append(
            {
                "kind": name,
                "start_s": start,
                "duration_s": length,
                "magnitude": magnitude,
                "weld": int(draw.integers(0, welds)),
            }
        )
    return found
