"""Faults that a scenario may name: kinds, units, ranges, and the processes in which they act."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from msstan_core.simulation.settings import Section, count, quantity

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

#: Faults that mean something, by process: a beam has no wire, a stirring tool no gas.
ACTS_ON: dict[str, frozenset[str]] = {
    "gmaw": frozenset(DISTURBANCES) - {"focus_offset", "tool_wear"},
    "laser": frozenset({"gas_loss", "travel_factor", "stick_out_offset", "aim_offset", "joint_gap", "focus_offset"}),
    "fsw": frozenset({"travel_factor", "stick_out_offset", "aim_offset", "tool_wear"}),
}


class Disturbance(Section):
    """A physical fault. It never names an imperfection: that follows, or not, from the physics."""

    kind: DisturbanceKind
    start_s: float = quantity(2.0, 0.0, 600.0, "s", "start, from the start of the arc; a gap: where the torch is then")
    duration_s: float = quantity(2.0, 0.05, 600.0, "s", "length")
    magnitude: float = Field(..., description="how strong; unit and range depend on the kind")
    weld: int = count(0, 0, 9, "index", "which seam, from 0")

    @field_validator("magnitude")
    @classmethod
    def _in_the_kinds_range(cls, value: float, info: ValidationInfo) -> float:
        kind = info.data.get("kind")
        if kind is not None:
            unit, low, high = DISTURBANCES[kind]
            if not low <= value <= high:
                raise ValueError(f"{kind} is outside {low:g} .. {high:g} {unit}")
        return value
