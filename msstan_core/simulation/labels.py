"""Annotations of a simulated weld, derived from the hidden state by the rules that label real recordings.

ARC_INITIATION: from the first current above 20 A until the current (0.1 s means) stays within 25 % of its median
over the
arc for 0.5 s, and for at least 0.5 s. ARC_EXTINCTION: the last 0.5 s of the arc. COOLING: after it, until the torch
sets out for the next seam. A gap in the arc stays what it was while the robot is still welding.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from msstan_core.recordings.annotations import Annotation, action_span
from msstan_core.simulation.procedure import Step
from msstan_core.vocabulary import Action

SOURCE = "simulation"
EXTINCTION_S = 0.5
SETTLED_WITHIN = 0.25
SETTLE_S = 0.5
#: An arc that has been out for this long is out, s.
GAP_S = 2.0


class ActionTrack:
    """Collects steps and current, and gives the spans of actions known so far."""

    def __init__(self) -> None:
        self._time: list[float] = []
        self._step: list[Step] = []
        self._weld: list[int] = []
        self._energy: list[float] = []
        self._on: list[bool] = []
        self._flags: list[tuple[bool, bool]] = []  # adjusting, moving

    def add(self, time_s: float, step: Step, weld: int, energy: float, on: bool, adjusting: bool, moving: bool) -> None:
        """One control step; ``energy`` is the current in A (power in W, torque... for other processes)."""
        self._time.append(time_s)
        self._step.append(step)
        self._weld.append(weld)
        self._energy.append(energy)
        self._on.append(on)
        self._flags.append((adjusting, moving))

    def spans(self) -> list[Annotation]:
        """Actions from time 0 to now."""
        n = len(self._time)
        if n == 0:
            return []
        time = np.array(self._time)
        dt = float(time[0]) if n == 1 else float(time[1] - time[0])
        action = np.full(n, Action.IDLE, np.uint8)
        steps = np.array([s.value for s in self._step])
        weld = np.array(self._weld)
        flags = np.array(self._flags)
        action[steps == Step.PLACEMENT.value] = Action.MATERIAL_PLACEMENT
        action[(steps == Step.APPROACH.value) & flags[:, 1]] = Action.ELECTRODE_MOVEMENT
        on = np.array(self._on)
        energy = np.array(self._energy)
        for w in range(int(weld[-1]) + 1):
            self._label_seam(action, (weld == w), steps, on, energy, flags[:, 0], dt)
        return _runs(action, time, dt)

    def _label_seam(
        self, action: np.ndarray, seam: np.ndarray, steps: np.ndarray, on: np.ndarray, energy: np.ndarray,
        adjusting: np.ndarray, dt: float,
    ) -> None:  # fmt: skip
        burning = np.flatnonzero(on & seam)
        if len(burning) == 0:
            return
        first, last = int(burning[0]), int(burning[-1])
        members = np.flatnonzero(seam)
        out = len(action) - 1 - last
        ended = steps[members[-1]] in (Step.STOP.value, Step.COOL.value, Step.DONE.value) or out * dt > GAP_S
        settled = _settled(energy[first : last + 1], on[first : last + 1], dt) + first
        arc = slice(first, last + 1)
        action[arc] = Action.MATERIAL_DEPOSITION
        inside = np.arange(first, last + 1)
        action[inside[adjusting[arc]]] = Action.HEAT_INPUT_ADJUSTMENT
        action[inside[steps[arc] == Step.CRATER.value]] = Action.CRATER_FILL
        action[first : min(settled, last + 1)] = Action.ARC_INITIATION
        if ended:
            action[max(last + 1 - round(EXTINCTION_S / dt), first) : last + 1] = Action.ARC_EXTINCTION
            rest = members[members > last]
            rest = rest[steps[rest] != Step.APPROACH.value]
            action[rest] = Action.COOLING


def _settled(energy: np.ndarray, on: np.ndarray, dt: float) -> int:
    """Index at which the arc counts as stable."""
    least = round(SETTLE_S / dt)
    block = max(round(0.1 / dt), 1)
    blocks = len(energy) // block
    if blocks == 0:
        return least
    mean = energy[: blocks * block].reshape(blocks, block).mean(1)
    median = float(np.median(mean[mean > 0.1 * mean.max()])) if mean.max() > 0 else math.nan
    good = np.abs(mean - median) <= SETTLED_WITHIN * median
    need = round(SETTLE_S / (block * dt))
    for k in range(blocks):
        window = good[k : k + need]
        if len(window) and window.all():
            return max(k * block, least)
    return max(round(1.0 / dt), least)


def _runs(action: np.ndarray, time: np.ndarray, dt: float) -> list[Annotation]:
    edges = np.flatnonzero(np.diff(action)) + 1
    bounds = [0, *edges.tolist(), len(action)]
    return [
        action_span(max(float(time[a]) - dt, 0.0), float(time[b - 1]), Action(int(action[a])), SOURCE)
        for a, b in pairwise(bounds)
    ]
