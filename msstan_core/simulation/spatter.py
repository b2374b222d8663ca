"""Droplets thrown out of arc or keyhole."""

from __future__ import annotations

import math

import numpy as np

from msstan_core.simulation.energy import SAMPLE_RATE_HZ, STEP_S, Waveform
from msstan_core.simulation.state import CellState, Ejection

#: Fine droplets that leave any arc of 4 kW in a control step.
FINE_PER_STEP = 1.2
#: Larger ones stick where they land, m.
STICKS_FROM_M = 0.0003
#: The rate that counts as spatter is a mean over about this time, s.
RATE_WINDOW_S = 0.8


class SpatterThrower:
    """Turns the source's ejections into particles in flight.

    Args:
        amount: factor on the fine droplets.
        random: draws speeds, directions and sizes.
    """

    def __init__(self, amount: float, random: np.random.Generator) -> None:
        self._amount = amount
        self._random = random
        self.rate = 0.0  #: violence-weighted ejections per second

    def throw(self, waveform: Waveform, state: CellState) -> None:
        """Ejections of one control step."""
        violent = 0.0
        for sample, violence in waveform.spatter:
            violent += violence
            self._burst(state, state.time_s + sample / SAMPLE_RATE_HZ, violence)
        for _ in range(int(self._random.poisson(FINE_PER_STEP * state.power_w / 4000.0 * self._amount))):
            self._burst(state, state.time_s, 0.0)
        self.rate += (violent / STEP_S - self.rate) * STEP_S / RATE_WINDOW_S

    def _burst(self, state: CellState, when_s: float, violence: float) -> None:
        """Throw a handful of droplets."""
        random = self._random
        count = 1 + int(random.poisson(6.0 * violence))
        speed = random.uniform(0.3, 1.8, count) * (0.6 + 0.5 * violence)
        azimuth, elevation = random.uniform(0, 2 * math.pi, count), random.uniform(0.1, 1.3, count)
        radius = random.lognormal(math.log(0.00011), 0.55, count) * min(0.9 + 0.4 * violence, 2.0)
        level = speed * np.cos(elevation)
        velocity = np.column_stack([level * np.cos(azimuth), level * np.sin(azimuth), speed * np.sin(elevation)])
        for v, r in zip(velocity.tolist(), radius.tolist(), strict=True):
            particle = Ejection(when_s, state.arc_x_m, state.arc_y_m, 0.002, (v[0], v[1], v[2]), r)
            state.ejections.append(particle)
            if r > STICKS_FROM_M:
                state.landed.append(particle)
