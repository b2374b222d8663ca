from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import k0

from msstan_core.simulation.energy import Setpoints, SourceInputs, Waveform
from msstan_core.simulation.friction_stir import StirTool
from msstan_core.simulation.gmaw import GmawArc
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.laser import LaserBeam
from msstan_core.simulation.optics import PinholeView, band_radiance, band_temperature
from msstan_core.simulation.scenario_files import parse_scenario
from msstan_core.vocabulary import Material


def run_arc(volts: float, feed: float, gas_cover: float = 1.0, on: bool = True, seconds: float = 2.5) -> list[Waveform]:
    scenario = parse_scenario({"process": {"voltage_v": volts, "wire_feed_speed_m_s": max(feed, 0.03)}})
    arc = GmawArc(scenario, np.random.default_rng(3))
    inputs = SourceInputs(on, Setpoints(volts, feed, 0.007, 0.015, 15.0), feed, 0.015, gas_cover)
    return [arc.step(inputs) for _ in range(round(seconds * 100))]


def short_circuits_per_second(waveforms: list[Waveform]) -> float:
    voltage = np.concatenate([w.voltage_v for w in waveforms[50:]])
    return float((np.diff((voltage < 9.0).astype(int)) == 1).sum() / (len(voltage) / 16000))


def test_temperature_behind_a_moving_source_agrees_with_rosenthals_thin_plate() -> None:
    power, thickness, speed = 3000.0, 0.004, 0.008
    field = HeatField((Material.CARBON_STEEL, Material.CARBON_STEEL), (thickness, thickness), 0.1, 20.0, 20.0)
    for step in range(round(0.1 / speed / 0.01)):
        field.advance(0.01, step * 0.01 * speed, 0.0, power, 0.002)
    k, diffusivity = field.near.conductivity_w_mk, field.near.conductivity_w_mk / field.near.volumetric_heat_j_m3k
    for x, y in ((-0.025, 0.0), (-0.02, 0.007), (-0.035, 0.01)):
        rest = math.exp(-speed * x / (2 * diffusivity)) * k0(speed * math.hypot(x, y) / (2 * diffusivity))
        rosenthal = 20.0 + power / (2 * math.pi * k * thickness) * rest
        place = field.index(0.1 + x, y)
        simulated = (field.surface_c[place] + field.bottom_c[place]) / 2
        assert simulated == pytest.approx(rosenthal, rel=0.13)


def rosenthal_thick_plate(field: HeatField, power: float, thickness: float, speed: float, x: float, y: float) -> float:
    """Surface temperature of a plate with insulated faces; x < 0 behind the source."""
    k, diffusivity = field.near.conductivity_w_mk, field.near.conductivity_w_mk / field.near.volumetric_heat_j_m3k
    mirrored = [math.hypot(x, y, 2 * thickness * n) for n in range(-30, 31)]
    rise = sum(math.exp(-speed * (x + r) / (2 * diffusivity)) / r for r in mirrored)
    return 20.0 + power / (2 * math.pi * k) * rise


def thick_weld(power: float, thickness: float = 0.012, speed: float = 0.008) -> HeatField:
    field = HeatField((Material.CARBON_STEEL, Material.CARBON_STEEL), (thickness, thickness), 0.1, 20.0, 20.0)
    for step in range(round(0.1 / speed / 0.01)):
        field.advance(0.01, step * 0.01 * speed, 0.0, power, 0.0016, 0.0008)
    return field


def test_temperature_beside_a_moving_source_agrees_with_rosenthals_thick_plate() -> None:
    field = thick_weld(1500.0)
    for x, y in ((-0.012, 0.006), (-0.02, 0.0), (-0.02, 0.01), (-0.035, 0.005)):
        place = field.index(0.1 + x, y)
        expected = rosenthal_thick_plate(field, 1500.0, 0.012, 0.008, x, y)
        assert field.surface_c[place] - 20.0 == pytest.approx(expected - 20.0, rel=0.2)


