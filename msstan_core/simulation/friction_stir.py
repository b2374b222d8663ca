"""Friction stir welding: torque that softens with temperature, spindle sound, a worn or lifted tool.

P = 2 pi n M with the torque M = mu F r that falls as the metal under the shoulder nears its melting range, so that the
temperature limits itself below melting (R. S. Mishra, Z. Y. Ma, Materials Science and Engineering R 50 (2005) 1-78).
A worn pin or
a lifted tool leaves voids: impacts once a turn raise the kurtosis of the vibration.
"""

from __future__ import annotations

import math

import numpy as np

from msstan_core.simulation.energy import SAMPLE_RATE_HZ, STEP_S, STEP_SAMPLES, SourceInputs, Waveform
from msstan_core.simulation.scenario import Scenario

FRICTION = 0.42
SPINDLE_V = 400.0


class StirTool:
    """The rotating tool. ``current_a`` is that of the spindle motor."""

    efficiency = 0.9

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        self._process = scenario.process
        self._random = random
        self._noise = scenario.noise
        self._pin_m = 0.5 * min(scenario.joint.thickness_a_m, scenario.joint.thickness_b_m)
        self._force = 0.0
        self._speed = 0.0
        self._phase = 0.0
        self._harmonics = random.uniform(0.1, 1.0, 9) / np.arange(1, 10) ** 0.5
        self._angles = random.uniform(0, 2 * math.pi, 9)
        self._wander = 0.0

    def step(self, inputs: SourceInputs) -> Waveform:
        """One control step."""
        n, random, process = STEP_SAMPLES, self._random, self._process
        lifted = min(max((inputs.tip_distance_m - process.stick_out_m) / 0.004, 0.0), 0.9)
        force = inputs.set.axial_force_n * (1.0 - lifted) if inputs.on else 0.0
        self._force += (force - self._force) * STEP_S / 0.25  # the tool sinks in
        self._speed += ((inputs.set.spindle_speed_hz if inputs.on else 0.0) - self._speed) * STEP_S / 0.15
        self._wander += -0.02 * self._wander + 0.02 * float(random.standard_normal()) * self._noise.arc
        soft = max(1.0 - inputs.softness**3, 0.12)
        torque = FRICTION * self._force * 0.67 * process.shoulder_radius_m * soft * (1.0 + 0.3 * self._wander)
        turn = self._phase + 2 * math.pi * max(self._speed, 0.01) * np.arange(1, n + 1) / SAMPLE_RATE_HZ
        self._phase = float(turn[-1]) % (2 * math.pi * 1000)
        ripple = 1.0 + 0.04 * np.sin(turn) + 0.02 * np.sin(3 * turn)
        power = 2 * math.pi * self._speed * max(torque, 0.0) * ripple
        tones = sum(
            h * np.sin((k + 1) * turn * 4 + a)
            for k, (h, a) in enumerate(zip(self._harmonics, self._angles, strict=True))
        )
        contact = self._force / max(process.axial_force_n, 1.0)
        loose = min(inputs.wear + lifted, 1.0)
        # impacts of a void once a turn: sharp, so they show in the kurtosis
        impact = np.maximum(np.cos(turn), 0.0) ** 60 * random.standard_normal(n) * 7.0 * loose * contact
        rubbing = random.standard_normal(n) * contact * (0.35 + 0.3 * loose)
        motor = self._speed / max(process.spindle_speed_hz, 0.1)
        return Waveform(
            power_w=power,
            current_a=2.0 * motor + power / (SPINDLE_V * 1.2),
            voltage_v=np.full(n, SPINDLE_V * motor),
            light_w=np.zeros(n),
            burning=self._force > 0.15 * process.axial_force_n and inputs.on,
            hum=0.35 * motor * np.asarray(tones) * (0.3 + 0.7 * contact) + rubbing + impact,
        )

    def heat_depth_m(self, inputs: SourceInputs) -> float:
        """The shoulder rubs above, the pin stirs through."""
        return self._pin_m

    def depth_ratio(self, inputs: SourceInputs) -> float:
        """Stirred depth over that of the sound tool under its programmed force."""
        forced = self._force / max(self._process.axial_force_n, 1.0)
        slow = self._process.travel_speed_m_s / max(inputs.set.travel_speed_m_s, 1e-4)
        return float(min(forced, 1.15) ** 0.8 * (1.0 - 0.55 * inputs.wear) * slow**0.3)
