"""Settings of the cell's sensors: where they are, what they see, how they record."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from msstan_core.simulation.settings import Section, count, quantity


class CameraSettings(Section):
    """The weld camera: where it is, what it sees, how it records."""

    enabled: bool = True
    width: int = count(320, 32, 1920, "px", "columns")
    height: int = count(240, 32, 1200, "px", "rows")
    rate_hz: float = quantity(30.0, 1.0, 120.0, "Hz", "frames")
    mount: Literal["torch", "cell"] = "torch"
    azimuth_deg: float = quantity(80.0, -180.0, 180.0, "deg", "view from ahead of the torch 0, from the near side 90")
    elevation_deg: float = quantity(25.0, 5.0, 85.0, "deg", "above the plate")
    distance_m: float = quantity(0.35, 0.05, 2.0, "m", "lens to torch tip")
    field_of_view_m: float = quantity(0.06, 0.01, 0.4, "m", "width of the view at the torch tip")
    colour: bool = True
    ambient_light: float = quantity(0.5, 0.0, 1.0, "fraction", "shop light; 0: dark, only the arc lights the scene")
    arc_filter: float = quantity(0.02, 0.0005, 0.5, "fraction", "arc light the filter lets through")
    glow: float = quantity(0.55, 0.0, 3.0, "fraction of full scale", "brightness of oxidised steel at 1500 degC")
    exposure_s: float = quantity(0.004, 0.00002, 0.03, "s", "shutter")
    noise: float = quantity(0.01, 0.0, 0.1, "fraction of full scale", "sensor noise")
    black_level: float = quantity(0.0, 0.0, 0.3, "fraction of full scale", "offset of the sensor in the dark")
    blur_px: float = quantity(0.6, 0.0, 5.0, "px", "lens blur")
    vignetting: float = quantity(0.2, 0.0, 0.9, "fraction", "darkening in the corners")
    distortion: float = quantity(0.0, -0.3, 0.3, "k1", "radial lens distortion")
    dirt: float = quantity(0.2, 0.0, 1.0, "fraction", "spatter and dust on the protective glass")
    smoke: float = quantity(0.5, 0.0, 1.0, "fraction", "welding fume in the view")
    bloom: float = quantity(0.5, 0.0, 1.0, "fraction", "glare around saturated light")
    gamma: float = quantity(1.0, 0.4, 2.4, "exponent", "transfer curve, 1: linear")
    clutter: float = quantity(0.5, 0.0, 1.0, "fraction", "objects behind the weld")


class ThermalSettings(Section):
    """The thermal camera."""

    enabled: bool = True
    width: int = count(80, 8, 640, "px", "columns")
    height: int = count(60, 8, 512, "px", "rows")
    rate_hz: float = quantity(25.0, 1.0, 100.0, "Hz", "frames")
    mount: Literal["torch", "cell"] = "cell"
    azimuth_deg: float = quantity(-100.0, -180.0, 180.0, "deg", "view from ahead of the torch 0, from the near side 90")
    elevation_deg: float = quantity(50.0, 10.0, 90.0, "deg", "above the plate")
    field_of_view_m: float = quantity(0.12, 0.01, 0.4, "m", "width of the view at the torch tip")
    crop_px: int = count(0, 0, 256, "px", "0: whole image, else a square that follows the hottest point")
    emissivity: float = quantity(0.85, 0.1, 1.0, "fraction", "emissivity set in the camera")
    range_low_c: float = quantity(-20.0, -40.0, 1000.0, "degC", "lower end of the range")
    range_high_c: float = quantity(3150.0, 200.0, 3500.0, "degC", "upper end, readings saturate there")
    noise_c: float = quantity(1.5, 0.0, 50.0, "degC", "noise at 300 degC")
    blur_px: float = quantity(0.8, 0.0, 5.0, "px", "lens blur")
    arc_light: float = quantity(0.5, 0.0, 1.0, "fraction", "arc radiation that reaches the sensor's band")

    @field_validator("crop_px")
    @classmethod
    def _inside_the_image(cls, value: int, info: ValidationInfo) -> int:
        longer = max(info.data.get("width", value), info.data.get("height", value))
        if value > longer:
            raise ValueError(f"a crop of {value} px is larger than the image's longer side, {longer} px")
        return value

    @field_validator("range_high_c")
    @classmethod
    def _range_has_two_ends(cls, value: float, info: ValidationInfo) -> float:
        low = info.data.get("range_low_c", value - 100.0)
        if value < low + 100.0:
            raise ValueError(f"the range ends at {value:g} degC, less than 100 degC above its lower end {low:g} degC")
        return value


class MicrophoneSettings(Section):
    """The microphone and the shop around it."""

    enabled: bool = True
    sample_rate_hz: Literal[16000] = 16000
    chunk_samples: int = count(1024, 64, 16384, "samples", "samples in a chunk")
    level_db: float = quantity(-50.0, -80.0, -12.0, "dBFS", "level of a typical arc")
    shop_noise_db: float = quantity(-72.0, -110.0, -25.0, "dBFS", "level of fans and machines")
    hum_hz: float = quantity(50.0, 40.0, 70.0, "Hz", "mains hum")
    clanks_per_minute: float = quantity(4.0, 0.0, 60.0, "1/min", "tools and parts elsewhere in the shop")
    reverberation: float = quantity(0.3, 0.0, 1.0, "fraction", "echo of the cell")
    gas_hiss_db: float = quantity(-68.0, -110.0, -30.0, "dBFS", "level of the shielding gas at 15 l/min")


class TelemetrySettings(Section):
    """The welder's own figures."""

    enabled: bool = True
    rate_hz: float = quantity(50.0, 1.0, 200.0, "Hz", "samples")
    time_constant_s: float = quantity(0.05, 0.0, 1.0, "s", "low pass in the welder's display")
    current_noise: float = quantity(0.02, 0.0, 0.1, "fraction", "noise on current")
    voltage_noise_v: float = quantity(0.2, 0.0, 2.0, "V", "noise on voltage")
    measures_travel: bool = True
