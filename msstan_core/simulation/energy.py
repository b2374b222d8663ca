"""What a heat source (arc, beam, stirring tool) is asked to do and what it does, one control step at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Electrical and acoustic sampling of the hidden process. The microphone's rate, so that sound follows it sample by
#: sample.
SAMPLE_RATE_HZ = 16_000
#: The cell's control step.
STEP_S = 0.01
STEP_SAMPLES = round(SAMPLE_RATE_HZ * STEP_S)


@dataclass(slots=True)
class Setpoints:
    """What the source and the robot are programmed to do at this moment (advisory included)."""

    voltage_v: float
    wire_feed_speed_m_s: float
    travel_speed_m_s: float
    stick_out_m: float
    gas_flow_l_min: float
    power_w: float = 0.0  #: laser
    axial_force_n: float = 0.0  #: FSW
    spindle_speed_hz: float = 0.0  #: FSW


@dataclass(slots=True)
class SourceInputs:
    """One control step's demands and conditions at the source."""

    on: bool  #: contactor, shutter or spindle
    set: Setpoints  #: as the source realises them, disturbances included
    wire_feed_m_s: float  #: real wire speed
    tip_distance_m: float  #: contact tip to the real surface below (a hole makes it longer)
    gas_cover: float  #: 1: pool and arc shielded; 0: in air
    blow: float = 0.0  #: magnetic deflection, 0..1
    focus_offset_m: float = 0.0  #: laser
    wear: float = 0.0  #: FSW pin
    softness: float = 0.0  #: temperature under the tool over the melting temperature, both absolute (FSW)
    pool_size: float = 1.0  #: pool length relative to a usual one; large pools swing slower


@dataclass(slots=True)
class Waveform:
    """What the source did in one control step, sampled at :data:`SAMPLE_RATE_HZ`."""

    power_w: NDArray[np.float64]  #: [160]
    current_a: NDArray[np.float64]  #: [160]; NaN-free, 0 where there is none
    voltage_v: NDArray[np.float64]  #: [160]
    light_w: NDArray[np.float64]  #: [160] electrical or plume power that becomes visible light
    burning: bool  #: energy flows into the work
    spatter: list[tuple[int, float]] = field(default_factory=list)  #: (sample, violence 0..~3) of each ejection
    transfer_m3: float = 0.0  #: filler metal that reached the pool
    hum: NDArray[np.float64] | None = None  #: [160] mechanical or keyhole sound, already a pressure signal
    stick_out_m: float = 0.0  #: solid wire beyond the contact tip
    gap_m: float = 0.0  #: arc length
    droplet_m: float = 0.0  #: diameter of the hanging drop


class EnergySource(Protocol):
    """A heat source of the cell."""

    efficiency: float  #: share of the power that enters the work

    def step(self, inputs: SourceInputs) -> Waveform:
        """Advance by one control step."""
        ...

    def heat_depth_m(self, inputs: SourceInputs) -> float:
        """Depth at which the heat that flows into the work has fallen to 1/e, m."""
        ...

    def depth_ratio(self, inputs: SourceInputs) -> float:
        """Fusion depth over its reference; NaN where it follows from current, voltage and speed (arc)."""
        ...
