"""The robot's programme: which step it is in, where the torch is, what it asks of the source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from msstan_core.simulation.energy import STEP_S, Setpoints
from msstan_core.simulation.scenario import Joint, Procedure, ProcessSettings, Scenario

#: The torch's home relative to the start of the first seam, m.
HOME = (-0.045, 0.03, 0.07)
#: Clear space between stitch welds, m.
STITCH_GAP_M = 0.012
#: The robot waits this long for an arc before it goes on without one, s.
IGNITION_TIMEOUT_S = 4.0
#: The torch stands this long once the arc burns, s.
STAND_S = 0.35


def seams_length(scenario: Scenario) -> float:
    """From the start of the first seam to the end of the last, m."""
    welds = scenario.procedure.welds
    return welds * scenario.joint.seam_length_m + (welds - 1) * STITCH_GAP_M


def seam_start_m(joint: Joint, weld: int) -> float:
    """X of a seam's start."""
    return weld * (joint.seam_length_m + STITCH_GAP_M)


def programmed_place_m(scenario: Scenario, arc_s: float) -> float:
    """How far along its seam the programme is ``arc_s`` seconds after the arc first burnt, m, undisturbed."""
    times = STAND_S + STEP_S * np.arange(max(round((arc_s - STAND_S) / STEP_S), 0))
    factor = np.ones_like(times)
    for change in scenario.procedure.heat_adjustments:
        share = [_smooth((time - change.at_s) / change.duration_s) for time in times.tolist()]
        factor *= 1.0 + (change.travel - 1.0) * np.array(share)
    return float(factor.sum()) * scenario.process.travel_speed_m_s * STEP_S


class Step(Enum):
    """Steps of the programme. Labels come from these and from the arc, see labels.py."""

    IDLE = auto()
    PLACEMENT = auto()
    SETTLE = auto()
    APPROACH = auto()
    PRE_FLOW = auto()
    START = auto()
    WELD = auto()
    CRATER = auto()
    STOP = auto()
    COOL = auto()
    DONE = auto()


@dataclass(slots=True)
class Demand:
    """What the programme asks for in one control step."""

    step: Step
    weld: int
    x_m: float
    y_m: float
    lift_m: float  #: torch height above its welding distance
    moving: bool  #: the torch travels through the air
    source_on: bool
    gas_open: bool
    feed: float  #: fraction of the programmed wire feed
    voltage_offset_v: float
    energy: float  #: factor on wire feed, power or force
    travel: float  #: factor on travel speed; 0: the torch stands
    adjusting: bool  #: the programme is changing the heat input
    placement: float  #: 0: the far part is away, 1: in place and clamped
    arc_s: float  #: time since the arc first burnt in this seam, NaN before


def least_tip_m(process: ProcessSettings) -> float:
    """The contact tip or head comes no closer to the work, m; a stirring tool is in it."""
    return 0.0 if process.kind == "fsw" else 0.004


def _smooth(fraction: float) -> float:
    f = min(max(fraction, 0.0), 1.0)
    return f * f * (3 - 2 * f)


