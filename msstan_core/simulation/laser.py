"""Laser beam welding: absorption, keyhole and its noise, plume light.

A beam above the threshold intensity opens a keyhole that absorbs most of the power; below it metal reflects (conduction
mode). Keyhole depth follows P / (w sqrt(v)); the keyhole fluctuates by some kilohertz and that is its sound, whose
zero-crossing rate rises with depth. Spatter grows with speed (strongly from 10 to 16 m/min) and with a displaced focus.
On keyhole and conduction mode, absorption and the scaling of depth: W. M. Steen, J. Mazumder, Laser Material
Processing, 4th ed. (2010), ch. 4.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter

from msstan_core.simulation.energy import SAMPLE_RATE_HZ, STEP_S, STEP_SAMPLES, SourceInputs, Waveform
from msstan_core.simulation.scenario import Scenario

RAYLEIGH_LENGTH_M = 0.004
#: Absorbed share of the beam without and with a keyhole.
CONDUCTION_ABSORPTION, KEYHOLE_ABSORPTION = 0.32, 0.75
KEYHOLE_INTENSITY_W_M2 = 4.0e9
SPATTER_SPEED_M_S = 0.16
#: Keyhole depth at 1 kW, 30 mm/s and 0.3 mm spot radius (an estimate for steel), and without a keyhole, m.
KEYHOLE_DEPTH_M, CONDUCTION_DEPTH_M = 0.0012, 0.0002


class LaserBeam:
    """A continuous beam. ``power_w`` of its waveform is what the work absorbs."""

    efficiency = 1.0

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        self._process = scenario.process
        self._random = random
        self._noise = scenario.noise
        self._power = 0.0
        self._keyhole = 0.0  # 0 closed, 1 open
        self._slow = 0.0
        self._filter = np.zeros(2)

    def step(self, inputs: SourceInputs) -> Waveform:
        """One control step."""
        n, random = STEP_SAMPLES, self._random
        target = inputs.set.power_w if inputs.on else 0.0
        self._power += (target - self._power) * min(STEP_S / 0.015, 1.0)
        spot = self._spot_m(inputs)
        intensity = self._power / (math.pi * spot * spot)
        opens = 1.0 if intensity > KEYHOLE_INTENSITY_W_M2 else max(2.0 * intensity / KEYHOLE_INTENSITY_W_M2 - 1.0, 0.0)
        self._keyhole += (opens - self._keyhole) * STEP_S / 0.03
        unsteady = (
            0.15 + 0.5 * (1.0 - inputs.gas_cover) + 0.8 * min(abs(inputs.focus_offset_m) / RAYLEIGH_LENGTH_M, 1.5)
        )
        unsteady *= self._noise.arc
        self._slow += -0.3 * self._slow + 0.5 * unsteady * float(random.standard_normal())
        absorbed = self._power * (CONDUCTION_ABSORPTION + (KEYHOLE_ABSORPTION - CONDUCTION_ABSORPTION) * self._keyhole)
        depth = self.depth_ratio(inputs)
        resonance_hz = 1400.0 + 2600.0 * min(depth, 1.5)
        pole = 0.93
        feedback = [1.0, -2 * pole * math.cos(2 * math.pi * resonance_hz / SAMPLE_RATE_HZ), pole * pole]
        roar, self._filter = lfilter([0.25], feedback, random.standard_normal(n), zi=self._filter)
        level = self._keyhole * self._power / max(self._process.laser_power_w, 1.0)
        light = 0.10 * absorbed * np.clip(1.0 + 0.6 * roar + 0.5 * self._slow, 0.1, 4.0)
        speed = inputs.set.travel_speed_m_s / SPATTER_SPEED_M_S
        rate = level * self._noise.spatter * (6.0 + 70.0 * speed**3 + 60.0 * unsteady)  # per second
        spatter = [
            (int(random.integers(n)), 0.3 + 0.5 * float(random.random()))
            for _ in range(int(random.poisson(rate * STEP_S)))
        ]
        return Waveform(
            power_w=np.full(n, absorbed),
            current_a=np.zeros(n),
            voltage_v=np.zeros(n),
            light_w=light if absorbed > 50.0 else np.zeros(n),
            burning=absorbed > 50.0,
            spatter=spatter,
            hum=level * (0.9 * roar * (1.0 + 0.5 * self._slow) + 0.3 * random.standard_normal(n)),
        )

    def heat_depth_m(self, inputs: SourceInputs) -> float:
        """Depth of the keyhole, P / (w sqrt(v))."""
        narrow = 0.0003 / self._spot_m(inputs)
        slow = math.sqrt(0.03 / max(inputs.set.travel_speed_m_s, 1e-3))
        return CONDUCTION_DEPTH_M + KEYHOLE_DEPTH_M * self._keyhole * self._power / 1000.0 * narrow * slow

    def depth_ratio(self, inputs: SourceInputs) -> float:
        """Fusion depth over that of the programmed beam in focus."""
        process = self._process
        spread = self._spot_m(inputs) / process.spot_radius_m
        speed = max(inputs.set.travel_speed_m_s, 1e-3) / process.travel_speed_m_s
        return max(self._power, 1.0) / process.laser_power_w / spread / math.sqrt(speed) * (0.5 + 0.5 * self._keyhole)

    def _spot_m(self, inputs: SourceInputs) -> float:
        """Beam radius on the work."""
        return self._process.spot_radius_m * math.sqrt(1.0 + (inputs.focus_offset_m / RAYLEIGH_LENGTH_M) ** 2)
