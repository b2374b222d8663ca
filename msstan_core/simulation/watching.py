"""A simulated cell as something that watches it gets it: with the sensors it has, tick by tick."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msstan_core.alignment import ticks_of
from msstan_core.observation import NANOSECONDS_PER_SECOND, Sample, Tick
from msstan_core.simulation.cell import WeldCell
from msstan_core.simulation.scenario import Scenario
from msstan_core.vocabulary import SENSORS

#: Stamp of a watched weld's beginning; any time but zero.
START_NS = 1_704_067_200 * NANOSECONDS_PER_SECOND
#: Cell time between two looks at what the sensors gave, s.
STEP_S = 0.5


def with_sensors(scenario: Scenario, names: Sequence[str]) -> Scenario:
    """The scenario with only these sensors. The hidden process does not depend on them: each draws its own chance."""
    changes = {
        name: getattr(scenario, name).model_copy(update={"enabled": name in names and getattr(scenario, name).enabled})
        for name in SENSORS
    }
    return scenario.model_copy(update=changes)


def ticks_of_cell(cell: WeldCell) -> Iterator[Tick]:
    """Let a cell weld to its end; yields the ticks of its sensors as they become due."""

    def samples() -> Iterator[Sample]:
        while not cell.finished:
            yield from cell.advance(cell.time_s + STEP_S)

    return ticks_of(samples())
