"""What the cameras see of the one hidden state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msstan_core.observation import CameraFrame, ThermalFrame
from msstan_core.simulation import WeldCell, parse_scenario
from msstan_core.simulation.light_sources import draw_spatter
from msstan_core.simulation.optics import PinholeView
from msstan_core.simulation.sensor_settings import CameraSettings
from msstan_core.simulation.state import CellState, Ejection

QUICK = {"idle_s": 0.05, "placement_s": 0.0, "approach_s": 0.2, "pre_flow_s": 0.1, "cooling_s": 1.0}
CLEAR = {"dirt": 0.0, "smoke": 0.0, "noise": 0.0, "clutter": 0.0, "ambient_light": 0.6, "width": 160, "height": 120}


def run(until_s: float, **sections: Any) -> tuple[WeldCell, list[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    """Frames of a weld up to ``until_s``."""
    content: dict[str, Any] = {
        "seed": 3,
        "process": {"voltage_v": 20.0, "wire_feed_speed_m_s": 0.075, "travel_speed_m_s": 0.008},
        "joint": {"kind": "butt", "seam_length_m": 0.05, "clamps": 0},
        "procedure": QUICK,
        "camera": CLEAR,
        "thermal": {"azimuth_deg": 80.0, "elevation_deg": 25.0, "mount": "torch"},
        "microphone": {"enabled": False},
    }
    for name, values in sections.items():
        content[name] = {**content.get(name, {}), **values} if isinstance(values, dict) else values
    cell = WeldCell(parse_scenario(content))
    camera, thermal = [], []
    for sample in cell.advance(until_s):
        if isinstance(sample, CameraFrame) and sample.image is not None:
            camera.append(sample.image)
        elif isinstance(sample, ThermalFrame):
            thermal.append(sample.celsius)
    return cell, camera, thermal


def saturated(frame: NDArray[np.uint8]) -> float:
    return float((frame >= 250).mean())


def test_the_arc_saturates_and_a_denser_filter_spares_the_image() -> None:
    _, open_filter, _ = run(2.5)
    _, dense, _ = run(2.5, camera={"arc_filter": 0.001, "glow": 0.0})
    assert np.median([saturated(f) for f in open_filter[-30:]]) > 0.01
    assert np.median([saturated(f) for f in dense[-30:]]) < 0.3 * np.median([saturated(f) for f in open_filter[-30:]])


def test_a_tall_clamp_hides_the_weld_from_both_cameras_as_the_torch_passes() -> None:
    def brightest(height_m: float) -> tuple[float, float]:
        joint = {"clamps": 4, "clamp_height_m": height_m, "seam_length_m": 0.07}
        _, camera, thermal = run(4.5, joint=joint)
        return float(np.mean([saturated(f) for f in camera[60:]])), float(np.mean([t.max() for t in thermal[50:]]))

    hidden, free = brightest(0.03), brightest(0.0)
    assert hidden[0] < 0.8 * free[0]
    assert hidden[1] < free[1] - 200.0


def test_clamps_appear_when_the_part_is_in_place() -> None:
    joint, procedure = {"clamps": 6, "clamp_height_m": 0.03}, {"placement_s": 1.0}
    tall = run(1.2, joint=joint, procedure={**QUICK, **procedure}, camera={**CLEAR, "mount": "cell"})[1]
    low = run(1.2, joint={**joint, "clamp_height_m": 0.0}, procedure={**QUICK, **procedure},
              camera={**CLEAR, "mount": "cell"})[1]  # fmt: skip
    changed = [not np.array_equal(a, b) for a, b in zip(tall, low, strict=True)]
    assert not any(changed[:20]) and all(changed[-3:])


@pytest.mark.parametrize("kind", ["laser", "fsw"])
def test_where_the_parts_are_joined_the_seam_is_gone(kind: str) -> None:
    process = {"kind": kind, "travel_speed_m_s": 0.02 if kind == "laser" else 0.008, "wire_feed_speed_m_s": 0.0}
    metal = "stainless_steel" if kind == "laser" else "aluminium"
    joint = {"material_a": metal, "material_b": metal, "filler": "none", "thickness_a_m": 0.002, "thickness_b_m": 0.002}
    cell, _, _ = run(3.0, process=process, joint=joint)
    joined = cell.heat.joined.any(0)
    along = cell.heat.x_m[joined]
    assert along.min() < 0.004 and along.max() == pytest.approx(cell.state.arc_x_m, abs=0.01)
    assert not cell.heat.joined[:, cell.heat.x_m > cell.state.arc_x_m + 0.012].any()
    surface = cell._sensors._camera.surface  # type: ignore[union-attr]
    row = surface._pixel_row(0.0)
    left, middle, right = (surface._pixel(x, 0.0)[0] for x in (0.004, cell.state.arc_x_m - 0.008, 0.048))
    ahead, behind = surface.reflectance[row, middle + 60 : right], surface.reflectance[row, left:middle]
    assert behind.mean() > 1.5 * ahead.mean()


def test_spatter_flies_in_streaks_as_long_as_the_shutter_is_open() -> None:
    view, state = PinholeView(320, 240, 90.0, 10.0, 0.35, 0.06), CellState(time_s=0.02)
    state.ejections.append(Ejection(0.0, -0.015, 0.0, 0.005, (1.0, 0.0, 0.1), 0.0001))

    def streak_m(exposure_s: float) -> float:
        image = np.zeros((240, 320, 3), np.float32)
        draw_spatter(image, state, view, (0.0, 0.0, 0.0), CameraSettings(exposure_s=exposure_s))
        columns = np.flatnonzero(image.max(2).max(0) > 0)
        return float(columns[-1] - columns[0]) / view.pixels_per_m

    assert streak_m(0.008) == pytest.approx(0.008, abs=0.001)
    assert streak_m(0.002) == pytest.approx(0.002, abs=0.001)


def test_smoke_rises_once_the_arc_burns() -> None:
    clear, veiled = (run(2.5, camera={"smoke": amount})[1] for amount in (0.0, 1.0))
    assert all(np.array_equal(a, b) for a, b in zip(clear[:8], veiled[:8], strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(clear[40:], veiled[40:], strict=True))


def test_readings_saturate_at_the_range_of_the_thermal_camera() -> None:
    _, _, thermal = run(2.5, thermal={"range_high_c": 1000.0})
    assert max(float(t.max()) for t in thermal) == 1000.0


def test_a_wrong_emissivity_setting_reads_wrong_temperatures() -> None:
    def hot(emissivity: float) -> float:
        _, _, thermal = run(3.5, thermal={"emissivity": emissivity, "arc_light": 0.0, "noise_c": 0.0})
        return float(thermal[-1].max())

    assert hot(0.5) > hot(1.0) + 100.0
