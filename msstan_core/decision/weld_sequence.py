"""What a weld allows: which action may follow which, and how long each lasts where nothing was learnt."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from msstan_core.vocabulary import ACTIONS, Action

#: Which action may follow which, in a robot weld. Restarts of a broken arc are normal (burn-through).
SUCCESSORS: dict[Action, tuple[Action, ...]] = {
    Action.IDLE: (Action.ELECTRODE_MOVEMENT, Action.MATERIAL_PLACEMENT, Action.ARC_INITIATION),
    Action.ELECTRODE_MOVEMENT: (Action.IDLE, Action.MATERIAL_PLACEMENT, Action.ARC_INITIATION),
    Action.MATERIAL_PLACEMENT: (Action.IDLE, Action.ELECTRODE_MOVEMENT),
    Action.ARC_INITIATION: (Action.MATERIAL_DEPOSITION, Action.ARC_EXTINCTION, Action.COOLING, Action.IDLE),
    Action.MATERIAL_DEPOSITION: (
        Action.HEAT_INPUT_ADJUSTMENT,
        Action.CRATER_FILL,
        Action.ARC_EXTINCTION,
        Action.COOLING,
    ),
    Action.HEAT_INPUT_ADJUSTMENT: (
        Action.MATERIAL_DEPOSITION,
        Action.CRATER_FILL,
        Action.ARC_EXTINCTION,
        Action.COOLING,
    ),
    Action.CRATER_FILL: (Action.ARC_EXTINCTION, Action.COOLING, Action.MATERIAL_DEPOSITION),
    Action.ARC_EXTINCTION: (Action.COOLING, Action.MATERIAL_DEPOSITION),
    Action.COOLING: (Action.IDLE, Action.ELECTRODE_MOVEMENT, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION),
}

#: Seconds an action lasts on average where nothing was learnt.
DEFAULT_DURATION_S: dict[Action, float] = {
    Action.IDLE: 10.0,
    Action.ELECTRODE_MOVEMENT: 3.0,
    Action.MATERIAL_PLACEMENT: 5.0,
    Action.ARC_INITIATION: 1.0,
    Action.MATERIAL_DEPOSITION: 20.0,
    Action.HEAT_INPUT_ADJUSTMENT: 2.0,
    Action.CRATER_FILL: 1.0,
    Action.ARC_EXTINCTION: 0.5,
    Action.COOLING: 15.0,
}


def reachable(action: Action, trained: NDArray[np.bool_]) -> list[Action]:
    """Trained actions that may follow ``action``, passing through untrained ones; ``trained``: [9].

    Where no crater fill was trained, deposition leads to extinction.
    """
    found: list[Action] = []
    seen = {action}
    queue = deque(SUCCESSORS[action])
    while queue:
        successor = queue.popleft()
        if successor in seen:
            continue
        seen.add(successor)
        if trained[ACTIONS.index(successor)]:
            found.append(successor)
        else:
            queue.extend(SUCCESSORS[successor])
    return found
