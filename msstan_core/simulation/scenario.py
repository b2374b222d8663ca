"""Scenarios: everything that defines one simulated weld, validated, with units and ranges. YAML or Python.

A scenario and its seed determine every sample of the recording.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from msstan_core.vocabulary import Filler, Material, Process


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)


def _quantity(default: float, low: float, high: float, unit: str, description: str) -> Any:
    """A number with its unit and range; both appear in error messages and in the documentation."""
    return Field(default, ge=low, le=high, description=description, json_schema_extra={"unit": unit})


class ProcessSettings(_Section):
    """The welding procedure's programmed values."""

    kind: Literal["gmaw", "laser", "fsw"] = "gmaw"
    voltage_v: float = _quantity(21.0, 12.0, 40.0, "V", "programmed arc voltage (GMAW)")
    wire_feed_speed_m_s: float = _quantity(0.085, 0.0, 0.35, "m/s", "wire feed speed")
    travel_speed_m_s: float = _quantity(0.007, 0.0005, 0.2, "m/s", "speed along the seam")
    stick_out_m: float = _quantity(0.015, 0.005, 0.035, "m", "contact tip to work distance (GMAW)")
    wire_diameter_m: float = _quantity(0.0012, 0.0006, 0.0024, "m", "filler wire diameter")
    gas_flow_l_min: float = _quantity(15.0, 0.0, 40.0, "l/min", "shielding gas flow")
    shielding_gas: str = Field("M21-ArC-18", description="ISO 14175 designation")
    carbon_dioxide: float = _quantity(0.18, 0.0, 1.0, "fraction", "CO2 content of the shielding gas")
    inductance_h: float = _quantity(0.00025, 0.00005, 0.002, "H", "inductance of the welding circuit")
    weave_amplitude_m: float = _quantity(0.0, 0.0, 0.01, "m", "weaving to either side of the seam")
    weave_frequency_hz: float = _quantity(1.5, 0.1, 10.0, "Hz", "weaving cycles")
    hot_start: float = _quantity(1.15, 0.8, 1.6, "times", "voltage at the start, relative to the programmed one")
    hot_start_s: float = _quantity(0.5, 0.0, 3.0, "s", "duration of the hot start")
    laser_power_w: float = _quantity(3000.0, 200.0, 15000.0, "W", "beam power (laser)")
    spot_radius_m: float = _quantity(0.0003, 0.00005, 0.003, "m", "beam radius on the sheet (laser)")
    spindle_speed_hz: float = _quantity(18.0, 3.0, 60.0, "1/s", "tool revolutions (FSW)")
    axial_force_n: float = _quantity(8000.0, 500.0, 60000.0, "N", "force on the tool (FSW)")
    shoulder_radius_m: float = _quantity(0.008, 0.003, 0.02, "m", "tool shoulder radius (FSW)")

    @property
    def process(self) -> Process:
        """As in the vocabulary."""
        return {"gmaw": Process.GMAW, "laser": Process.LASER, "fsw": Process.FSW}[self.kind]


_MATERIALS = Literal["carbon_steel", "stainless_steel", "aluminium", "copper", "titanium", "nickel", "magnesium"]
_FILLERS = Literal[
    "none", "steel", "stainless", "aluminium_silicon", "aluminium_magnesium", "copper_silicon", "nickel", "magnesium"
]


