"""Faults of a scenario as they act at one moment; a gap is a place instead, see seam_gap.py."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msstan_core.simulation.fault_settings import Disturbance

#: Faults fade in and out over this time, s.
FADE_S = 0.12


@dataclass(slots=True)
class Faults:
    """Physical deviations in force now."""

    gas_loss: float = 0.0
    voltage_offset: float = 0.0
    wire_feed_factor: float = 1.0
    travel_factor: float = 1.0
    stick_out_offset: float = 0.0
    aim_offset: float = 0.0
    magnetic_blow: float = 0.0
    stray_strike: float = 0.0
    focus_offset: float = 0.0
    tool_wear: float = 0.0


_FACTORS = {"wire_feed_factor", "travel_factor"}


class FaultSchedule:
    """The scenario's disturbances on the clock of each seam's arc."""

    def __init__(self, disturbances: tuple[Disturbance, ...]) -> None:
        self._disturbances = tuple(d for d in disturbances if d.kind != "joint_gap")
        self._gas_restored: set[int] = set()

    def restore_gas(self, weld: int, arc_s: float) -> None:
        """Somebody opened the valve or shut the door: gas faults in force end."""
        for index, d in enumerate(self._disturbances):
            if d.kind == "gas_loss" and d.weld == weld and arc_s >= d.start_s:
                self._gas_restored.add(index)

    def at(self, weld: int, arc_s: float) -> Faults:
        """Faults at ``arc_s`` seconds after this seam's arc first burnt (NaN: not yet)."""
        faults = Faults()
        for index, d in enumerate(self._disturbances):
            if d.weld != weld or index in self._gas_restored:
                continue
            # what holds from the start is there before the arc
            since = (
                (FADE_S if d.start_s == 0.0 else 0.0)
                if math.isnan(arc_s)
                else arc_s - d.start_s + (FADE_S if d.start_s == 0 else 0)
            )
            weight = min(
                since / FADE_S,
                (d.start_s + d.duration_s + FADE_S - max(arc_s, 0.0)) / FADE_S if arc_s == arc_s else 1.0,
                1.0,
            )
            if weight <= 0.0:
                continue
            if d.kind in _FACTORS:
                setattr(faults, d.kind, getattr(faults, d.kind) * (1.0 + (d.magnitude - 1.0) * weight))
            else:
                setattr(faults, d.kind, getattr(faults, d.kind) + d.magnitude * weight)
        faults.gas_loss = min(faults.gas_loss, 1.0)
        return faults
