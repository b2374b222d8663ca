"""One weld with the loop closed, in one process, as fast as the machine allows: cell, recogniser, rules, gate, robot.

The parts are those of the live system; only the transport is replaced, by a fixed latency. Two welds of equal scenario,
recogniser and latency are equal.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from msstan_core.advisory.advice import Advice, as_transmitted
from msstan_core.advisory.advisor import Advisor
from msstan_core.advisory.gate import AdvisoryGate, GateSettings
from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.parameters import Values
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.wps import Wps
from msstan_core.closed_loop.cell_robot import CellRobot
from msstan_core.closed_loop.recognisers import Recogniser
from msstan_core.decision.result import EventPhase
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation import Scenario, WeldCell
from msstan_core.simulation.procedure import Step
from msstan_core.simulation.watching import START_NS, with_sensors

#: Cycle of gate and robot, s (the live gate's).
CYCLE_S = 0.02
#: Heartbeats of the monitor, s.
BEAT_S = 0.1
#: From a tick's stamp to its advice at the gate, s: what a live monitor on two cores takes, and the transport.
LATENCY_S = 0.1
_SESSION = "monitor"


@dataclass(slots=True)
class Interference:
    """What a test may do to the loop; times in s from the beginning of the weld."""

    beats: Callable[[float], bool] = lambda _: True  #: the monitor's heartbeat gets out
    advises: Callable[[float, Advice], list[Advice]] = lambda _, advice: [advice]  #: what becomes of an advice
    gate_lives: Callable[[float], bool] = lambda _: True
    clock_set_s: Callable[[float], float] = lambda _: 0.0  #: by how much the stamps' clock has been set by then


@dataclass(frozen=True, slots=True)
class Cycle:
    """One control cycle of gate and robot."""

    time_s: float
    gated: Values  #: deltas that the gate passed
    applied: Values  #: deltas that the robot added
    state: GateState
    cause_event_id: int
    cause_iso_code: int
    welding: bool
    check_gas: bool


@dataclass(slots=True)
class WeldRecord:
    """What happened in one weld."""

    wps: Wps
    seam_m: float
    latency_s: float
    cycles: list[Cycle] = field(default_factory=list)
    suspected: list[tuple[float, int, int]] = field(
        default_factory=list
    )  #: (stamp in s, event id, ISO code) of each onset
    annotations: list[Annotation] = field(default_factory=list)  #: the truth
    refused: dict[str, int] = field(default_factory=dict)


def weld(
    scenario: Scenario,
    wps: Wps,
    recogniser: Recogniser | None,
    *,
    latency_s: float = LATENCY_S,
    settings: GateSettings | None = None,
    interference: Interference | None = None,
) -> WeldRecord:
    """Weld one part.

    Args:
        scenario: is simulated with the sensors that the recogniser looks at.
        wps: in force for monitor and gate.
        recogniser: None: nobody looks, the programme alone is welded.
        latency_s: from a tick's stamp to its advice at the gate.
        settings: of the gate.
        interference: what goes wrong in the loop itself.
    """
    cell = WeldCell(with_sensors(scenario, recogniser.sensors if recogniser is not None else ()), START_NS)
    advisor, gate, robot = Advisor(), AdvisoryGate(settings, simulated_time=True), CellRobot(cell)
    disturb = interference or Interference()
    gate.set_procedure(wps)
    record = WeldRecord(wps, scenario.joint.seam_length_m * scenario.procedure.welds, latency_s)
    on_the_way: deque[tuple[float, Advice]] = deque()
    next_beat_s, beats, advices, gated_count = 0.0, 0, 0, 0
    while not cell.finished:
        samples = list(cell.advance(cell.time_s + CYCLE_S))
        now_s = cell.time_s
        moment = Moment(START_NS + _ns(now_s + disturb.clock_set_s(now_s)), now_s)
        if recogniser is not None:
            for answer in recogniser.answers(samples, cell):
                tick_s = (answer.stamp_ns - START_NS) / NANOSECONDS_PER_SECOND
                record.suspected += [
                    (tick_s, e.event_id, e.iso_code) for e in answer.events if e.phase is EventPhase.ONSET
                ]
                advice = advisor.update(answer.stamp_ns, answer.action, answer.events, answer.telemetry, wps)
                if advice is not None:
                    advice = dataclasses.replace(advice, session_id=_SESSION, sequence_id=advices)
                    advices += 1
                    on_the_way.append((tick_s + latency_s, as_transmitted(advice)))
            if now_s >= next_beat_s:
                next_beat_s += BEAT_S
                if disturb.beats(now_s):
                    gate.heartbeat(Heartbeat(moment.now_ns, _SESSION, beats, 0, True), moment)
                    beats += 1
        while on_the_way and on_the_way[0][0] <= now_s:
            for arrived in disturb.advises(now_s, on_the_way.popleft()[1]):
                gate.receive(arrived, moment)
        output = gate.step(moment)
        if disturb.gate_lives(now_s):
            robot.take(as_transmitted(output.as_advice("gate", gated_count)), moment)
            gated_count += 1
        record.cycles.append(
            Cycle(
                time_s=now_s,
                gated=output.deltas,
                applied=robot.move(moment),
                state=output.state,
                cause_event_id=output.cause_event_id,
                cause_iso_code=output.cause_iso_code,
                welding=cell.state.step is Step.WELD,
                check_gas=output.check_gas,
            )
        )
    record.annotations = cell.annotations
    record.refused = {refusal.name.lower(): count for refusal, count in gate.refused.items()}
    return record


def _ns(seconds: float) -> int:
    return round(seconds * NANOSECONDS_PER_SECOND)
