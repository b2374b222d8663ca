"""Heat sources by process, and what a programmed procedure does when nothing disturbs it."""

from __future__ import annotations

import math

import numpy as np

from msstan_core.simulation.energy import STEP_S, EnergySource, Setpoints, SourceInputs
from msstan_core.simulation.friction_stir import StirTool
from msstan_core.simulation.gmaw import GmawArc
from msstan_core.simulation.imperfections import Reference
from msstan_core.simulation.laser import LaserBeam
from msstan_core.simulation.scenario import Scenario


def make_source(scenario: Scenario, random: np.random.Generator) -> EnergySource:
    """The heat source of a scenario's process."""
    kinds: dict[str, type[GmawArc] | type[LaserBeam] | type[StirTool]] = {
        "gmaw": GmawArc,
        "laser": LaserBeam,
        "fsw": StirTool,
    }
    return kinds[scenario.process.kind](scenario, random)


def programmed_values(scenario: Scenario, reference: Reference) -> tuple[float, ...]:
    """What the job's programme says of each of TELEMETRY_CHANNELS, as a robot would tell it: A, V, m/s, m/s, l/min.

    NaN where the programme has no such quantity: an arc's current is the one that its wire feed was qualified with, a
    stirring tool's motor draws what the metal asks for.
    """
    process = scenario.process
    arc = process.kind == "gmaw"
    values = (
        reference.current_a if arc else math.nan,
        reference.voltage_v if arc else math.nan,
        reference.wire_feed_m_s,
        process.travel_speed_m_s,
        process.gas_flow_l_min,
    )
    return tuple(value if value > 0 else math.nan for value in values)


def steady_reference(scenario: Scenario) -> Reference:
    """What the programmed procedure does when nothing disturbs it: a trial run of the source alone."""
    process = scenario.process
    source = make_source(scenario, np.random.default_rng([scenario.seed, 1]))
    setpoints = Setpoints(
        process.voltage_v, process.wire_feed_speed_m_s, process.travel_speed_m_s, process.stick_out_m,
        process.gas_flow_l_min, process.laser_power_w, process.axial_force_n, process.spindle_speed_hz,
    )  # fmt: skip
    # a stirring tool's metal is soft in the steady state
    inputs = SourceInputs(True, setpoints, process.wire_feed_speed_m_s, process.stick_out_m, 1.0, softness=0.8)
    waveforms = [source.step(inputs) for _ in range(220)][70:]
    violence = sum(v for w in waveforms for _, v in w.spatter)
    return Reference(
        current_a=float(np.mean([w.current_a.mean() for w in waveforms])),
        voltage_v=float(np.mean([w.voltage_v.mean() for w in waveforms])),
        power_w=float(np.mean([w.power_w.mean() for w in waveforms])),
        spatter_rate=violence / (len(waveforms) * STEP_S),
        travel_m_s=process.travel_speed_m_s,
        wire_feed_m_s=process.wire_feed_speed_m_s if process.kind == "gmaw" else 0.0,
    )