class Joint(_Section):
    """Parts, their geometry and how they are held."""

    kind: Literal["bead", "butt", "lap", "tee"] = "lap"
    material_a: _MATERIALS = "carbon_steel"
    material_b: _MATERIALS = "carbon_steel"
    filler: _FILLERS = "steel"
    thickness_a_m: float = _quantity(0.004, 0.0005, 0.03, "m", "thickness of the near part")
    thickness_b_m: float = _quantity(0.004, 0.0005, 0.03, "m", "thickness of the far (upper, upright) part")
    seam_length_m: float = _quantity(0.08, 0.01, 0.5, "m", "length of each seam")
    gap_m: float = _quantity(0.0, 0.0, 0.005, "m", "gap between the parts")
    ambient_c: float = _quantity(22.0, -10.0, 60.0, "degC", "temperature of surroundings and parts")
    preheat_c: float = _quantity(22.0, -10.0, 400.0, "degC", "temperature of the parts before the weld")
    clamps: int = Field(2, ge=0, le=6, description="clamps in view", json_schema_extra={"unit": "pieces"})
    surface_roughness: float = _quantity(0.5, 0.0, 1.0, "fraction", "scratches, scale and stains on the parts")

    @property
    def materials(self) -> tuple[Material, Material]:
        """Near and far part."""
        return Material[self.material_a.upper()], Material[self.material_b.upper()]

    @property
    def filler_kind(self) -> Filler:
        """As in the vocabulary."""
        return Filler[self.filler.upper()]


class HeatAdjustment(_Section):
    """A programmed change of energy while the arc burns; it ramps over its duration and then stays."""

    at_s: float = _quantity(3.0, 0.5, 600.0, "s", "start, counted from the start of the arc")
    duration_s: float = _quantity(1.2, 0.3, 10.0, "s", "length of the ramp")
    voltage_v: float = _quantity(0.0, -8.0, 8.0, "V", "change of voltage")
    energy: float = _quantity(1.0, 0.3, 2.0, "times", "factor on wire feed speed, beam power or axial force")
    travel: float = _quantity(1.0, 0.3, 2.0, "times", "factor on travel speed")


class Procedure(_Section):
    """The robot's steps and their times."""

    idle_s: float = _quantity(1.0, 0.0, 600.0, "s", "nothing happens")
    placement_s: float = _quantity(2.0, 0.0, 60.0, "s", "the upper part is loaded and clamped; 0: it is already there")
    approach_s: float = _quantity(1.5, 0.2, 60.0, "s", "the torch moves to the start of the seam")
    pre_flow_s: float = _quantity(0.8, 0.0, 10.0, "s", "gas flows, torch waits at the start")
    crater_fill_s: float = _quantity(0.8, 0.0, 10.0, "s", "reduced energy at the end; 0: abrupt end")
    crater_fill_energy: float = _quantity(0.6, 0.2, 1.0, "times", "energy during crater fill")
    post_flow_s: float = _quantity(1.0, 0.0, 20.0, "s", "gas flows after the arc")
    retract_after_s: float = _quantity(0.3, 0.0, 20.0, "s", "the torch leaves this long after the arc")
    cooling_s: float = _quantity(5.0, 0.5, 600.0, "s", "the cell watches the weld cool")
    welds: int = Field(1, ge=1, le=10, description="seams, one after another", json_schema_extra={"unit": "seams"})
    heat_adjustments: tuple[HeatAdjustment, ...] = ()


DisturbanceKind = Literal[
    "gas_loss",
    "voltage_offset",
    "wire_feed_factor",
    "travel_factor",
    "stick_out_offset",
    "aim_offset",
    "joint_gap",
    "magnetic_blow",
    "stray_strike",
    "focus_offset",
    "tool_wear",
]

#: unit, low, high of a disturbance's magnitude
DISTURBANCES: dict[str, tuple[str, float, float]] = {
    "gas_loss": ("fraction of the gas cover lost", 0.0, 1.0),
    "voltage_offset": ("V", -10.0, 10.0),
    "wire_feed_factor": ("times", 0.2, 2.5),
    "travel_factor": ("times", 0.2, 4.0),
    "stick_out_offset": ("m", -0.008, 0.02),
    "aim_offset": ("m", -0.006, 0.006),
    "joint_gap": ("m", 0.0, 0.005),
    "magnetic_blow": ("fraction of the arc deflected", 0.0, 1.0),
    "stray_strike": ("m beside the seam", -0.02, 0.02),
    "focus_offset": ("m", -0.01, 0.01),
    "tool_wear": ("fraction of the pin worn", 0.0, 1.0),
}
assert set(DISTURBANCES) == set(get_args(DisturbanceKind))


