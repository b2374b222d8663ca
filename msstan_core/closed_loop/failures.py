"""What may fail between monitor and robot, and within which time the programmed setpoints must be back.

docs/robot_interface.md states the same bounds; each is the time until the failure is noticed, and the way back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.advisor import AdvisorConfig
from msstan_core.advisory.follower import LONGEST_SILENCE_S
from msstan_core.advisory.gate import GateSettings
from msstan_core.advisory.process_time import STALL_S
from msstan_core.closed_loop.line import ADVICE_S, BEAT_S, Line

_SETTINGS = GateSettings()
_HEARTBEAT_S, _VALIDITY_S = _SETTINGS.heartbeat_timeout_s, AdvisorConfig().validity_s
#: Violations of the usual rhythm until the gate latches, s.
_LATCH_S = _SETTINGS.violations_to_latch * ADVICE_S
#: Messages under way and cycles that have just begun, s.
SLACK_S = 0.15

Begin = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that fails.

    Args:
        name: of the failure, for result files. words: for people.
        begin: makes it happen to a line; it lasts until the line's conditions are replaced.
        noticed_s: after this time at the latest nothing is advised any more, by the clock on the wall.
        noticed_weld_s: and this by the time at the weld, which differs in a simulation that is not real time.
        heals: what was advised is void, but fresh advice may follow at once: no return is demanded.
        simulated: only where time is simulated (True) or not (False).
    """

    name: str
    words: str
    begin: Begin
    noticed_s: float = 0.0
    noticed_weld_s: float = 0.0
    heals: bool = False
    simulated: bool | None = None

    def bound_s(self, line: Line) -> float:
        """The programmed setpoints are back after this time, by the clock on the wall."""
        slowest = 1.0 if self.name == "time_stands_still" else min(line.pace, 1.0)
        return self.noticed_s + (self.noticed_weld_s + line.envelope.return_time_s) / slowest + SLACK_S


def _with(**conditions: object) -> Begin:
    def begin(line: Line) -> None:
        for name, value in conditions.items():
            setattr(line.conditions, name, value)

    return begin


def _twisted(change: Callable[[Line, Advice], list[Advice]]) -> Begin:
    def begin(line: Line) -> None:
        line.conditions.twist = lambda advice: change(line, advice)

    return begin


def _each(**fields: object) -> Begin:
    return _twisted(lambda _, advice: [dataclasses.replace(advice, **fields)])  # type: ignore[arg-type]


def _impossible(line: Line, advice: Advice) -> list[Advice]:
    """Something in it can be in no sound message."""
    lies: list[dict[str, object]] = [
        {"deltas": (math.nan, math.inf, -math.inf, math.inf, math.nan)},
        {"cause_iso_code": 4711},
        {"minimum": (0.0,) * 5, "maximum": (1e6,) * 5},
        {"max_rate": (1e6,) * 5},
        {"confidence": 3.0},
        {"valid_until_ns": advice.stamp_ns + 10**12},
        {"deltas": (50.0, 0.0, 0.0, 0.0, 0.0)},
    ]
    return [dataclasses.replace(advice, **lies[int(line.draw.integers(len(lies)))])]  # type: ignore[arg-type]


def _greedy(line: Line, advice: Advice) -> list[Advice]:
    """All the room and half of it again, in directions that change."""
    deltas = tuple(
        math.nan if math.isnan(d) else float(line.draw.choice([1.5 * high, 1.5 * low]))
        for d, low, high in zip(advice.deltas, line.envelope.low, line.envelope.high, strict=True)
    )
    return [dataclasses.replace(advice, deltas=deltas)]  # type: ignore[arg-type]


def _old(line: Line, _: Advice) -> list[Advice]:
    """Somebody plays back what was said before."""
    return [line.sent[int(line.draw.integers(len(line.sent)))] for _ in range(2)]


def _old_restamped(line: Line, advice: Advice) -> list[Advice]:
    fresh = {"stamp_ns": advice.stamp_ns, "valid_until_ns": advice.valid_until_ns}
    return [dataclasses.replace(old, **fresh) for old in _old(line, advice)]  # type: ignore[arg-type]


def _replayed(line: Line) -> None:
    line.conditions.beats = False
    _twisted(_old)(line)


def _late(line: Line) -> None:
    line.conditions.monitor_late_s = float(line.draw.uniform(1.0, 3.0))


def _monitor_restarts(line: Line) -> None:
    line.session = f"monitor {line.time_s:.2f}"


def _clock_set(seconds: Callable[[Line], float]) -> Begin:
    return lambda line: line.set_clock(seconds(line))


def _gate_clock_set(sign: int) -> Begin:
    def begin(line: Line) -> None:
        line.conditions.gate_clock_set_s = sign * float(10.0 ** line.draw.uniform(0.3, 5.0))

    return begin


def _far(sign: int) -> Callable[[Line], float]:
    return lambda line: sign * float(10.0 ** line.draw.uniform(0.3, 5.0))


FAILURES: tuple[Failure, ...] = (
    Failure("monitor_killed", "monitor killed", _with(beats=False, advises=False), noticed_s=_HEARTBEAT_S),
    Failure("heartbeat_lost", "heartbeat lost, advice goes on", _with(beats=False), noticed_s=_HEARTBEAT_S),
    Failure("inference_frozen", "inference frozen", _with(advises=False), noticed_weld_s=_VALIDITY_S),
    Failure("monitor_unwell", "monitor says STALE", _with(usable=False), noticed_s=BEAT_S),
    Failure("monitor_late", "monitor late by 1 to 3 s", _late, noticed_s=_HEARTBEAT_S, noticed_weld_s=_VALIDITY_S),
    Failure("lies", "messages that are impossible", _twisted(_impossible), noticed_weld_s=_VALIDITY_S),
    Failure("greedy", "asks for more than the procedure", _twisted(_greedy), noticed_s=_LATCH_S),
    Failure("confidence_nan", "no confidence stated (NaN)", _each(confidence=math.nan), noticed_weld_s=_VALIDITY_S),
    Failure("deltas_nan", "no deltas (NaN)", _each(deltas=(math.nan,) * 5), noticed_s=ADVICE_S),
    Failure("replayed", "old messages played back", _replayed, noticed_s=_HEARTBEAT_S),
    Failure("replayed_restamped", "old messages with new stamps", _twisted(_old_restamped), noticed_weld_s=_VALIDITY_S),
    Failure("foreign_session", "advice of another session", _each(session_id="stranger"), noticed_weld_s=_VALIDITY_S),
    Failure("foreign_revision", "advice of another model", _each(model_revision=7), noticed_weld_s=_VALIDITY_S),
    Failure("gate_killed", "gate killed or frozen", _with(gate_runs=False), noticed_weld_s=LONGEST_SILENCE_S),
    Failure("gate_unheard", "gate cut off from the robot", _with(gate_heard=False), noticed_weld_s=LONGEST_SILENCE_S),
    Failure("gate_clock_ahead", "the gate's clock jumps forward", _gate_clock_set(+1)),
    Failure("gate_clock_behind", "the gate's clock jumps back", _gate_clock_set(-1)),
    Failure("clock_ahead", "everybody's clock jumps forward", _clock_set(_far(+1)), heals=True),
    Failure("clock_behind", "everybody's clock jumps back", _clock_set(_far(-1)), heals=True),
    Failure("monitor_restarts", "monitor restarts", _monitor_restarts, heals=True),
    Failure("time_stands_still", "simulated time stands still", _with(time_stands_still=True), STALL_S, simulated=True),
    Failure("procedure_withdrawn", "procedure withdrawn", _with(procedure=False)),
)
