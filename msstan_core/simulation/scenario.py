"""Scenarios: everything that defines one simulated weld, validated, with units and ranges. YAML or Python.

A scenario and its seed determine every sample of the recording.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from msstan_core.simulation.fault_settings import ACTS_ON, Disturbance
from msstan_core.simulation.sensor_settings import (
    CameraSettings,
    MicrophoneSettings,
    TelemetrySettings,
    ThermalSettings,
)
from msstan_core.simulation.settings import Section, count, quantity
from msstan_core.vocabulary import Filler, Material, Process

#: Slower, no arc of a 1.2 mm wire burns steadily, m/s.
LEAST_WIRE_M_S = 0.015


class ProcessSettings(Section):
    """The welding procedure's programmed values."""

    kind: Literal["gmaw", "laser", "fsw"] = "gmaw"
    voltage_v: float = quantity(21.0, 12.0, 40.0, "V", "programmed arc voltage (GMAW)")
    wire_feed_speed_m_s: float = quantity(0.085, 0.0, 0.35, "m/s", "wire feed speed")
    travel_speed_m_s: float = quantity(0.007, 0.0005, 0.2, "m/s", "speed along the seam")
    stick_out_m: float = quantity(0.015, 0.005, 0.035, "m", "contact tip to work distance (GMAW)")
    wire_diameter_m: float = quantity(0.0012, 0.0006, 0.0024, "m", "filler wire diameter")
    gas_flow_l_min: float = quantity(15.0, 0.0, 40.0, "l/min", "shielding gas flow")
    shielding_gas: str = Field("M21-ArC-18", description="ISO 14175 designation")
    carbon_dioxide: float = quantity(0.18, 0.0, 1.0, "fraction", "CO2 content of the shielding gas")
    inductance_h: float = quantity(0.00025, 0.00005, 0.002, "H", "inductance of the welding circuit")
    weave_amplitude_m: float = quantity(0.0, 0.0, 0.01, "m", "weaving to either side of the seam")
    weave_frequency_hz: float = quantity(1.5, 0.1, 10.0, "Hz", "weaving cycles")
    hot_start: float = quantity(1.15, 0.8, 1.6, "times", "voltage at the start, relative to the programmed one")
    hot_start_s: float = quantity(0.5, 0.0, 3.0, "s", "duration of the hot start")
    laser_power_w: float = quantity(3000.0, 200.0, 15000.0, "W", "beam power (laser)")
    spot_radius_m: float = quantity(0.0003, 0.00005, 0.003, "m", "beam radius on the sheet (laser)")
    spindle_speed_hz: float = quantity(18.0, 3.0, 60.0, "1/s", "tool revolutions (FSW)")
    axial_force_n: float = quantity(8000.0, 500.0, 60000.0, "N", "force on the tool (FSW)")
    shoulder_radius_m: float = quantity(0.008, 0.003, 0.02, "m", "tool shoulder radius (FSW)")

    @field_validator("wire_feed_speed_m_s")
    @classmethod
    def _an_arc_needs_wire(cls, value: float, info: ValidationInfo) -> float:
        if info.data.get("kind") == "gmaw" and value < LEAST_WIRE_M_S:
            raise ValueError(f"an arc of GMAW needs a wire feed of {LEAST_WIRE_M_S:g} m/s or more")
        return value

    @property
    def process(self) -> Process:
        """As in the vocabulary."""
        return {"gmaw": Process.GMAW, "laser": Process.LASER, "fsw": Process.FSW}[self.kind]


_MATERIALS = Literal["carbon_steel", "stainless_steel", "aluminium", "copper", "titanium", "nickel", "magnesium"]
_FILLERS = Literal[
    "none", "steel", "stainless", "aluminium_silicon", "aluminium_magnesium", "copper_silicon", "nickel", "magnesium"
]


class Joint(Section):
    """Parts, their geometry and how they are held."""

    kind: Literal["bead", "butt", "lap", "tee"] = "lap"
    material_a: _MATERIALS = "carbon_steel"
    material_b: _MATERIALS = "carbon_steel"
    filler: _FILLERS = "steel"
    thickness_a_m: float = quantity(0.004, 0.0005, 0.03, "m", "thickness of the near part")
    thickness_b_m: float = quantity(0.004, 0.0005, 0.03, "m", "thickness of the far (upper, upright) part")
    seam_length_m: float = quantity(0.08, 0.01, 0.5, "m", "length of each seam")
    gap_m: float = quantity(0.0, 0.0, 0.005, "m", "gap between the parts")
    ambient_c: float = quantity(22.0, -10.0, 60.0, "degC", "temperature of surroundings and parts")
    preheat_c: float = quantity(22.0, -10.0, 400.0, "degC", "temperature of the parts before the weld")
    clamps: int = count(2, 0, 6, "pieces", "clamps in view")
    clamp_height_m: float = quantity(0.004, 0.0, 0.06, "m", "height of the clamps; tall ones hide the weld")
    surface_roughness: float = quantity(0.5, 0.0, 1.0, "fraction", "scratches, scale and stains on the parts")

    @property
    def materials(self) -> tuple[Material, Material]:
        """Near and far part."""
        return Material[self.material_a.upper()], Material[self.material_b.upper()]

    @property
    def filler_kind(self) -> Filler:
        """As in the vocabulary."""
        return Filler[self.filler.upper()]