class Disturbance(_Section):
    """A physical fault. It never names an imperfection: that follows, or not, from the physics."""

    kind: DisturbanceKind
    start_s: float = _quantity(2.0, 0.0, 600.0, "s", "start, counted from the start of the arc")
    duration_s: float = _quantity(2.0, 0.05, 600.0, "s", "length")
    magnitude: float = Field(..., description="see DISTURBANCES for unit and range of each kind")
    weld: int = Field(0, ge=0, le=9, description="which seam, from 0", json_schema_extra={"unit": "index"})

    @model_validator(mode="after")
    def _magnitude_in_range(self) -> Disturbance:
        unit, low, high = DISTURBANCES[self.kind]
        if not low <= self.magnitude <= high:
            raise ValueError(f"magnitude of {self.kind} is {self.magnitude}, outside {low:g} .. {high:g} {unit}")
        return self


class CameraSettings(_Section):
    """The weld camera: where it is, what it sees, how it records."""

    enabled: bool = True
    width: int = Field(320, ge=32, le=1920, description="columns", json_schema_extra={"unit": "px"})
    height: int = Field(240, ge=32, le=1200, description="rows", json_schema_extra={"unit": "px"})
    rate_hz: float = _quantity(30.0, 1.0, 120.0, "Hz", "frames")
    mount: Literal["torch", "cell"] = "torch"
    azimuth_deg: float = _quantity(80.0, -180.0, 180.0, "deg", "view from ahead of the torch 0, from the near side 90")
    elevation_deg: float = _quantity(25.0, 5.0, 85.0, "deg", "above the plate")
    distance_m: float = _quantity(0.35, 0.05, 2.0, "m", "lens to torch tip")
    field_of_view_m: float = _quantity(0.06, 0.01, 0.4, "m", "width of the view at the torch tip")
    colour: bool = True
    ambient_light: float = _quantity(0.5, 0.0, 1.0, "fraction", "shop light; 0: dark, only the arc lights the scene")
    arc_filter: float = _quantity(0.02, 0.0005, 0.5, "fraction", "arc light the filter lets through")
    glow: float = _quantity(0.55, 0.0, 3.0, "fraction of full scale", "brightness of oxidised steel at 1500 degC")
    exposure_s: float = _quantity(0.004, 0.00002, 0.03, "s", "shutter")
    noise: float = _quantity(0.01, 0.0, 0.1, "fraction of full scale", "sensor noise")
    black_level: float = _quantity(0.0, 0.0, 0.3, "fraction of full scale", "offset of the sensor in the dark")
    blur_px: float = _quantity(0.6, 0.0, 5.0, "px", "lens blur")
    vignetting: float = _quantity(0.2, 0.0, 0.9, "fraction", "darkening in the corners")
    distortion: float = _quantity(0.0, -0.3, 0.3, "k1", "radial lens distortion")
    dirt: float = _quantity(0.2, 0.0, 1.0, "fraction", "spatter and dust on the protective glass")
    smoke: float = _quantity(0.5, 0.0, 1.0, "fraction", "welding fume in the view")
    bloom: float = _quantity(0.5, 0.0, 1.0, "fraction", "glare around saturated light")
    gamma: float = _quantity(1.0, 0.4, 2.4, "exponent", "transfer curve, 1: linear")
    clutter: float = _quantity(0.5, 0.0, 1.0, "fraction", "objects behind the weld")


