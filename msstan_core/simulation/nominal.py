"""Randomised welds without faults: what a monitor must stay silent in."""

from __future__ import annotations

from collections.abc import Collection

from msstan_core.simulation.material_pairs import Pair
from msstan_core.simulation.randomisation import randomised
from msstan_core.simulation.scenario import Scenario

#: Least crater fill of a nominal weld, s.
CRATER_FILL_S = 1.2


def nominal_weld(seed: int, pairs: Collection[Pair] | None = None) -> Scenario:
    """The randomised scenario of a seed without disturbances; arguments as of :func:`randomised`.

    Its crater is filled, or the laser's power run down: a heat source that just stops leaves a crater crack, or the
    risk of one. Some imperfections come without any disturbance (:attr:`WeldCell.quality`): who needs a clean weld must
    look.
    """
    scenario = randomised(seed, pairs)
    procedure = scenario.procedure
    melts = scenario.process.kind != "fsw"
    filled = max(procedure.crater_fill_s, CRATER_FILL_S) if melts else procedure.crater_fill_s
    changes = {"disturbances": (), "procedure": procedure.model_copy(update={"crater_fill_s": filled})}
    return scenario.model_copy(update=changes)