class RobotProgramme:
    """Runs the procedure of a scenario, step by step, waiting for the arc where a robot would."""

    def __init__(self, scenario: Scenario) -> None:
        self._procedure: Procedure = scenario.procedure
        self._process = scenario.process
        self._joint = scenario.joint
        self.step = Step.IDLE
        self.weld = 0
        self._in_step_s = 0.0
        self._arc_s = math.nan
        self._along = 0.0  # m of the present seam
        self._from = HOME
        self._burning = False
        self._placement = 0.0 if scenario.procedure.placement_s > 0 else 1.0

    @property
    def finished(self) -> bool:
        """The programme has ended."""
        return self.step is Step.DONE

    def advance(self, travel_speed_m_s: float, burning: bool) -> Demand:
        """One control step; ``travel_speed_m_s`` is what the robot really does along the seam."""
        p = self._procedure
        self._burning = burning
        self._in_step_s += STEP_S
        if burning and math.isnan(self._arc_s) and self.step in (Step.START, Step.WELD):
            self._arc_s = 0.0
        elif not math.isnan(self._arc_s):
            self._arc_s += STEP_S
        if self.step is Step.WELD:
            self._along += travel_speed_m_s * STEP_S
        elif self.step is Step.CRATER:
            self._along += 0.15 * travel_speed_m_s * STEP_S
        self._maybe_next(p)
        return self._demand(p)

    def _maybe_next(self, p: Procedure) -> None:
        t = self._in_step_s
        step = self.step
        ignited = not math.isnan(self._arc_s)
        if step is Step.IDLE and t >= p.idle_s:
            self._go(Step.PLACEMENT if p.placement_s > 0 else Step.SETTLE)
        elif step is Step.PLACEMENT and t >= p.placement_s:
            self._placement = 1.0
            self._go(Step.SETTLE)
        elif step is Step.SETTLE and t >= 0.4:
            self._go(Step.APPROACH)
        elif step is Step.APPROACH and t >= p.approach_s:
            self._go(Step.PRE_FLOW)
        elif step is Step.PRE_FLOW and t >= p.pre_flow_s:
            self._arc_s = math.nan
            self._along = 0.0
            self._go(Step.START)
        elif step is Step.START and ((ignited and self._arc_s >= STAND_S) or t >= IGNITION_TIMEOUT_S):
            self._go(Step.WELD)
        elif step is Step.WELD and self._along >= self._joint.seam_length_m:
            self._go(Step.CRATER if p.crater_fill_s > 0 else Step.STOP)
        elif step is Step.CRATER and t >= p.crater_fill_s:
            self._go(Step.STOP)
        elif step is Step.STOP and t >= 0.12:
            self._go(Step.COOL)
        elif step is Step.COOL and t >= p.cooling_s:
            self._arc_s = math.nan
            if self.weld + 1 < p.welds:
                self._from = self._retracted()
                self.weld += 1
                self._go(Step.APPROACH)
            else:
                self._go(Step.DONE)

    def _go(self, step: Step) -> None:
        self.step = step
        self._in_step_s = 0.0

    def _retracted(self) -> tuple[float, float, float]:
        return seam_start_m(self._joint, self.weld) + self._joint.seam_length_m + 0.01, HOME[1], HOME[2]

    def _position(self) -> tuple[float, float, float, bool]:
        p, t = self._procedure, self._in_step_s
        start = (seam_start_m(self._joint, self.weld), 0.0, 0.0)
        if self.step in (Step.IDLE, Step.PLACEMENT, Step.SETTLE):
            return (*HOME, False)
        if self.step is Step.APPROACH:
            f = _smooth(t / p.approach_s)
            x, y, z = (a + (b - a) * f for a, b in zip(self._from, start, strict=True))
            return x, y, z, True
        if self.step in (Step.COOL, Step.DONE):
            end = (start[0] + self._along, 0.0, 0.0)
            f = _smooth((t - p.retract_after_s) / 1.2) if self.step is Step.COOL else 1.0
            x, y, z = (a + (b - a) * f for a, b in zip(end, self._retracted(), strict=True))
            return x, y, z, 0.0 < f < 1.0
        return start[0] + self._along, 0.0, 0.0, False

    def _demand(self, p: Procedure) -> Demand:
        t, step = self._in_step_s, self.step
        x, y, z, moving = self._position()
        arc_s = self._arc_s
        feed, voltage, energy, travel, on = 0.0, 0.0, 1.0, 0.0, False
        adjusting = False
        if step is Step.START:
            on = True
            # the wire creeps until it touches, then runs up
            feed = 0.45 if math.isnan(arc_s) else min(0.45 + arc_s / STAND_S * 0.55, 1.0)
        elif step in (Step.WELD, Step.CRATER):
            on, feed, travel = True, 1.0, 1.0 if step is Step.WELD else 0.15
        elif step is Step.STOP:
            on = t < 0.08
            feed = max(0.0, 1.0 - t / 0.06)
        if on and not math.isnan(arc_s):
            if arc_s < self._process.hot_start_s:
                fade = 1.0 - arc_s / self._process.hot_start_s
                voltage += (self._process.hot_start - 1.0) * self._process.voltage_v * min(2 * fade, 1.0)
            for change in p.heat_adjustments:
                f = (arc_s - change.at_s) / change.duration_s
                if f > 0:
                    g = _smooth(f)
                    voltage += change.voltage_v * g
                    energy *= 1.0 + (change.energy - 1.0) * g
                    travel *= 1.0 + (change.travel - 1.0) * g
                    adjusting = adjusting or (f <= 1.0 and step is Step.WELD)
        if step is Step.CRATER or (step is Step.STOP and p.crater_fill_s > 0):
            f = 1.0 if step is Step.STOP else _smooth(t / 0.2)
            energy *= 1.0 + (p.crater_fill_energy - 1.0) * f
            voltage += 6.0 * (p.crater_fill_energy - 1.0) * f
        if step is Step.PLACEMENT:
            self._placement = min(t / p.placement_s, 1.0)
        gas = step in (Step.PRE_FLOW, Step.START, Step.WELD, Step.CRATER, Step.STOP) or (
            step is Step.COOL and t < p.post_flow_s
        )
        return Demand(
            step=step, weld=self.weld, x_m=x, y_m=y, lift_m=z, moving=moving, source_on=on, gas_open=gas, feed=feed,
            voltage_offset_v=voltage, energy=energy, travel=travel, adjusting=adjusting, placement=self._placement,
            arc_s=arc_s,
        )  # fmt: skip

    def setpoints(self, demand: Demand, deltas: Setpoints) -> Setpoints:
        """Programmed values of this moment plus slewed advisory deltas."""
        p = self._process
        return Setpoints(
            voltage_v=max(p.voltage_v + demand.voltage_offset_v + deltas.voltage_v, 0.0),
            wire_feed_speed_m_s=max((p.wire_feed_speed_m_s + deltas.wire_feed_speed_m_s) * demand.energy, 0.0),
            travel_speed_m_s=max((p.travel_speed_m_s + deltas.travel_speed_m_s) * demand.travel, 0.0),
            stick_out_m=max(p.stick_out_m + deltas.stick_out_m, least_tip_m(p)),
            gas_flow_l_min=p.gas_flow_l_min,
            power_w=max((p.laser_power_w + deltas.power_w) * demand.energy, 0.0),
            axial_force_n=max((p.axial_force_n + deltas.axial_force_n) * demand.energy, 0.0),
            spindle_speed_hz=p.spindle_speed_hz,
        )
