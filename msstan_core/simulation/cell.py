"""The weld cell: the hidden process, and the sensors that look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from msstan_core.observation import Sample, WeldContext
from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation.energy import STEP_S, Setpoints
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.imperfections import WeldQuality
from msstan_core.simulation.parameter_changes import ParameterDeltas
from msstan_core.simulation.procedure import seams_length
from msstan_core.simulation.process import WeldProcess
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.sensors import Sensors
from msstan_core.simulation.sources import programmed_values
from msstan_core.simulation.state import CellState
from msstan_core.vocabulary import Filler


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
        length = seams_length(scenario)
        self._process = WeldProcess(scenario, length, arc, path, quality, spatter)
        self._sensors = Sensors(scenario, length, start_stamp_ns, camera, thermal, sound, display)

    @property
    def time_s(self) -> float:
        """Cell time, s."""
        return self._process.time_s

    @property
    def finished(self) -> bool:
        """The programme has come to its end; time can still go on."""
        return self._process.programme.finished

    @property
    def state(self) -> CellState:
        """The hidden state of this moment; read only."""
        return self._process.state

    @property
    def setpoints(self) -> Setpoints:
        """Values the source and the robot are asked for now, advisory included."""
        return replace(self.state.setpoints)

    @property
    def heat(self) -> HeatField:
        """Temperature of the parts."""
        return self._process.heat

    @property
    def quality(self) -> WeldQuality:
        """Indices of imperfections."""
        return self._process.quality

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
            filler=joint.filler_kind if process.kind == "gmaw" else Filler.NONE,
            thickness_a_m=joint.thickness_a_m,
            thickness_b_m=joint.thickness_b_m,
            shielding_gas=process.shielding_gas,
            wps_id=self.scenario.wps_id,
            job_id=self.scenario.name,
            programmed=programmed_values(self.scenario, self.quality.reference),
        )

    @property
    def annotations(self) -> list[Annotation]:
        """Actions and imperfections from time 0 to now, by start."""
        spans = self._process.actions.spans() + self._process.quality.spans()
        return sorted(spans, key=lambda a: (a.start_s, a.end_s))

    def apply(self, deltas: ParameterDeltas) -> None:
        """Set the advisory's deltas from the programmed values; they replace earlier ones and take effect with a lag.

        Raises:
            ValueError: a delta is not finite.
        """
        self._process.changes.ask(deltas, self.time_s)

    def advance(self, until_s: float) -> Iterator[Sample]:
        """Run to cell time ``until_s`` and yield samples in the order in which they become available.

        That is stamp order, except that a sound chunk comes at its end and bears the stamp of its first sample.
        """
        if self.time_s == 0.0:
            yield self.context
        while self.time_s + 0.5 * STEP_S < until_s:
            waveform = self._process.step()
            yield from self._sensors.observe(self._process, waveform)


def simulate(scenario: Scenario, start_stamp_ns: int = 0) -> tuple[list[Sample], list[Annotation]]:
    """A whole recording at once: all samples and the annotations. For short scenarios; bags are written as they
    come.
    """
    cell = WeldCell(scenario, start_stamp_ns)
    samples: list[Sample] = []
    while not cell.finished:
        samples.extend(cell.advance(cell.time_s + 0.5))
    return samples, cell.annotations
