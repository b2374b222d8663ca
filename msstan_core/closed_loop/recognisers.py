"""Who sees what goes wrong: the monitor through its sensors, or an oracle that knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from msstan_core.alignment import TickAligner
from msstan_core.alignment_config import AlignmentConfig
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.observation import Sample, TelemetryWindow, Tick
from msstan_core.simulation import WeldCell
from msstan_core.simulation.procedure import Step
from msstan_core.vocabulary import IMPERFECTIONS, SENSORS, Action, Modality

#: An annotation that reaches this near to now still lasts, s.
_PRESENT_S = 0.015


@dataclass(frozen=True, slots=True)
class Answer:
    """What the advisor needs to know of one tick."""

    stamp_ns: int
    action: Action
    events: Sequence[AnomalyEvent]
    telemetry: TelemetryWindow | None


class Recogniser(Protocol):
    """Turns samples of a cell into answers."""

    #: Sensors that it looks at; the others need not be simulated.
    sensors: tuple[str, ...]

    def answers(self, samples: Sequence[Sample], cell: WeldCell) -> Iterator[Answer]:
        """Answers to the ticks that are due after these samples, in order."""
        ...


class MonitorRecogniser:
    """The monitor as it runs live, but for the transport.

    Args:
        monitor: is reset here; it must not be shared.
    """

    sensors: tuple[str, ...] = SENSORS

    def __init__(self, monitor: Monitor) -> None:
        monitor.reset()
        self._monitor = monitor
        self._aligner = TickAligner()

    def answers(self, samples: Sequence[Sample], cell: WeldCell) -> Iterator[Answer]:
        """One for every tick of the monitor's clock."""
        for sample in samples:
            self._aligner.push(sample)
            for tick in self._aligner.drain():
                decision = self._monitor.step(tick)
                yield Answer(decision.stamp_ns, decision.action, decision.events, _telemetry(tick))


class OracleRecogniser:
    """Knows the true imperfections of the cell as they form, and sees the welder's telemetry as the monitor does.

    What it reaches under the same rules and the same gate is what recognition at its best could reach.
    """

    sensors: tuple[str, ...] = ("telemetry",)

    def __init__(self) -> None:
        self._aligner = TickAligner(AlignmentConfig(clock="timer"))
        self._open: dict[int, int] = {}
        self._next_id = 1

    def answers(self, samples: Sequence[Sample], cell: WeldCell) -> Iterator[Answer]:
        """One for every tick of a 25 Hz timer."""
        for sample in samples:
            self._aligner.push(sample)
            for tick in self._aligner.drain():
                action = Action.MATERIAL_DEPOSITION if cell.state.step is Step.WELD else Action.IDLE
                yield Answer(tick.stamp_ns, action, self._events(cell, tick.stamp_ns), _telemetry(tick))

    def _events(self, cell: WeldCell, stamp_ns: int) -> list[AnomalyEvent]:
        present = {a.iso_code for a in cell.quality.spans() if a.end_s >= cell.time_s - _PRESENT_S}
        events = []
        for imperfection in IMPERFECTIONS:
            code = imperfection.iso_code
            if code in present and code not in self._open:
                self._open[code], phase = self._next_id, EventPhase.ONSET
                self._next_id += 1
            elif code in self._open:
                phase = EventPhase.ONGOING if code in present else EventPhase.CLEARED
            else:
                continue
            number = self._open[code] if code in present else self._open.pop(code)
            score = 1.0 if code in present else 0.0
            events.append(AnomalyEvent(number, phase, code, imperfection.name, score, 0.5, np.nan, stamp_ns, stamp_ns))
        return events


def _telemetry(tick: Tick) -> TelemetryWindow | None:
    return tick.telemetry if tick.has(Modality.TELEMETRY) else None
