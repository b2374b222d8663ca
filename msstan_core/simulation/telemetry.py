"""What the welder reports of itself: low-passed current and voltage, wire, travel and gas, with noise and
quantisation.
"""

from __future__ import annotations

import math

import numpy as np

from msstan_core.observation import TelemetrySample
from msstan_core.simulation.energy import STEP_S
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.state import CellState


class WelderDisplay:
    """The power source's measuring channel."""

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        self._settings = scenario.telemetry
        self._random = random
        self._share = 1.0 - math.exp(-STEP_S / max(scenario.telemetry.time_constant_s, 1e-6))
        self._current = 0.0
        self._voltage = 0.0
        self._gas = 0.0
        self._measures_current = scenario.process.kind != "laser"
        self._measures_voltage = scenario.process.kind == "gmaw"

    def follow(self, state: CellState) -> None:
        """Filter one control step."""
        self._current += (state.current_a - self._current) * self._share
        self._voltage += (state.voltage_v - self._voltage) * self._share
        self._gas += (state.gas_flow_l_min - self._gas) * min(STEP_S / 0.25, 1.0)

    def sample(self, stamp_ns: int, state: CellState) -> TelemetrySample:
        """One reading."""
        s, random = self._settings, self._random
        noise = random.standard_normal(5)
        nan = math.nan
        current = self._current * (1.0 + s.current_noise * noise[0]) + 0.3 * abs(noise[1])
        voltage = max(self._voltage + s.voltage_noise_v * noise[2], 0.0)
        return TelemetrySample(
            stamp_ns=stamp_ns,
            current_a=round(float(current), 1) if self._measures_current else nan,
            voltage_v=round(float(voltage), 2) if self._measures_voltage else nan,
            wire_feed_speed_m_s=round(max(state.wire_feed_m_s * (1 + 0.01 * float(noise[3])), 0.0), 5),
            travel_speed_m_s=round(max(state.travel_m_s, 0.0), 5) if s.measures_travel else nan,
            gas_flow_l_min=round(max(self._gas + 0.05 * float(noise[4]), 0.0), 2),
        )