class HeatAdjustment(Section):
    """A programmed change of energy while the arc burns; it ramps over its duration and then stays."""

    at_s: float = quantity(3.0, 0.5, 600.0, "s", "start, counted from the start of the arc")
    duration_s: float = quantity(1.2, 0.3, 10.0, "s", "length of the ramp")
    voltage_v: float = quantity(0.0, -8.0, 8.0, "V", "change of voltage")
    energy: float = quantity(1.0, 0.3, 2.0, "times", "factor on wire feed speed, beam power or axial force")
    travel: float = quantity(1.0, 0.3, 2.0, "times", "factor on travel speed")


class Procedure(Section):
    """The robot's steps and their times."""

    idle_s: float = quantity(1.0, 0.0, 600.0, "s", "nothing happens")
    placement_s: float = quantity(2.0, 0.0, 60.0, "s", "the upper part is loaded and clamped; 0: it is already there")
    approach_s: float = quantity(1.5, 0.2, 60.0, "s", "the torch moves to the start of the seam")
    pre_flow_s: float = quantity(0.8, 0.0, 10.0, "s", "gas flows, torch waits at the start")
    crater_fill_s: float = quantity(0.8, 0.0, 10.0, "s", "reduced energy at the end; 0: abrupt end")
    crater_fill_energy: float = quantity(0.6, 0.2, 1.0, "times", "energy during crater fill")
    post_flow_s: float = quantity(1.0, 0.0, 20.0, "s", "gas flows after the arc")
    retract_after_s: float = quantity(0.3, 0.0, 20.0, "s", "the torch leaves this long after the arc")
    cooling_s: float = quantity(5.0, 0.5, 600.0, "s", "the cell watches the weld cool")
    welds: int = count(1, 1, 10, "seams", "seams, one after another")
    heat_adjustments: tuple[HeatAdjustment, ...] = ()


class ProcessNoise(Section):
    """How far the real process strays from the programme."""

    pool: float = quantity(1.0, 0.0, 4.0, "times", "pool surface oscillation")
    arc: float = quantity(1.0, 0.0, 4.0, "times", "arc voltage fluctuation")
    droplets: float = quantity(1.0, 0.2, 3.0, "times", "scatter of droplet size and bridge time")
    path_m: float = quantity(0.0002, 0.0, 0.002, "m", "wander of the torch about the seam")
    spatter: float = quantity(1.0, 0.0, 4.0, "times", "spatter per short circuit")


#: Faults and advice make a seam take this many times its programmed time at most.
LONGEST_STRETCH = 5.0


class Scenario(Section):
    """One simulated recording."""

    name: str = Field("weld", pattern=r"^[A-Za-z0-9_.-]{1,80}$")
    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="every random draw follows from it", json_schema_extra={"unit": "integer"}
    )
    wps_id: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]{0,80}$", description="welding procedure in force; empty: none is known"
    )
    process: ProcessSettings = ProcessSettings()
    joint: Joint = Joint()
    procedure: Procedure = Procedure()
    disturbances: tuple[Disturbance, ...] = ()
    camera: CameraSettings = CameraSettings()
    thermal: ThermalSettings = ThermalSettings()
    microphone: MicrophoneSettings = MicrophoneSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    noise: ProcessNoise = ProcessNoise()

    @field_validator("joint")
    @classmethod
    def _wire_of_some_metal(cls, value: Joint, info: ValidationInfo) -> Joint:
        process = info.data.get("process")
        if process is not None and process.kind == "gmaw" and value.filler == "none":
            raise ValueError("filler is none, but GMAW melts a wire into the joint")
        return value

    @field_validator("disturbances")
    @classmethod
    def _disturbances_can_act(cls, value: tuple[Disturbance, ...], info: ValidationInfo) -> tuple[Disturbance, ...]:
        if len(value) > 64:
            raise ValueError(f"{len(value)} disturbances, at most 64")
        process, procedure, joint = (info.data.get(name) for name in ("process", "procedure", "joint"))
        for index, disturbance in enumerate(value):
            if process is not None and disturbance.kind not in ACTS_ON[process.kind]:
                known = ", ".join(sorted(ACTS_ON[process.kind]))
                raise ValueError(
                    f"kind of number {index}, {disturbance.kind}, does not act on {process.kind}: {known} do"
                )
            if procedure is not None and disturbance.weld >= procedure.welds:
                last = procedure.welds - 1
                raise ValueError(f"weld of number {index} is {disturbance.weld}, but the last seam is {last}")
            if joint is not None and joint.kind == "bead" and disturbance.kind == "joint_gap":
                raise ValueError(f"kind of number {index} is joint_gap, but a bead on a plate has no joint")
            if process is not None and joint is not None:
                arc_s = joint.seam_length_m / process.travel_speed_m_s
                if disturbance.start_s > LONGEST_STRETCH * arc_s:
                    raise ValueError(f"number {index} begins at {disturbance.start_s:g} s of an arc of {arc_s:.1f} s")
        return value

    @property
    def weld_s(self) -> float:
        """Nominal arc time of one seam in s, without heat adjustments."""
        return self.joint.seam_length_m / self.process.travel_speed_m_s

    def with_seed(self, seed: int) -> Scenario:
        """The same scenario with another seed."""
        return self.model_copy(update={"seed": seed})
