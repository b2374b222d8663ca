"""The hidden state of the cell that every sensor looks at."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.energy import SAMPLE_RATE_HZ, Setpoints, Waveform
from msstan_core.simulation.procedure import Step

#: Light of the last control steps is kept for shutter times up to this, s.
LIGHT_MEMORY_S = 0.05


@dataclass(frozen=True, slots=True)
class Ejection:
    """A spatter particle on its way."""

    time_s: float
    x_m: float
    y_m: float
    z_m: float
    velocity: tuple[float, float, float]  #: m/s
    radius_m: float


@dataclass(slots=True)
class CellState:
    """Where everything is now. Sensors read it and never write."""

    time_s: float = 0.0
    step: Step = Step.IDLE
    weld: int = 0
    torch_x_m: float = 0.0
    torch_y_m: float = 0.0
    weave_m: float = 0.0  #: the programmed weaving's part of it
    torch_lift_m: float = 0.07  #: contact tip above its welding height
    tip_m: float = 0.015  #: contact tip to plate at the torch, welding
    arc_x_m: float = 0.0
    arc_y_m: float = 0.0
    burning: bool = False
    gap_m: float = 0.0
    stick_out_m: float = 0.012
    droplet_m: float = 0.0
    current_a: float = 0.0  #: mean of the control step
    voltage_v: float = 0.0
    power_w: float = 0.0
    wire_feed_m_s: float = 0.0
    travel_m_s: float = 0.0
    gas_flow_l_min: float = 0.0
    gas_cover: float = 0.0
    last_arc_s: float = -1.0  #: when the arc last burnt; -1: never
    fume: float = 0.0  #: smoke around the torch, about 0..1
    placement: float = 0.0
    setpoints: Setpoints = field(default_factory=lambda: Setpoints(0, 0, 0, 0, 0))
    waveform: Waveform | None = None
    light: deque[NDArray[np.float64]] = field(default_factory=lambda: deque(maxlen=round(LIGHT_MEMORY_S * 100)))
    ejections: deque[Ejection] = field(default_factory=lambda: deque(maxlen=400))
    landed: list[Ejection] = field(default_factory=list)  #: spatter that stuck to the parts, in order

    def mean_light_w(self, exposure_s: float) -> float:
        """Mean visible arc power over the last ``exposure_s``."""
        if not self.light:
            return 0.0
        samples = max(round(exposure_s * SAMPLE_RATE_HZ), 1)
        newest = self.light[-1]
        if samples <= len(newest):
            return float(newest[-samples:].mean())
        return float(np.concatenate(self.light)[-samples:].mean())