def test_a_short_arc_melts_a_pool_of_some_millimetres_even_on_thick_plate() -> None:
    power, speed = 2800.0, 0.008
    field = thick_weld(power, speed=speed)
    # a point source without latent heat melts more: 2 r with r^2 = 2 q / (pi e rho c v dT)
    heat = field.near.volumetric_heat_j_m3k * (field.near.melting_c - 20.0)
    point = 2 * math.sqrt(2 * power / speed / (math.pi * math.e * heat))
    length, width = field.pool_extent(0.1, 0.0)
    assert 0.6 * point < width < point
    assert length > width
    assert float(field.bottom_c.max()) < 600.0


def test_a_pool_stays_at_its_melting_point_while_it_freezes() -> None:
    field = HeatField((Material.CARBON_STEEL, Material.CARBON_STEEL), (0.004, 0.004), 0.03, 20.0, 20.0)
    for _ in range(150):
        field.advance(0.01, 0.015, 0.0, 3000.0, 0.002)
    hottest = []
    for _ in range(300):
        field.advance(0.01, 0.015, 0.0, 0.0, 0.002)
        hottest.append(field.hottest_c())
    assert sum(abs(t - 1500.0) < 5.0 for t in hottest) > 15
    assert hottest[-1] < 1300.0
    assert all(b <= a + 1e-3 for a, b in pairwise(hottest))


def test_heat_put_in_is_heat_in_the_plate() -> None:
    field = HeatField((Material.ALUMINIUM, Material.CARBON_STEEL), (0.003, 0.005), 0.05, 20.0, 20.0)
    before = float((field._enthalpy.astype(np.float64) * field._layer).sum())
    for _ in range(20):
        field.advance(0.01, 0.025, 0.0, 800.0, 0.004)
    after = float((field._enthalpy.astype(np.float64) * field._layer).sum())
    assert (after - before) * field.cell_m**2 == pytest.approx(800.0 * 0.2, rel=0.05)


def test_the_transfer_mode_follows_from_voltage() -> None:
    short, free = run_arc(17.0, 0.06), run_arc(31.0, 0.15)
    assert 20 < short_circuits_per_second(short) < 200
    assert short_circuits_per_second(free) < 3


def test_wire_that_melts_equals_wire_that_is_fed() -> None:
    waveforms = run_arc(19.0, 0.07, seconds=4.0)[100:]
    melted = sum(w.transfer_m3 for w in waveforms) / (math.pi / 4 * 0.0012**2)
    assert melted == pytest.approx(0.07 * len(waveforms) * 0.01, rel=0.06)


def test_more_wire_draws_more_current() -> None:
    slow, fast = run_arc(20.0, 0.06)[100:], run_arc(20.0, 0.08)[100:]
    assert np.mean([w.current_a.mean() for w in fast]) > 1.15 * np.mean([w.current_a.mean() for w in slow])


def test_without_shielding_gas_the_arc_becomes_restless() -> None:
    calm, bare = run_arc(24.0, 0.09)[100:], run_arc(24.0, 0.09, gas_cover=0.0)[100:]
    assert np.concatenate([w.voltage_v for w in bare]).std() > 2 * np.concatenate([w.voltage_v for w in calm]).std()


def test_open_circuit_before_the_wire_touches_and_nothing_when_off() -> None:
    first = run_arc(20.0, 0.03, seconds=0.05)
    assert first[-1].voltage_v[-1] == pytest.approx(40.2, abs=0.5)
    assert first[-1].current_a.max() == 0.0
    assert max(w.power_w.max() for w in run_arc(20.0, 0.0, on=False, seconds=0.2)) == 0.0


def test_a_laser_out_of_focus_loses_its_keyhole_and_its_depth() -> None:
    scenario = parse_scenario({"process": {"kind": "laser"}})
    beam = LaserBeam(scenario, np.random.default_rng(0))
    p = scenario.process
    point = Setpoints(0.0, 0.0, p.travel_speed_m_s, 0.015, 15.0, power_w=p.laser_power_w)
    sharp = SourceInputs(True, point, 0.0, 0.015, 1.0)
    for _ in range(50):
        inside = beam.step(sharp)
    depth = beam.depth_ratio(sharp)
    blurred = SourceInputs(True, point, 0.0, 0.015, 1.0, focus_offset_m=0.008)
    for _ in range(50):
        outside = beam.step(blurred)
    assert outside.power_w.mean() < 0.8 * inside.power_w.mean()
    assert beam.depth_ratio(blurred) < 0.6 * depth


