"""Simulated recordings against real ones beside the repository; skipped, with the reason, where these are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msstan_core.simulation.realism import Comparison, compare, describe_thermal, real_sound_and_current, real_thermal
from msstan_core.simulation.realism_study import describe_runs, steel_runs, thermal_frames
from msstan_core.simulation.scenario_files import load_scenario

REAL_DATA = Path(os.environ.get("MSSTAN_REAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (REAL_DATA / "robotic_mig" / "runs").is_dir(),
        reason=f"no real recordings at {REAL_DATA} (set MSSTAN_REAL_DATA)",
    ),
]


def by_name(found: list[Comparison]) -> dict[str, Comparison]:
    return {c.name: c for c in found}


def test_the_simulated_arc_sounds_about_as_far_from_real_arcs_as_these_from_each_other() -> None:
    real, _ = real_sound_and_current(REAL_DATA)
    simulated, _ = describe_runs(steel_runs(4))
    found = by_name(compare(real, simulated))
    spectrum = found["arc spectrum, dB"]
    assert spectrum.distance < 2.5 * spectrum.real_spread
    assert found["crackle, log10 kurtosis"].distance < 3.0
    assert found["arc over shop floor, dB"].distance < 2.0


def test_the_simulated_weld_cools_like_real_ones() -> None:
    fillet = load_scenario("gmaw_steel_thermal_fillet")
    found = by_name(compare(real_thermal(REAL_DATA), [describe_thermal(*thermal_frames(fillet))]))
    assert found["hottest 2 s after the arc, degC"].distance < 2.0
    assert found["hottest 4 s after the arc, degC"].distance < 2.0
    assert found["hottest in arc, degC"].distance < 2.0
