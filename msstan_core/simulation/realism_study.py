"""The study behind docs/results/realism.json: simulate what the real sets show, describe both, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.observation import AudioChunk, CameraFrame, TelemetrySample, ThermalFrame
from msstan_core.results import write_result
from msstan_core.simulation.cell import WeldCell
from msstan_core.simulation.random_sensors import microphone
from msstan_core.simulation.realism import (
    Comparison,
    Description,
    compare,
    describe_current,
    describe_sound,
    describe_thermal,
    describe_video,
    real_sound_and_current,
    real_thermal,
    real_videos,
)
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.scenario_files import load_scenario, parse_scenario
from msstan_core.vocabulary import ARC_ON


def sensors(scenario: Scenario, *names: str, **changes: Any) -> Scenario:
    """The scenario with only the named sensors."""
    content = scenario.model_dump()
    for name in ("camera", "thermal", "microphone", "telemetry"):
        content[name]["enabled"] = name in names
    for section, values in changes.items():
        content[section].update(values)
    return parse_scenario(content)


def steel_runs(seeds: int) -> list[Scenario]:
    """MIG welds on steel like the real ones: three current levels, some voltages, own microphones."""
    found = []
    for seed in range(seeds):
        draw = np.random.default_rng([seed, 77])
        current = float(draw.uniform(130, 230))
        feed = 2.7e-4 * current + 5.5e-5 * 0.012 * current**2
        gas = float(draw.choice([0.18, 0.18, 1.0]))
        voltage = 15.0 + 4.0 * gas + 0.022 * current + float(draw.uniform(-0.4, 1.4))
        found.append(
            parse_scenario(
                {
                    "name": f"steel-{seed}",
                    "seed": seed,
                    "process": {
                        "voltage_v": round(voltage, 2),
                        "wire_feed_speed_m_s": round(feed, 4),
                        "carbon_dioxide": gas,
                        "travel_speed_m_s": 0.007,
                    },
                    "joint": {"kind": "lap", "seam_length_m": 0.1, "thickness_a_m": 0.005, "thickness_b_m": 0.005},
                    "procedure": {"idle_s": 2.5, "placement_s": 0.0, "crater_fill_s": 0.0, "cooling_s": 5.0},
                    "microphone": microphone(draw),
                }
            )
        )
    return found


def describe_runs(scenarios: list[Scenario]) -> tuple[list[Description], list[Description]]:
    """Sound and current of simulated runs."""
    sound, current = [], []
    for scenario in scenarios:
        chunks, rows = [], []
        cell = WeldCell(sensors(scenario, "microphone", "telemetry"))
        while not cell.finished:
            for sample in cell.advance(cell.time_s + 1.0):
                if isinstance(sample, AudioChunk):
                    chunks.append(sample.samples)
                elif isinstance(sample, TelemetrySample):
                    rows.append((sample.stamp_ns / 1e9, sample.current_a, sample.voltage_v))
        sound.append(describe_sound(np.concatenate(chunks)))
        time_s, amps, volts = np.array(rows).T
        current.append(describe_current(time_s, amps, volts))
    return sound, current


def thermal_frames(scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """Readings [T, H, W] from the first arc on, and whether the arc burns."""
    cell = WeldCell(sensors(scenario, "thermal"))
    frames, stamps = [], []
    while not cell.finished:
        for sample in cell.advance(cell.time_s + 1.0):
            if isinstance(sample, ThermalFrame):
                frames.append(sample.celsius)
                stamps.append(sample.stamp_ns / 1e9)
    burning = [a for a in cell.annotations if a.kind == "action" and a.action in ARC_ON]
    begin, end = burning[0].start_s, burning[-1].end_s
    time_s = np.array(stamps)
    keep = time_s >= begin
    return np.stack(frames)[keep], (time_s < end)[keep]


def video_frames(scenario: Scenario) -> np.ndarray:
    """Grey frames [N, H, W]."""
    cell = WeldCell(sensors(scenario, "camera"))
    frames = []
    while not cell.finished:
        for s in cell.advance(cell.time_s + 1.0):
            if isinstance(s, CameraFrame) and s.image is not None:
                frames.append(s.image[..., 1])
    return np.stack(frames)


def study(root: Path, seeds: int = 8) -> dict[str, list[Comparison]]:
    """All comparisons, by set."""
    real_sound, real_current = real_sound_and_current(root)
    sound, current = describe_runs(steel_runs(2 * seeds))
    fillet, side = load_scenario("gmaw_steel_thermal_fillet"), load_scenario("gmaw_steel_side_view")
    thermal = [describe_thermal(*thermal_frames(fillet.with_seed(s))) for s in range(seeds)]
    found = {
        "microphone": compare(real_sound, sound),
        "telemetry": compare(real_current, current),
        "thermal": compare(real_thermal(root), thermal),
    }
    if videos := real_videos(root):
        simulated = [
            describe_video(video_frames(side.with_seed(s)), side.camera.rate_hz) for s in range(max(seeds // 2, 1))
        ]
        found["camera"] = compare(videos, simulated)
    return found


def write_results(found: dict[str, list[Comparison]], seeds: int, command: str, out: Path) -> None:
    """Write the results file: mean distances by set as metrics, single descriptors as details."""
    metrics: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for group, comparisons in found.items():
        distances = np.array([c.distance for c in comparisons if not c.curve])
        metrics[f"{group}_distance"] = {
            "mean": round(float(distances.mean()), 3),
            "std": round(float(distances.std()), 3),
            "median": round(float(np.median(distances)), 3),
        }
        for c in comparisons:
            if c.curve:
                metrics[f"{group}_{c.name}"] = {"rms_db": round(c.distance, 2)}
                baselines[f"{group}_{c.name}"] = {"real_to_real_rms_db": round(c.real_spread, 2)}
            else:
                details[f"{group}: {c.name}"] = {
                    "real": round(c.real, 4),
                    "real_spread": round(c.real_spread, 4),
                    "simulated": round(c.simulated, 4),
                    "distance": round(c.distance, 2),
                }
    data = "real: 25 robotic MIG runs (1 with video), 17 thermal recordings; simulated: seeds x scenario"
    write_result(out, command=command, seeds=seeds, data=data, metrics=metrics, baselines=baselines, details=details)


def print_table(found: dict[str, list[Comparison]]) -> None:
    """Human-readable distances."""
    for group, comparisons in found.items():
        print(group)
        for c in comparisons:
            if c.curve:
                print(f"  {c.name:50s} {c.distance:6.1f} dB RMS apart (real among themselves {c.real_spread:.1f})")
            else:
                print(
                    f"  {c.name:50s} real {c.real:9.3f} +- {c.real_spread:8.3f}  "
                    f"simulated {c.simulated:9.3f}  distance {c.distance:5.1f}"
                )
