"""Monitor, gate and robot as they are joined live, without the weld: three programmes with clocks and messages of their
own, in each of which anything may fail. In one process, ten milliseconds at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from msstan_core.advisory.advice import Advice, as_transmitted
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.follower import AdvisoryFollower
from msstan_core.advisory.gate import AdvisoryGate
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Values, values
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.wps import Wps
from msstan_core.closed_loop.judge import ROUNDING, excess, rate_excess
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.simulation.watching import START_NS

#: Step of the line, s.
STEP_S = 0.01
#: Time between two heartbeats, two advices, two outputs of the gate and two cycles of the robot, s.
BEAT_S, ADVICE_S, GATE_S, ROBOT_S = 0.1, 0.1, 0.02, 0.01
#: A message is under way for this long, s, or twice that.
TRANSPORT_S = 0.02


@dataclass(slots=True)
class Conditions:
    """What works at present, and what is done to the messages."""

    beats: bool = True  #: the monitor's heartbeat gets out
    advises: bool = True
    usable: bool = True  #: the monitor says that it can be relied on
    monitor_late_s: float = 0.0  #: everything of the monitor is held up for this long
    twist: Callable[[Advice], list[Advice]] = lambda advice: [advice]
    gate_runs: bool = True
    gate_heard: bool = True  #: the gate's output reaches the robot
    procedure: bool = True  #: the welding procedure is in force
    gate_clock_set_s: float = 0.0  #: the gate's clock is off by this much
    time_stands_still: bool = False  #: simulated time does


@dataclass(slots=True)
class Judgement:
    """What was seen of the setpoints."""

    largest_violation: float = 0.0  #: at the gate's output or at the robot, share of the programmed value
    naive_violation: float = 0.0  #: the same of a robot that adds what the monitor says
    violated: int = 0  #: outputs and cycles outside
    last_applied_s: float = 0.0  #: when anything but the programme was last applied
    last_naive_s: float = 0.0


@dataclass(order=True, slots=True)
class _Parcel:
    due_s: float
    number: int
    content: Advice | Heartbeat = field(compare=False)


class Line:
    """One line; ``run`` lets time pass.

    Args:
        wps: in force.
        draw: decides what the monitor asks for and how long messages are under way.
        simulated: stamps are simulated time. pace: of simulated time.
    """

    def __init__(self, wps: Wps, draw: np.random.Generator, *, simulated: bool, pace: float = 1.0) -> None:
        self.wps, self.envelope, self.draw = wps, Envelope(wps), draw
        self.simulated, self.pace = simulated, pace if simulated else 1.0
        self.conditions = Conditions()
        self.seen = Judgement()
        self.time_s = 0.0
        self.sent: list[Advice] = []  #: of the monitor; what a replay has to choose from
        self.session, self._advices, self._beats = "monitor", 0, 0
        self._stamp_s, self._jumped_s = 0.0, 0.0
        self._to_gate: list[_Parcel] = []
        self._to_robot: list[_Parcel] = []
        self._parcels = 0
        self._next = {"beat": 0.0, "advice": 0.0, "gate": 0.0, "robot": 0.0, "wish": 0.0}
        self._wish: Values = ZERO
        self._naive: Values = ZERO
        self.start_gate()
        self._robot = AdvisoryFollower(simulated_time=simulated)
        section = [wps.range_of(p) for p in PARAMETERS]
        self._programmed = values(
            s.nominal if s and wps.adjusts(p) else float("nan") for p, s in zip(PARAMETERS, section, strict=True)
        )
        self._gated, self._gated_at, self._applied_at = ZERO, self._clocks(), self._clocks()

    @property
    def applied(self) -> Values:
        """Deltas that the robot adds now."""
        return self._robot.deltas

    @property
    def latched(self) -> bool:
        """The gate is."""
        return bool(self._gate.latched)

    def start_gate(self) -> None:
        """A gate that knows nothing of the one before."""
        self._gate = AdvisoryGate(simulated_time=self.simulated)
        self._gate_session, self._outputs = f"gate {self.time_s:.2f}", 0
        self._gated = ZERO
        self._gate.set_procedure(self.wps if self.conditions.procedure else None)

    def reset_gate(self) -> None:
        """Somebody looked, and opened it again."""
        self._gate.reset()

    def set_clock(self, seconds: float) -> None:
        """Everybody's clock is set: the machine's, or simulated time."""
        self._jumped_s += seconds

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / STEP_S)):
            self._step()

    # -- one step -------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        self.time_s += STEP_S
        if not (self.simulated and self.conditions.time_stands_still):
            self._stamp_s += STEP_S * self.pace
        if self._due("wish", float(self.draw.uniform(0.5, 2.0))):
            self._wish = self._wished()
        self._monitor()
        if self.conditions.gate_runs:
            self._run_gate()
        if self._due("robot", ROBOT_S):
            self._run_robot()

    def _due(self, name: str, period_s: float) -> bool:
        if self.time_s + 1e-9 < self._next[name]:
            return False
        self._next[name] = self.time_s + period_s
        return True

    def _moment(self, off_s: float = 0.0) -> Moment:
        stamp_s = self._stamp_s + self._jumped_s + off_s
        return Moment(START_NS + round(stamp_s * NANOSECONDS_PER_SECOND), self.time_s)

    def _clocks(self) -> tuple[float, float]:
        return self.time_s, self._stamp_s

    def _elapsed_s(self, since: tuple[float, float]) -> float:
        """No more time can have passed at the weld."""
        return max(self.time_s - since[0], self._stamp_s - since[1])

    def _wished(self) -> Values:
        """What the monitor asks for next: somewhere in the procedure, as often as not at its edge."""
        wish = []
        for p in PARAMETERS:
            share = float(self.draw.choice([self.draw.uniform(-1.0, 1.0), -1.0, 1.0]))
            wish.append(share * (self.envelope.high[p] if share > 0 else -self.envelope.low[p]))
        return self.envelope.clamp(values(wish))

    def _monitor(self) -> None:
        now, c = self._moment(), self.conditions
        if self._due("beat", BEAT_S):
            if c.beats:
                beat = Heartbeat(now.now_ns, self.session, self._beats, 1, c.usable, "" if c.usable else "STALE")
                self._post(self._to_gate, beat, c.monitor_late_s)
            self._beats += 1
        if self._due("advice", ADVICE_S) and c.advises:
            for advice in c.twist(self._advice(now.now_ns)):
                self._naive = values(0.0 if d != d else d for d in advice.deltas)
                self._post(self._to_gate, as_transmitted(advice), c.monitor_late_s)

    def _advice(self, now_ns: int) -> Advice:
        stated = self.envelope.stated(self._wish)
        advice = Advice(
            stamp_ns=now_ns - 40_000_000,
            valid_until_ns=now_ns + 560_000_000,
            session_id=self.session,
            sequence_id=self._advices,
            model_revision=1,
            cause_event_id=1,
            cause_iso_code=402,
            confidence=0.9,
            deltas=stated.deltas,
            minimum=stated.minimum,
            maximum=stated.maximum,
            max_rate=stated.max_rate,
        )
        self._advices += 1
        self.sent.append(advice)
        return advice

    def _post(self, box: list[_Parcel], content: Advice | Heartbeat, late_s: float = 0.0) -> None:
        self._parcels += 1
        under_way_s = TRANSPORT_S * float(self.draw.uniform(0.0, 2.0)) + late_s
        heapq.heappush(box, _Parcel(self.time_s + under_way_s, self._parcels, content))

    def _arrived(self, box: list[_Parcel]) -> list[Advice | Heartbeat]:
        found = []
        while box and box[0].due_s <= self.time_s:
            found.append(heapq.heappop(box).content)
        return found

    def _run_gate(self) -> None:
        moment = self._moment(self.conditions.gate_clock_set_s)
        self._gate.set_procedure(self.wps if self.conditions.procedure else None, "withdrawn")
        for content in self._arrived(self._to_gate):
            if isinstance(content, Heartbeat):
                self._gate.heartbeat(content, moment)
            else:
                self._gate.receive(content, moment)
        if not self._due("gate", GATE_S):
            return
        output = self._gate.step(moment)
        self._judge(self._gated, output.deltas, self._elapsed_s(self._gated_at))
        self._gated, self._gated_at = output.deltas, self._clocks()
        if self.conditions.gate_heard:
            self._post(self._to_robot, as_transmitted(output.as_advice(self._gate_session, self._outputs)))
        self._outputs += 1

    def _run_robot(self) -> None:
        moment, before = self._moment(), self._robot.deltas
        for content in self._arrived(self._to_robot):
            assert isinstance(content, Advice)
            self._robot.take(content, moment)
        after = self._robot.follow(self._programmed, moment)
        self._judge(before, after, self._elapsed_s(self._applied_at))
        self._applied_at = self._clocks()
        self.seen.naive_violation = max(self.seen.naive_violation, excess(self.wps, self._naive))
        if after != ZERO:
            self.seen.last_applied_s = self.time_s
        if self._naive != ZERO:
            self.seen.last_naive_s = self.time_s

    def _judge(self, before: Values, after: Values, elapsed_s: float) -> None:
        found = max(excess(self.wps, after), rate_excess(self.wps, before, after, elapsed_s))
        self.seen.largest_violation = max(self.seen.largest_violation, found)
        self.seen.violated += found > ROUNDING
