"""The welds of the closed-loop study: for each imperfection faults that lead there, of random size, time and sensors.

Some faults are small enough to be made up for within the procedure, some are not, and some (a torch beside the seam,
magnetic arc blow) no parameter helps against: as on a shop floor. Nothing here was chosen by what the monitor does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from msstan_core.simulation import Scenario, load_scenario, parse_scenario
from msstan_core.simulation.random_sensors import between, camera, microphone, telemetry, thermal

#: Code of a weld without any fault.
NOMINAL = 0
#: Arc time of a weld without advice, s.
ARC_S = (12.0, 15.0)
#: Fault after the arc's start, and for how long, s.
FAULT_AT_S, FAULT_FOR_S = (2.5, 4.0), (4.0, 8.0)


@dataclass(frozen=True, slots=True)
class FaultRange:
    """A disturbance and the sizes in which it is drawn."""

    scenario: str  #: built-in scenario whose process and joint are welded
    kind: str  #: of simulation.scenario.DISTURBANCES
    low: float
    high: float


_LAP, _BUTT = "gmaw_steel_lap", "gmaw_steel_faults"
FAULTS: dict[int, tuple[FaultRange, ...]] = {
    2011: (FaultRange(_LAP, "gas_loss", 0.45, 0.68),),
    2017: (FaultRange(_LAP, "gas_loss", 0.75, 1.0),),
    402: (FaultRange(_LAP, "wire_feed_factor", 0.55, 0.75), FaultRange(_LAP, "stick_out_offset", 0.007, 0.012)),
    401: (FaultRange(_LAP, "wire_feed_factor", 0.45, 0.56), FaultRange(_LAP, "aim_offset", 0.003, 0.005)),
    501: (FaultRange(_LAP, "travel_factor", 1.75, 2.4),),
    502: (FaultRange(_LAP, "travel_factor", 0.5, 0.64), FaultRange(_LAP, "wire_feed_factor", 1.55, 1.8)),
    506: (FaultRange(_LAP, "voltage_offset", -5.5, -4.2),),
    504: (FaultRange(_BUTT, "joint_gap", 0.0013, 0.0018), FaultRange(_BUTT, "travel_factor", 0.55, 0.66)),
    510: (FaultRange(_BUTT, "joint_gap", 0.0019, 0.0028),),
    602: (FaultRange(_LAP, "voltage_offset", -4.0, -2.8), FaultRange(_LAP, "magnetic_blow", 0.7, 1.0)),
    NOMINAL: (),
}


def study_weld(imperfection: int, seed: int) -> Scenario:
    """The weld of an imperfection and a seed. Equal arguments give equal scenarios.

    Args:
        imperfection: a key of :data:`FAULTS`.
        seed: changes fault, times, views, light, sound and noise.
    """
    draw = np.random.default_rng([seed, imperfection, 0xC105ED])
    faults = FAULTS[imperfection]
    fault = faults[int(draw.integers(len(faults)))] if faults else None
    base = load_scenario(fault.scenario if fault is not None else str(draw.choice([_LAP, _BUTT])))
    content: dict[str, Any] = base.model_dump()
    arc_s = between(draw, *ARC_S)
    content.update(
        name=f"closed-loop-{imperfection}-{seed}",
        seed=seed,
        camera=camera(draw),
        thermal=thermal(draw),
        microphone=microphone(draw),
        telemetry=telemetry(draw),
        noise={
            "pool": between(draw, 0.6, 1.6),
            "arc": between(draw, 0.6, 1.6),
            "droplets": between(draw, 0.6, 1.4),
            "path_m": between(draw, 0.0, 0.0003),
            "spatter": between(draw, 0.6, 1.4),
        },
        disturbances=[],
    )
    content["joint"]["seam_length_m"] = round(content["process"]["travel_speed_m_s"] * arc_s, 4)
    content["procedure"].update(
        idle_s=between(draw, 0.3, 1.0),
        placement_s=0.0,
        approach_s=between(draw, 0.5, 1.0),
        pre_flow_s=between(draw, 0.3, 0.8),
        crater_fill_s=1.0,
        cooling_s=1.0,
        heat_adjustments=[],
    )
    if fault is not None:
        size = between(draw, fault.low, fault.high)
        if fault.kind == "aim_offset" and draw.random() < 0.5:
            size = -size
        start, duration = between(draw, *FAULT_AT_S), between(draw, *FAULT_FOR_S)
        content["disturbances"] = [{"kind": fault.kind, "start_s": start, "duration_s": duration, "magnitude": size}]
    return parse_scenario(content, f"study_weld({imperfection}, {seed})")