def test_a_deeper_keyhole_sounds_higher() -> None:
    scenario = parse_scenario({"process": {"kind": "laser"}})
    p = scenario.process
    crossings = []
    for power in (0.7, 1.3):
        beam = LaserBeam(scenario, np.random.default_rng(0))
        point = Setpoints(0.0, 0.0, p.travel_speed_m_s, 0.015, 15.0, power_w=power * p.laser_power_w)
        waves = [beam.step(SourceInputs(True, point, 0.0, 0.015, 1.0)) for _ in range(150)][50:]
        sound = np.concatenate([w.hum for w in waves])
        crossings.append(float((np.diff(np.sign(sound)) != 0).mean()))
    assert crossings[1] > 1.15 * crossings[0]


def test_a_spindle_sounds_in_harmonics_of_its_turns() -> None:
    scenario = parse_scenario({"process": {"kind": "fsw"}})
    tool = StirTool(scenario, np.random.default_rng(0))
    point = Setpoints(0, 0, 0.004, 0.005, 0, axial_force_n=8000.0, spindle_speed_hz=20.0)
    inputs = SourceInputs(True, point, 0.0, 0.015, 1.0, softness=0.8)
    sound = np.concatenate([tool.step(inputs).hum for _ in range(500)][100:])
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / 16000)
    strongest = hertz[power.argmax()]
    assert strongest / 20.0 == pytest.approx(round(strongest / 20.0), abs=0.05)
    assert power.max() > 100 * np.median(power)


def test_a_worn_stirring_tool_sounds_impulsive() -> None:
    scenario = parse_scenario({"process": {"kind": "fsw"}})
    kurtosis = []
    for wear in (0.0, 1.0):
        tool = StirTool(scenario, np.random.default_rng(0))
        point = Setpoints(0, 0, 0.004, 0.005, 0, axial_force_n=8000.0, spindle_speed_hz=18.0)
        inputs = SourceInputs(True, point, 0.0, 0.005, 1.0, wear=wear, softness=0.8)
        sound = np.concatenate([tool.step(inputs).hum for _ in range(200)][80:])
        kurtosis.append(float((sound**4).mean() / (sound**2).mean() ** 2))
    assert kurtosis[1] > 1.5 * kurtosis[0]


def test_a_clean_pool_shines_less_than_oxidised_metal_of_the_same_temperature() -> None:
    field = thick_weld(2800.0)
    emissivity = field.emissivity()
    hottest = np.unravel_index(int(field.surface_c.argmax()), field.surface_c.shape)
    assert emissivity[hottest] == pytest.approx(field.near.emissivity_liquid)
    assert emissivity[0, 0] == pytest.approx(field.near.emissivity_solid)


def test_planck_reading_inverts() -> None:
    celsius = np.array([20.0, 400.0, 1500.0, 3000.0])
    assert band_temperature(band_radiance(celsius, 2e-6), 2e-6) == pytest.approx(celsius, rel=1e-6)


@pytest.mark.parametrize("azimuth", [-120.0, 0.0, 35.0, 90.0])
def test_a_pixel_sees_the_point_that_projects_onto_it(azimuth: float) -> None:
    view = PinholeView(64, 48, azimuth, 30.0, 0.3, 0.08)
    target = (0.02, 0.001, 0.0)
    seen = view.surface(target)
    for row, column in ((10, 12), (24, 32), (40, 60)):
        point = np.array([[seen.x_m[row, column], seen.s_m[row, column], 0.0]], np.float64)
        projected = view.project(point, target)[0]
        assert projected[:2] == pytest.approx([column + 0.5, row + 0.5], abs=0.02)
