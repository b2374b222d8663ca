"""The weld cell: runs the hidden process in control steps of 10 ms and lets the sensors look at it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk, CameraFrame, Sample, ThermalFrame, WeldContext
from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation.disturbances import Faults, FaultSchedule
from msstan_core.simulation.energy import SAMPLE_RATE_HZ, STEP_S, EnergySource, Setpoints, SourceInputs, Waveform
from msstan_core.simulation.gmaw import GmawArc
from msstan_core.simulation.heat import KELVIN, HeatField
from msstan_core.simulation.imperfections import WeldConditions, WeldQuality
from msstan_core.simulation.labels import ActionTrack
from msstan_core.simulation.microphone import Microphone
from msstan_core.simulation.procedure import STITCH_GAP_M, Demand, ParameterDeltas, RobotProgramme, Step
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.sources import make_source, steady_reference
from msstan_core.simulation.spatter import SpatterThrower
from msstan_core.simulation.state import CellState
from msstan_core.simulation.telemetry import WelderDisplay
from msstan_core.simulation.thermal_camera import ThermalCamera
from msstan_core.simulation.weld_camera import WeldCamera

#: Time constants of robot and wire feeder, s.
ROBOT_LAG_S, FEEDER_LAG_S, GAS_LAG_S, ADVISORY_LAG_S = 0.08, 0.06, 0.25, 0.3
#: Time until somebody has seen to the gas after being told, s.
GAS_CHECK_S = 2.0
CAMERA_FRAME_ID, THERMAL_FRAME_ID, MICROPHONE_FRAME_ID = "weld_camera", "thermal_camera", "microphone"


@dataclass(slots=True)
class _Clock:
    period_s: float
    next_s: float = 0.0


class WeldCell:
    """One simulated recording of a scenario. Equal scenario and seed give equal samples, bit for bit.

    Args:
        scenario: what happens.
        start_stamp_ns: stamp of cell time 0.
    """

    def __init__(self, scenario: Scenario, start_stamp_ns: int = 0) -> None:
        self.scenario = scenario
        self._start_ns = start_stamp_ns
        seeds = np.random.SeedSequence(scenario.seed).spawn(8)
        arc, path, quality, camera, thermal, sound, display, spatter = (np.random.default_rng(s) for s in seeds)
        joint, procedure = scenario.joint, scenario.procedure
        length = procedure.welds * joint.seam_length_m + (procedure.welds - 1) * STITCH_GAP_M
        self._source: EnergySource = make_source(scenario, arc)
        self._heat = HeatField(
            joint.materials, (joint.thickness_a_m, joint.thickness_b_m), length, joint.ambient_c, joint.preheat_c
        )
        self._programme = RobotProgramme(scenario)
        self._faults = FaultSchedule(scenario.disturbances)
        self._quality = WeldQuality(scenario, steady_reference(scenario), quality)
        self._actions = ActionTrack()
        self._camera = WeldCamera(scenario, length, camera) if scenario.camera.enabled else None
        self._thermal = ThermalCamera(scenario, length, thermal) if scenario.thermal.enabled else None
        self._microphone = Microphone(scenario, sound) if scenario.microphone.enabled else None
        self._display = WelderDisplay(scenario, display) if scenario.telemetry.enabled else None
        self._path_random = path
        fine = 0.0 if scenario.process.kind == "fsw" else scenario.noise.spatter
        self._spatter = SpatterThrower(fine, spatter)
        self._clocks = {
            "camera": _Clock(1.0 / scenario.camera.rate_hz, 0.004),
            "thermal": _Clock(1.0 / scenario.thermal.rate_hz, 0.007),
            "telemetry": _Clock(1.0 / scenario.telemetry.rate_hz, 0.001),
        }
        self._steps = 0
        self._chunks = 0
        self._deltas = ParameterDeltas()
        self._slewed = Setpoints(0.0, 0.0, 0.0, 0.0, 0.0)
        self._gas_checked_at = math.inf
        self._wander = np.zeros(2)
        self._last_foot = 0.0
        self._current_mean = 0.0
        self._voltage_mean = 0.0
        self._power_mean = 0.0
        self.state = CellState(placement=0.0 if procedure.placement_s > 0 else 1.0)

    # -- what a caller sees

    @property
    def time_s(self) -> float:
        """Cell time, s."""
        return self._steps * STEP_S

    @property
    def finished(self) -> bool:
        """The programme has come to its end; time can still go on."""
        return self._programme.finished

    @property
    def setpoints(self) -> Setpoints:
        """Values the source and the robot are asked for now, advisory included."""
        return replace(self.state.setpoints)

    @property
    def heat(self) -> HeatField:
        """Temperature of the parts."""
        return self._heat

    @property
    def quality(self) -> WeldQuality:
        """Indices of imperfections."""
        return self._quality

    @property
    def context(self) -> WeldContext:
        """What is welded."""
        joint, process = self.scenario.joint, self.scenario.process
        a, b = joint.materials
        return WeldContext(
            stamp_ns=self._start_ns,
            process=process.process,
            material_a=a,
            material_b=b,
            filler=joint.filler_kind,
            thickness_a_m=joint.thickness_a_m,
            thickness_b_m=joint.thickness_b_m,
            shielding_gas=process.shielding_gas,
            wps_id="",
            job_id=self.scenario.name,
        )

    @property
    def annotations(self) -> list[Annotation]:
        """Actions and imperfections from time 0 to now, by start."""
        return sorted(self._actions.spans() + self._quality.spans(), key=lambda a: (a.start_s, a.end_s))

    def apply(self, deltas: ParameterDeltas) -> None:
        """Set the advisory's deltas from the programmed values; they replace earlier ones and take effect with a lag.

        For a laser ``current_a`` has no meaning and is ignored; ``wire_feed_speed_m_s`` follows ``current_a`` for GMAW
        (a constant-voltage source sets the current by the wire feed).

        Raises:
            ValueError: a delta is not finite.
        """
        values = (
            deltas.current_a,
            deltas.voltage_v,
            deltas.wire_feed_speed_m_s,
            deltas.travel_speed_m_s,
            deltas.stick_out_m,
        )
        if not all(math.isfinite(v) for v in values):
            raise ValueError(f"parameter deltas must be finite numbers, got {deltas}")
        if deltas.check_gas and not self._deltas.check_gas:
            self._gas_checked_at = self.time_s + GAS_CHECK_S
        self._deltas = deltas

    def advance(self, until_s: float) -> Iterator[Sample]:
        """Run to cell time ``until_s`` and yield samples in the order in which they become available.

        That is stamp order, except that a sound chunk comes at its end and bears the stamp of its first sample.
        """
        if self._steps == 0:
            yield self.context
        while self.time_s + 0.5 * STEP_S < until_s:
            began = self.time_s
            waveform = self._step()
            yield from self._observe(began, waveform)

    # -- the process

    def _step(self) -> Waveform:
        state, scenario = self.state, self.scenario
        demand = self._programme.advance(state.travel_m_s, state.burning)
        if self.time_s >= self._gas_checked_at:
            self._faults.restore_gas(demand.weld, demand.arc_s)
            self._gas_checked_at = math.inf
        faults = self._faults.at(demand.weld, demand.arc_s)
        slewing = self._slew_advisory()
        setpoints = self._programme.setpoints(demand, self._slewed)
        state.setpoints = setpoints
        self._move(demand, faults, setpoints)
        self._gas(demand, faults)
        wire = 1.0 if scenario.process.kind == "gmaw" else 0.0
        feed_target = wire * setpoints.wire_feed_speed_m_s * demand.feed * faults.wire_feed_factor
        state.wire_feed_m_s += (feed_target - state.wire_feed_m_s) * min(STEP_S / FEEDER_LAG_S, 1.0)
        inputs = self._source_inputs(demand, faults, setpoints)
        waveform = self._source.step(inputs)
        self._absorb(waveform, faults, setpoints)
        self._steps += 1
        state.time_s = self.time_s
        if state.burning:
            state.last_arc_s = state.time_s
        self._assess(demand, faults, inputs)
        adjusting = demand.adjusting or (slewing and demand.step is Step.WELD)
        on = state.current_a > 20.0 if scenario.process.kind == "gmaw" else state.burning
        level = state.current_a if scenario.process.kind == "gmaw" else state.power_w
        self._actions.add(state.time_s, demand.step, demand.weld, level, on, adjusting, demand.moving)
        return waveform

    def _slew_advisory(self) -> bool:
        """Advance the deltas towards what was asked for; True while they change noticeably."""
        asked, now, share = self._deltas, self._slewed, min(STEP_S / ADVISORY_LAG_S, 1.0)
        process = self.scenario.process
        feed = asked.wire_feed_speed_m_s
        if asked.current_a and isinstance(self._source, GmawArc):
            nominal = self._source.current_for(process.wire_feed_speed_m_s, process.stick_out_m)
            feed += process.wire_feed_speed_m_s * asked.current_a / max(nominal, 20.0)
        changing = False
        for name, target, scale in (
            ("voltage_v", asked.voltage_v, process.voltage_v),
            ("wire_feed_speed_m_s", feed, max(process.wire_feed_speed_m_s, 0.01)),
            ("travel_speed_m_s", asked.travel_speed_m_s, process.travel_speed_m_s),
            ("stick_out_m", asked.stick_out_m, process.stick_out_m),
        ):
            value = getattr(now, name)
            changing = changing or abs(target - value) > 0.02 * scale
            setattr(now, name, value + (target - value) * share)
        return changing

    def _move(self, demand: Demand, faults: Faults, setpoints: Setpoints) -> None:
        state, process = self.state, self.scenario.process
        state.step, state.weld, state.placement = demand.step, demand.weld, demand.placement
        travel = setpoints.travel_speed_m_s * faults.travel_factor if demand.step in (Step.WELD, Step.CRATER) else 0.0
        state.travel_m_s += (travel - state.travel_m_s) * min(STEP_S / ROBOT_LAG_S, 1.0)
        self._wander += -0.6 * STEP_S * self._wander + math.sqrt(
            STEP_S
        ) * self.scenario.noise.path_m * self._path_random.standard_normal(2)
        weave = 0.0
        if demand.step in (Step.WELD, Step.CRATER) and process.weave_amplitude_m > 0:
            weave = process.weave_amplitude_m * math.sin(
                2 * math.pi * process.weave_frequency_hz * max(demand.arc_s, 0.0)
            )
        state.torch_x_m = demand.x_m
        state.torch_y_m = demand.y_m + float(self._wander[0]) + weave + faults.aim_offset
        state.torch_lift_m = demand.lift_m
        state.tip_m = max(setpoints.stick_out_m + faults.stick_out_offset + 0.5 * float(self._wander[1]), 0.004)
        blow = faults.magnetic_blow * 0.004 * (0.6 + 0.4 * math.sin(7.0 * self.time_s))
        state.arc_x_m = state.torch_x_m + 0.5 * blow
        state.arc_y_m = state.torch_y_m + blow + faults.stray_strike

    def _gas(self, demand: Demand, faults: Faults) -> None:
        state = self.state
        programmed = self.scenario.process.gas_flow_l_min if demand.gas_open else 0.0
        # half of a lost cover is seen as lost flow (hose, valve), half is a draught the flow meter does not see
        flow = programmed * (1.0 - 0.5 * faults.gas_loss)
        state.gas_flow_l_min += (flow - state.gas_flow_l_min) * min(STEP_S / GAS_LAG_S, 1.0)
        cover = min(state.gas_flow_l_min / 9.0, 1.0) * (1.0 - faults.gas_loss)
        if self.scenario.process.kind == "fsw":
            cover = 1.0
        state.gas_cover += (cover - state.gas_cover) * min(STEP_S / 0.15, 1.0)

    def _source_inputs(self, demand: Demand, faults: Faults, setpoints: Setpoints) -> SourceInputs:
        state = self.state
        realised = replace(setpoints, voltage_v=max(setpoints.voltage_v + faults.voltage_offset, 8.0))
        surface, softness = 0.0, 0.0
        realised.travel_speed_m_s = max(state.travel_m_s, 1e-4)
        if self.scenario.process.kind == "fsw":
            row, column = self._heat.index(state.arc_x_m, state.arc_y_m)
            around = self._heat.surface_c[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
            softness = (float(around.max()) + KELVIN) / (float(self._heat.melting_c.min()) + KELVIN)
        elif state.burning or demand.source_on:
            row, column = self._heat.index(state.arc_x_m, state.arc_y_m)
            surface = -0.3 * float(self._heat.bead_m[row, column])
            if self._quality.hole_below(state.arc_x_m, state.arc_y_m):
                surface = float(self._heat.thickness_m[row, 0]) + 0.004
        length, _ = self._heat.pool_extent(state.arc_x_m, state.arc_y_m)
        return SourceInputs(
            on=demand.source_on,
            set=realised,
            wire_feed_m_s=state.wire_feed_m_s,
            tip_distance_m=state.tip_m + surface,
            gas_cover=state.gas_cover,
            blow=faults.magnetic_blow,
            focus_offset_m=faults.focus_offset,
            wear=faults.tool_wear,
            softness=softness,
            pool_size=max(length / 0.01, 0.3),
        )

    def _absorb(self, waveform: Waveform, faults: Faults, setpoints: Setpoints) -> None:
        """Heat, filler, light, spatter and fume of this control step."""
        state = self.state
        state.waveform = waveform
        state.burning = waveform.burning
        state.current_a = float(waveform.current_a.mean())
        state.voltage_v = float(waveform.voltage_v.mean())
        state.power_w = float(waveform.power_w.mean())
        state.gap_m, state.stick_out_m, state.droplet_m = waveform.gap_m, waveform.stick_out_m, waveform.droplet_m
        state.light.append(waveform.light_w)
        radius = self._source_radius(state)
        share = 0.35 + min(faults.joint_gap / 0.004, 0.4)  # a gap lets the arc deeper in
        self._heat.advance(STEP_S, state.arc_x_m, state.arc_y_m, state.power_w * self._source.efficiency, radius, share)
        if waveform.transfer_m3 > 0:
            self._heat.deposit(waveform.transfer_m3, state.arc_x_m - 0.001, state.arc_y_m, 0.0026)
        self._spatter.throw(waveform, state)
        smokes = 0.0 if self.scenario.process.kind == "fsw" else state.power_w / 5000.0
        fume = smokes * (1.0 + 1.5 * (1.0 - state.gas_cover))
        state.fume += (fume - state.fume) * STEP_S / 1.2

    def _source_radius(self, state: CellState) -> float:
        """Standard deviation of the heat on the surface, m."""
        process = self.scenario.process
        if process.kind == "laser":
            return max(process.spot_radius_m, 0.0006)
        if process.kind == "fsw":
            return 0.6 * process.shoulder_radius_m
        return 0.0024 + 0.3 * state.gap_m

    def _assess(self, demand: Demand, faults: Faults, inputs: SourceInputs) -> None:
        state = self.state
        self._current_mean += (state.current_a - self._current_mean) * STEP_S / 0.1
        self._voltage_mean += (state.voltage_v - self._voltage_mean) * STEP_S / 0.1
        self._power_mean += (state.power_w - self._power_mean) * STEP_S / 0.1
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
            gap_m=self.scenario.joint.gap_m + faults.joint_gap,
            spatter_rate=self._spatter.rate,
            depth_ratio=self._source.depth_ratio(inputs),
            undercut_ratio=math.nan if self.scenario.process.kind == "gmaw" else 1.0,
        )
        self._quality.advance(conditions, self._heat)

    # -- the sensors

    def _observe(self, began_s: float, waveform: Waveform) -> Iterator[Sample]:
        state = self.state
        if self._display is not None:
            self._display.follow(state)
        due: list[tuple[float, str]] = []
        for name, clock in self._clocks.items():
            while clock.next_s < self.time_s:
                due.append((clock.next_s, name))
                clock.next_s += clock.period_s
        for when, name in sorted(due):
            stamp = self._stamp(when)
            if name == "camera" and self._camera is not None:
                image = self._camera.frame(state, self._heat, self._quality.marks)
                yield CameraFrame(stamp, image=image, frame_id=CAMERA_FRAME_ID)
            elif name == "thermal" and self._thermal is not None:
                yield ThermalFrame(stamp, self._thermal.frame(state, self._heat), THERMAL_FRAME_ID)
            elif name == "telemetry" and self._display is not None:
                yield self._display.sample(stamp, state)
        if self._microphone is not None:
            sound = self._microphone.listen(state, waveform, self._quality.ticks)
            if sound is not None:
                first = self._chunks * self.scenario.microphone.chunk_samples / SAMPLE_RATE_HZ
                self._chunks += 1
                yield AudioChunk(self._stamp(first), SAMPLE_RATE_HZ, sound, MICROPHONE_FRAME_ID)

    def _stamp(self, seconds: float) -> int:
        return self._start_ns + round(seconds * NANOSECONDS_PER_SECOND)


def simulate(scenario: Scenario, start_stamp_ns: int = 0) -> tuple[list[Sample], list[Annotation]]:
    """A whole recording at once: all samples and the annotations. For short scenarios; bags are written as they
    come.
    """
    cell = WeldCell(scenario, start_stamp_ns)
    samples: list[Sample] = []
    while not cell.finished:
        samples.extend(cell.advance(cell.time_s + 0.5))
    return samples, cell.annotations
