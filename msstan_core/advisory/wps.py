"""A welding procedure specification (WPS) as far as advice needs it: what is programmed and how far it may be changed.

SI units are part of the field names. The heat input is the arc energy of ISO/TR 18491 times the process efficiency k of
EN 1011-1, Q = k U I / v in J/m (1 kJ/mm = 1e6 J/m).
"""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from msstan_core.advisory.parameters import PARAMETERS, Parameter
from msstan_core.observation import TELEMETRY_CHANNELS, WeldContext
from msstan_core.vocabulary import PROCESS_EFFICIENCY, Filler, Material, Process

ParameterName = Literal["current_a", "voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s", "stick_out_m"]

#: Processes whose heat input follows from current, voltage and travel speed.
ARC_PROCESSES = frozenset({Process.GMAW, Process.GTAW, Process.SAW})

#: Setpoints that a job programs may differ from a procedure's nominal values by this share: by rounding.
PROGRAMMED_TOLERANCE = 0.02
#: Share of the heat-input window's bounds that advice keeps free. A follower that loses its advice returns on a
#: straight line, on which the product of voltage and current over travel speed may bulge over its ends: by up to 0.5 %
#: where parameters may change by 25 %, 2 % where they may change by 40 %.
HEAT_INPUT_RESERVE = 0.02
#: For which the reserve is made: share of the nominal value by which what the heat input follows from may be changed.
LARGEST_CHANGE = 0.4
_HEAT_INPUT_FIELDS: tuple[ParameterName, ...] = ("current_a", "voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ParameterRange(_Section):
    """One parameter of the procedure, in the unit of its section's name."""

    nominal: float = Field(..., description="programmed setpoint, to which every delta refers")
    min: float = Field(..., description="lowest value of the procedure")
    max: float = Field(..., description="highest value of the procedure")
    max_rate_per_s: float = Field(..., gt=0, description="fastest change while the arc burns, unit per second")

    @model_validator(mode="after")
    def _ordered(self) -> ParameterRange:
        if not self.min <= self.nominal <= self.max:
            raise ValueError(f"min {self.min:g}, nominal {self.nominal:g}, max {self.max:g} are not in rising order")
        return self


#: No part that is welded is thicker, m.
MOST_THICKNESS_M = 0.5


class Interval(_Section):
    """From min to max, both included."""

    min: float = Field(..., gt=0)
    max: float = Field(..., gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if self.min > self.max:
            raise ValueError(f"min {self.min:g} lies above max {self.max:g}")
        return self


def _parameter(unit: str, low: float, high: float, description: str) -> Any:
    """A parameter's section with the range in which its values are plausible at all: catches wrong units."""
    return Field(None, description=description, json_schema_extra={"unit": unit, "low": low, "high": high})


class Wps(_Section):
    """A welding procedure's window. Equal files give equal objects."""

    id: str = Field(..., pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$", description="also the file's name")
    title: str = ""
    basis: str = Field(..., min_length=1, description="what qualifies the ranges, e.g. the number of the WPQR")
    process: Literal["gmaw", "gtaw", "laser", "fsw", "saw"]
    material_a: Literal["carbon_steel", "stainless_steel", "aluminium", "copper", "titanium", "nickel", "magnesium"]
    material_b: Literal["carbon_steel", "stainless_steel", "aluminium", "copper", "titanium", "nickel", "magnesium"]
    filler: Literal[
        "none",
        "steel",
        "stainless",
        "aluminium_silicon",
        "aluminium_magnesium",
        "copper_silicon",
        "nickel",
        "magnesium",
    ]
    thickness_m: Interval = Field(..., description="of either part, m", json_schema_extra={"unit": "m"})
    shielding_gas: str = Field("", description="ISO 14175 designation; empty: none, or not fixed")
    current_a: ParameterRange | None = _parameter("A", 1.0, 1500.0, "welding current")
    voltage_v: ParameterRange | None = _parameter("V", 5.0, 60.0, "arc voltage")
    wire_feed_speed_m_s: ParameterRange | None = _parameter("m/s", 0.0, 0.5, "filler wire speed")
    travel_speed_m_s: ParameterRange | None = _parameter("m/s", 0.0001, 0.5, "speed along the seam")
    stick_out_m: ParameterRange | None = _parameter("m", 0.001, 0.06, "contact tip to work distance")
    gas_flow_l_min: float | None = Field(
        None, gt=0, le=100, description="programmed shielding gas flow, l/min", json_schema_extra={"unit": "l/min"}
    )
    adjustable: tuple[ParameterName, ...] = Field(..., description="parameters that the cell lets somebody change")
    heat_input_j_m: Interval | None = Field(
        None, description="window of k U I / v, J/m (1 kJ/mm = 1e6 J/m)", json_schema_extra={"unit": "J/m"}
    )

    @model_validator(mode="after")
    def _plausible(self) -> Wps:
        for name in PARAMETERS:
            section = self.range_of(name)
            if section is None:
                continue
            extra = Wps.model_fields[name.field].json_schema_extra
            assert isinstance(extra, dict)
            low, high = float(extra["low"]), float(extra["high"])  # type: ignore[arg-type]
            for key, value in (("min", section.min), ("max", section.max)):
                if not low <= value <= high:
                    raise ValueError(
                        f"{name.field}.{key} is {value:g}, outside {low:g} .. {high:g} {name.unit}: check the unit"
                    )
        if self.thickness_m.max > MOST_THICKNESS_M:
            raise ValueError(
                f"thickness_m.max is {self.thickness_m.max:g}, above {MOST_THICKNESS_M:g} m: check the unit"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Wps:
        for field in self.adjustable:
            if getattr(self, field) is None:
                raise ValueError(f"adjustable names {field}, which has no section with its nominal, min, max and rate")
        if {"current_a", "wire_feed_speed_m_s"} <= set(self.adjustable) and self.process in ("gmaw", "saw"):
            raise ValueError(
                "adjustable holds current_a and wire_feed_speed_m_s: the one follows from the other, name one of them"
            )
        if self.kind not in ARC_PROCESSES:
            if self.heat_input_j_m is not None:
                raise ValueError(
                    f"heat_input_j_m means nothing for {self.process}: the travel speed's range bounds its energy"
                )
            return self
        if self.heat_input_j_m is None:
            raise ValueError("heat_input_j_m is missing: an arc procedure has a window of heat input, J/m")
        for field in ("current_a", "voltage_v", "travel_speed_m_s"):
            if getattr(self, field) is None:
                raise ValueError(f"{field} is missing: the heat input follows from it")
        if self.wire_feed_speed_m_s is not None and self.wire_feed_speed_m_s.nominal <= 0:
            raise ValueError("wire_feed_speed_m_s.nominal must be above 0 m/s, or the section left out")
        for field in (field for field in _HEAT_INPUT_FIELDS if field in self.adjustable):
            section: ParameterRange = getattr(self, field)
            most = LARGEST_CHANGE * section.nominal * (1 + 1e-9)
            if max(section.max - section.nominal, section.nominal - section.min) > most:
                raise ValueError(
                    f"{field} may be changed by more than {LARGEST_CHANGE:.0%} of its nominal value: on the way back "
                    f"the heat input could leave its window; narrow its range or take it out of adjustable"
                )
        window, nominal = self.heat_input_j_m, self.nominal_heat_input_j_m
        if not window.min * (1 + HEAT_INPUT_RESERVE) <= nominal <= window.max * (1 - HEAT_INPUT_RESERVE):
            raise ValueError(
                f"the nominal values give a heat input of {nominal:.0f} J/m, not inside heat_input_j_m "
                f"{window.min:.0f} .. {window.max:.0f} J/m with {HEAT_INPUT_RESERVE:.0%} to spare"
            )
        return self

    @property
    def kind(self) -> Process:
        """Process as in the vocabulary."""
        return Process[self.process.upper()]

    def range_of(self, parameter: Parameter) -> ParameterRange | None:
        """Its section, None where the procedure has none."""
        section: ParameterRange | None = getattr(self, parameter.field)
        return section

    def adjusts(self, parameter: Parameter) -> bool:
        """Whether advice may change it."""
        return parameter.field in self.adjustable

    @property
    def nominal_heat_input_j_m(self) -> float:
        """Heat input k U I / v of the nominal values, J/m; NaN where it has no meaning."""
        if self.current_a is None or self.voltage_v is None or self.travel_speed_m_s is None:
            return math.nan
        power = PROCESS_EFFICIENCY[self.kind] * self.voltage_v.nominal * self.current_a.nominal
        return power / self.travel_speed_m_s.nominal

    def job(
        self, stamp_ns: int, thickness_a_m: float = math.nan, thickness_b_m: float = math.nan, job_id: str = ""
    ) -> WeldContext:
        """The weld context of a job that is programmed at this procedure's nominal values.

        Args:
            stamp_ns: from when on it holds. thickness_a_m, thickness_b_m: of the parts, m; NaN: unknown. job_id: free.
        """
        programmed = (getattr(self, channel) for channel in TELEMETRY_CHANNELS)
        return WeldContext(
            stamp_ns=stamp_ns,
            process=self.kind,
            material_a=Material[self.material_a.upper()],
            material_b=Material[self.material_b.upper()],
            filler=Filler[self.filler.upper()],
            thickness_a_m=thickness_a_m,
            thickness_b_m=thickness_b_m,
            shielding_gas=self.shielding_gas,
            wps_id=self.id,
            job_id=job_id,
            programmed=tuple(_nominal(value) for value in programmed),
        )

    def contradiction(self, context: WeldContext) -> str:
        """What in the weld context this procedure is not made for, in words; "" where nothing speaks against it.

        What the context does not know (UNKNOWN, NaN, empty) contradicts nothing.
        """
        if context.process not in (Process.UNKNOWN, self.kind):
            return f"it is for {self.process}, the job is {context.process.name.lower()}"
        pair = {Material[self.material_a.upper()], Material[self.material_b.upper()]}
        for material in (context.material_a, context.material_b):
            if material is not Material.UNKNOWN and material not in pair:
                return f"it is for {self.material_a} and {self.material_b}, the job has {material.name.lower()}"
        known = {context.material_a, context.material_b} - {Material.UNKNOWN}
        if len(pair) == 2 and context.material_a is context.material_b and known:
            return f"it is for {self.material_a} and {self.material_b}, the job has one material only"
        if context.filler not in (Filler.UNKNOWN, Filler[self.filler.upper()]):
            return f"it is for filler {self.filler}, the job has {context.filler.name.lower()}"
        for thickness in (context.thickness_a_m, context.thickness_b_m):
            # a float32 on the wire may round a thickness on the limit to just outside it
            inside = self.thickness_m.min * (1 - 1e-6) <= thickness <= self.thickness_m.max * (1 + 1e-6)
            if not (math.isnan(thickness) or inside):
                return (
                    f"it is for {self.thickness_m.min * 1e3:g} to {self.thickness_m.max * 1e3:g} mm, "
                    f"the job has {thickness * 1e3:g} mm"
                )
        if self.shielding_gas and context.shielding_gas and self.shielding_gas != context.shielding_gas:
            return f"it is for gas {self.shielding_gas}, the job has {context.shielding_gas}"
        return self._other_setpoints(context)

    def _other_setpoints(self, context: WeldContext) -> str:
        """Advice is a change from the programmed setpoint, and its limits count from the nominal value: which of them
        differ, in words.
        """
        wire = self.kind in (Process.GMAW, Process.SAW) and self.wire_feed_speed_m_s is not None
        for parameter in PARAMETERS:
            follows = parameter is Parameter.CURRENT and wire  # what it is set to is the wire feed
            if follows or parameter.field not in TELEMETRY_CHANNELS:
                continue
            programmed = context.programmed[TELEMETRY_CHANNELS.index(parameter.field)]
            nominal = _nominal(getattr(self, parameter.field))
            if abs(programmed - nominal) > PROGRAMMED_TOLERANCE * nominal:
                return f"its nominal {parameter.words} is {nominal:g} {parameter.unit}, the job programs {programmed:g}"
        return ""


def plausible_range(parameter: Parameter) -> tuple[float, float]:
    """Least and highest value of a parameter that any weld has, in its SI unit: what lies outside has a wrong unit."""
    extra = Wps.model_fields[parameter.field].json_schema_extra
    assert isinstance(extra, dict)
    return float(str(extra["low"])), float(str(extra["high"]))


def _nominal(value: ParameterRange | float | None) -> float:
    """NaN where the procedure has none."""
    number = value.nominal if isinstance(value, ParameterRange) else value
    return number if number is not None and number > 0 else math.nan