class ThermalSettings(_Section):
    """The thermal camera."""

    enabled: bool = True
    width: int = Field(80, ge=8, le=640, description="columns", json_schema_extra={"unit": "px"})
    height: int = Field(60, ge=8, le=512, description="rows", json_schema_extra={"unit": "px"})
    rate_hz: float = _quantity(25.0, 1.0, 100.0, "Hz", "frames")
    mount: Literal["torch", "cell"] = "cell"
    azimuth_deg: float = _quantity(
        -100.0, -180.0, 180.0, "deg", "view from ahead of the torch 0, from the near side 90"
    )
    elevation_deg: float = _quantity(50.0, 10.0, 90.0, "deg", "above the plate")
    field_of_view_m: float = _quantity(0.12, 0.01, 0.4, "m", "width of the view at the torch tip")
    crop_px: int = Field(
        0,
        ge=0,
        le=256,
        description="0: whole image, else a square that follows the hottest point",
        json_schema_extra={"unit": "px"},
    )
    emissivity: float = _quantity(0.85, 0.1, 1.0, "fraction", "emissivity set in the camera")
    range_low_c: float = _quantity(-20.0, -40.0, 1000.0, "degC", "lower end of the range")
    range_high_c: float = _quantity(3150.0, 200.0, 3500.0, "degC", "upper end, readings saturate there")
    noise_c: float = _quantity(1.5, 0.0, 50.0, "degC", "noise at 300 degC")
    blur_px: float = _quantity(0.8, 0.0, 5.0, "px", "lens blur")
    arc_light: float = _quantity(0.5, 0.0, 1.0, "fraction", "arc radiation that reaches the sensor's band")


class MicrophoneSettings(_Section):
    """The microphone and the shop around it."""

    enabled: bool = True
    sample_rate_hz: Literal[16000] = 16000
    chunk_samples: int = Field(
        1024, ge=64, le=16384, description="samples in a chunk", json_schema_extra={"unit": "samples"}
    )
    level_db: float = _quantity(-50.0, -80.0, -12.0, "dBFS", "level of a typical arc")
    shop_noise_db: float = _quantity(-72.0, -110.0, -25.0, "dBFS", "level of fans and machines")
    hum_hz: float = _quantity(50.0, 40.0, 70.0, "Hz", "mains hum")
    clanks_per_minute: float = _quantity(4.0, 0.0, 60.0, "1/min", "tools and parts elsewhere in the shop")
    reverberation: float = _quantity(0.3, 0.0, 1.0, "fraction", "echo of the cell")
    gas_hiss_db: float = _quantity(-68.0, -110.0, -30.0, "dBFS", "level of the shielding gas at 15 l/min")


class TelemetrySettings(_Section):
    """The welder's own figures."""

    enabled: bool = True
    rate_hz: float = _quantity(50.0, 1.0, 200.0, "Hz", "samples")
    time_constant_s: float = _quantity(0.05, 0.0, 1.0, "s", "low pass in the welder's display")
    current_noise: float = _quantity(0.02, 0.0, 0.1, "fraction", "noise on current")
    voltage_noise_v: float = _quantity(0.2, 0.0, 2.0, "V", "noise on voltage")
    measures_travel: bool = True


class ProcessNoise(_Section):
    """How far the real process strays from the programme."""

    pool: float = _quantity(1.0, 0.0, 4.0, "times", "pool surface oscillation")
    arc: float = _quantity(1.0, 0.0, 4.0, "times", "arc voltage fluctuation")
    droplets: float = _quantity(1.0, 0.2, 3.0, "times", "scatter of droplet size and bridge time")
    path_m: float = _quantity(0.0002, 0.0, 0.002, "m", "wander of the torch about the seam")
    spatter: float = _quantity(1.0, 0.0, 4.0, "times", "spatter per short circuit")


class Scenario(_Section):
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

    @field_validator("disturbances")
    @classmethod
    def _not_too_many(cls, value: tuple[Disturbance, ...]) -> tuple[Disturbance, ...]:
        if len(value) > 64:
            raise ValueError(f"{len(value)} disturbances, at most 64")
        return value

    @property
    def weld_s(self) -> float:
        """Nominal arc time of one seam in s, without heat adjustments."""
        return self.joint.seam_length_m / self.process.travel_speed_m_s

    def with_seed(self, seed: int) -> Scenario:
        """The same scenario with another seed."""
        return self.model_copy(update={"seed": seed})
