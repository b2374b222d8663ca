"""The hidden process: robot, gas, heat source, parts and what goes wrong with them, in control steps of 10 ms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from msstan_core.simulation.disturbances import Faults, FaultSchedule
from msstan_core.simulation.energy import STEP_S, EnergySource, Setpoints, SourceInputs, Waveform
from msstan_core.simulation.heat import KELVIN, HeatField
from msstan_core.simulation.imperfections import WeldConditions, WeldQuality
from msstan_core.simulation.labels import ActionTrack
from msstan_core.simulation.parameter_changes import ParameterChanges
from msstan_core.simulation.procedure import Demand, RobotProgramme, Step, least_tip_m
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.seam_gap import SeamGap
from msstan_core.simulation.sources import make_source, steady_reference
from msstan_core.simulation.spatter import SpatterThrower
from msstan_core.simulation.state import CellState

#: Time constants of robot, wire feeder and gas, s.
ROBOT_LAG_S, FEEDER_LAG_S, GAS_LAG_S, COVER_LAG_S = 0.08, 0.06, 0.25, 0.15
#: Gas flow that shields a pool fully, l/min.
COVERING_FLOW_L_MIN = 9.0
#: Fume gathers and clears with this time constant, s.
FUME_LAG_S = 1.2
#: Standard deviation of a short arc's heat on the work, m: flux falls to 5 % at 4 mm (J. Goldak, A. Chakravarti,
#: M. Bibby, Metallurgical Transactions B 15 (1984) 299-305, whose exp(-3 r^2 / c^2) has c = 4 mm then).
ARC_RADIUS_M = 0.0016
#: A beam is narrower than a cell of the temperature field; the rim of the keyhole spreads it, m.
LASER_RADIUS_M = 0.0006
#: Imperfections look at means over about this time, s.
MEAN_S = 0.1


class WeldProcess:
    """Advances the state that all sensors look at.

    Args:
        scenario: what happens.
        length_m: from the start of the first seam to the end of the last.
        arc, path, quality, spatter: generators of the source, the torch's wander, chance in imperfections, and spatter.
    """

    def __init__(
        self, scenario: Scenario, length_m: float, arc: np.random.Generator, path: np.random.Generator,
        quality: np.random.Generator, spatter: np.random.Generator,
    ) -> None:  # fmt: skip
        self._scenario = scenario
        joint, procedure = scenario.joint, scenario.procedure
        self._source: EnergySource = make_source(scenario, arc)
        self.heat = HeatField(
            joint.materials, (joint.thickness_a_m, joint.thickness_b_m), length_m, joint.ambient_c, joint.preheat_c
        )
        self.programme = RobotProgramme(scenario)
        self.changes = ParameterChanges(scenario.process, self._source)
        self._faults = FaultSchedule(scenario.disturbances)
        self._seam_gap = SeamGap(scenario)
        self._thin_m = min(joint.thickness_a_m, joint.thickness_b_m)
        self._wire_m2 = math.pi / 4 * scenario.process.wire_diameter_m**2
        self.quality = WeldQuality(scenario, steady_reference(scenario), quality)
        self.actions = ActionTrack()
        self._path_random = path
        fine = 0.0 if scenario.process.kind == "fsw" else scenario.noise.spatter
        self._spatter = SpatterThrower(fine, spatter)
        self._steps = 0
        self._wander = np.zeros(2)
        self._current_mean = 0.0
        self._voltage_mean = 0.0
        self._power_mean = 0.0
        self.state = CellState(placement=0.0 if procedure.placement_s > 0 else 1.0)

    @property
    def time_s(self) -> float:
        """Cell time, s."""
        return self._steps * STEP_S

    def step(self) -> Waveform:
        """One control step; returns what the source did in it."""
        state, scenario = self.state, self._scenario
        demand = self.programme.advance(state.travel_m_s, state.burning)
        if self.changes.gas_was_checked(self.time_s):
            self._faults.restore_gas(demand.weld, demand.arc_s)
        faults = self._faults.at(demand.weld, demand.arc_s)
        changing = self.changes.advance()
        setpoints = self.programme.setpoints(demand, self.changes.now)
        state.setpoints = setpoints
        self._move(demand, faults, setpoints)
        self._gas(demand, faults)
        wire = 1.0 if scenario.process.kind == "gmaw" else 0.0
        feed_target = wire * setpoints.wire_feed_speed_m_s * demand.feed * faults.wire_feed_factor
        state.wire_feed_m_s += (feed_target - state.wire_feed_m_s) * min(STEP_S / FEEDER_LAG_S, 1.0)
        inputs = self._source_inputs(demand, faults, setpoints)
        waveform = self._source.step(inputs)
        self._absorb(waveform, inputs)
        self._steps += 1
        state.time_s = self.time_s
        if state.burning:
            state.last_arc_s = state.time_s
        self._assess(demand, inputs)
        adjusting = demand.adjusting or (changing and demand.step is Step.WELD)
        on = state.current_a > 20.0 if scenario.process.kind == "gmaw" else state.burning
        level = state.current_a if scenario.process.kind == "gmaw" else state.power_w
        self.actions.add(state.time_s, demand.step, demand.weld, level, on, adjusting, demand.moving)
        return waveform

    def _move(self, demand: Demand, faults: Faults, setpoints: Setpoints) -> None:
        state, process = self.state, self._scenario.process
        state.step, state.weld, state.placement = demand.step, demand.weld, demand.placement
        travel = setpoints.travel_speed_m_s * faults.travel_factor if demand.step in (Step.WELD, Step.CRATER) else 0.0
        state.travel_m_s += (travel - state.travel_m_s) * min(STEP_S / ROBOT_LAG_S, 1.0)
        self._wander += -0.6 * STEP_S * self._wander + math.sqrt(
            STEP_S
        ) * self._scenario.noise.path_m * self._path_random.standard_normal(2)
        weave = 0.0
        if demand.step in (Step.WELD, Step.CRATER) and process.weave_amplitude_m > 0:
            weave = process.weave_amplitude_m * math.sin(
                2 * math.pi * process.weave_frequency_hz * max(demand.arc_s, 0.0)
            )
        state.weave_m = weave
        state.torch_x_m = demand.x_m
        state.torch_y_m = demand.y_m + float(self._wander[0]) + weave + faults.aim_offset
        state.torch_lift_m = demand.lift_m
        tip = setpoints.stick_out_m + faults.stick_out_offset + 0.5 * float(self._wander[1])
        state.tip_m = max(tip, least_tip_m(process))
        # the arc's foot is deflected the farther the longer the arc
        blow = faults.magnetic_blow * (0.6 + 0.4 * math.sin(7.0 * self.time_s)) * 1.2 * (state.gap_m + 0.001)
        state.arc_x_m = state.torch_x_m + 0.5 * blow
        state.arc_y_m = state.torch_y_m + blow + faults.stray_strike

    def _gas(self, demand: Demand, faults: Faults) -> None:
        state = self.state
        programmed = self._scenario.process.gas_flow_l_min if demand.gas_open else 0.0
        # half of a lost cover is seen as lost flow (hose, valve), half is a draught the flow meter does not see
        flow = programmed * (1.0 - 0.5 * faults.gas_loss)
        state.gas_flow_l_min += (flow - state.gas_flow_l_min) * min(STEP_S / GAS_LAG_S, 1.0)
        cover = min(state.gas_flow_l_min / COVERING_FLOW_L_MIN, 1.0) * (1.0 - faults.gas_loss)
        if self._scenario.process.kind == "fsw":
            cover = 1.0
        state.gas_cover += (cover - state.gas_cover) * min(STEP_S / COVER_LAG_S, 1.0)

    def _source_inputs(self, demand: Demand, faults: Faults, setpoints: Setpoints) -> SourceInputs:
        state = self.state
        realised = replace(setpoints, voltage_v=max(setpoints.voltage_v + faults.voltage_offset, 8.0))
        surface, softness = 0.0, 0.0
        realised.travel_speed_m_s = max(state.travel_m_s, 1e-4)
        if self._scenario.process.kind == "fsw":
            row, column = self.heat.index(state.arc_x_m, state.arc_y_m)
            around = self.heat.surface_c[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
            softness = (float(around.max()) + KELVIN) / (float(self.heat.melting_c.min()) + KELVIN)
        elif state.burning or demand.source_on:
            row, column = self.heat.index(state.arc_x_m, state.arc_y_m)
            surface = -0.3 * float(self.heat.bead_m[row, column]) + self._seam_gap.sag_m(state.arc_x_m)
            if self.quality.hole_below(state.arc_x_m, state.arc_y_m):
                surface = float(self.heat.thickness_m[row, 0]) + 0.004
        length, _ = self.heat.pool_extent(state.arc_x_m, state.arc_y_m)
        # the focus moves with the head
        raised = setpoints.stick_out_m + faults.stick_out_offset - self._scenario.process.stick_out_m
        return SourceInputs(
            on=demand.source_on,
            set=realised,
            wire_feed_m_s=state.wire_feed_m_s,
            tip_distance_m=state.tip_m + surface,
            gas_cover=state.gas_cover,
            blow=faults.magnetic_blow,
            focus_offset_m=faults.focus_offset + raised,
            wear=faults.tool_wear,
            softness=softness,
            pool_size=max(length / 0.01, 0.3),
        )

    def _absorb(self, waveform: Waveform, inputs: SourceInputs) -> None:
        """Heat, filler, light, spatter and fume of this control step."""
        state = self.state
        state.waveform = waveform
        state.burning = waveform.burning
        state.current_a = float(waveform.current_a.mean())
        state.voltage_v = float(waveform.voltage_v.mean())
        state.power_w = float(waveform.power_w.mean())
        state.gap_m, state.stick_out_m, state.droplet_m = waveform.gap_m, waveform.stick_out_m, waveform.droplet_m
        state.light.append(waveform.light_w)
        power = state.power_w * self._source.efficiency
        # a gap lets the source deeper in
        depth = self._source.heat_depth_m(inputs) + 0.5 * self._seam_gap.width_m(state.arc_x_m)
        self.heat.advance(STEP_S, state.arc_x_m, state.arc_y_m, power, self._source_radius(state), depth)
        if self._scenario.process.kind == "fsw" and state.burning:
            self.heat.stir(state.arc_x_m, state.arc_y_m, self._scenario.process.shoulder_radius_m)
        if waveform.transfer_m3 > 0:
            section = state.wire_feed_m_s * self._wire_m2 / max(state.travel_m_s, 1e-4)
            standing = 1.0 - self._seam_gap.fill(state.arc_x_m, self._thin_m, section)
            self.heat.deposit(standing * waveform.transfer_m3, state.arc_x_m - 0.001, state.arc_y_m, 0.0026)
        self._spatter.throw(waveform, state)
        smokes = 0.0 if self._scenario.process.kind == "fsw" else state.power_w / 5000.0
        fume = smokes * (1.0 + 1.5 * (1.0 - state.gas_cover))
        state.fume += (fume - state.fume) * STEP_S / FUME_LAG_S

    def _source_radius(self, state: CellState) -> float:
        """Standard deviation of the heat on the surface, m."""
        process = self._scenario.process
        if process.kind == "laser":
            return max(process.spot_radius_m, LASER_RADIUS_M)
        if process.kind == "fsw":
            return 0.6 * process.shoulder_radius_m
        return ARC_RADIUS_M + 0.3 * state.gap_m

    def _assess(self, demand: Demand, inputs: SourceInputs) -> None:
        state = self.state
        self._current_mean += (state.current_a - self._current_mean) * STEP_S / MEAN_S
        self._voltage_mean += (state.voltage_v - self._voltage_mean) * STEP_S / MEAN_S
        self._power_mean += (state.power_w - self._power_mean) * STEP_S / MEAN_S
        conditions = WeldConditions(
            time_s=state.time_s,
            burning=state.burning,
            steady=state.step is Step.WELD,
            current_a=self._current_mean,
            voltage_v=self._voltage_mean,
            power_w=self._power_mean,
            travel_m_s=state.travel_m_s,
            wire_feed_m_s=state.wire_feed_m_s,
            energy=demand.energy,
            travel=max(demand.travel, 0.1),
            gas_cover=state.gas_cover,
            arc_x_m=state.arc_x_m,
            arc_y_m=state.arc_y_m,
            weave_m=state.weave_m,
            gap_m=self._seam_gap.width_m(state.arc_x_m),
            spatter_rate=self._spatter.rate,
            depth_ratio=self._source.depth_ratio(inputs),
            undercut_ratio=math.nan if self._scenario.process.kind == "gmaw" else 1.0,
        )
        self.quality.advance(conditions, self.heat)
