"""Actions do not flicker: a filter over the transitions that a weld allows, and the paper's weighted window.

The hidden Markov filter knows how long each action lasts and which may follow which. Its memory also settles what no
window of seconds can: whether a silent, dark cell is still idle or already cooling.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

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

#: Share of any step's probability that may go anywhere: a monitor that starts in mid-weld, or was wrong, recovers.
LEAK_PER_S = 1e-3
#: Longest step the filter believes, s; after a longer hole the past says little.
LONGEST_STEP_S = 5.0
LEAST_PROBABILITY = 1e-6


class ActionFilter:
    """Forward filter of a hidden Markov model over the actions, in continuous time.

    Args:
        mean_duration_s: mean seconds of each action; DEFAULT_DURATION_S where missing.
        emission_power: tempering of the network's probabilities, 0 < p <= 1. Consecutive ticks share most of their
            evidence, so each counts for less than an independent observation would.
        prior: [9] share of each action in training: dividing by it turns the network's posterior into a likelihood.
        trained: [9] actions that the network knows; the filter never enters the others.
    """

    def __init__(
        self,
        mean_duration_s: Mapping[Action, float],
        emission_power: float,
        prior: NDArray[np.float32],
        trained: NDArray[np.bool_],
    ) -> None:
        self._power = emission_power
        self._trained = trained
        self._prior = np.where(trained, np.maximum(prior, LEAST_PROBABILITY), 1.0)
        self._rates = self._transition_rates(mean_duration_s)
        self.reset()

    def _transition_rates(self, mean_duration_s: Mapping[Action, float]) -> NDArray[np.float64]:
        """[9, 9] events per second from row to column; rows sum to 0."""
        count = len(ACTIONS)
        rates = np.zeros((count, count))
        for row, action in enumerate(ACTIONS):
            if not self._trained[row]:
                continue
            columns = [ACTIONS.index(a) for a in _reachable(action, self._trained)]
            duration = max(mean_duration_s.get(action, DEFAULT_DURATION_S[action]), 0.05)
            if columns:
                rates[row, columns] = 1.0 / (duration * len(columns))
            others = self._trained & (np.arange(count) != row)
            rates[row, others] += LEAK_PER_S / max(others.sum(), 1)
        np.fill_diagonal(rates, -rates.sum(axis=1))
        return rates

    def reset(self) -> None:
        """Forget the past: every trained action is as likely as any other."""
        self._belief = self._trained / self._trained.sum()
        self._last_stamp_s: float | None = None
        self._step: tuple[float, NDArray[np.float64]] | None = None

    def update(self, stamp_s: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tick.

        Args:
            stamp_s: the tick's stamp. probabilities: [9] calibrated; any NaN: nothing was observed.

        Returns:
            [9] filtered probabilities.
        """
        if self._last_stamp_s is not None:
            elapsed = min(max(stamp_s - self._last_stamp_s, 0.0), LONGEST_STEP_S)
            self._belief = self._belief @ self._transition(elapsed)
        self._last_stamp_s = stamp_s
        if np.isfinite(probabilities).all():
            likelihood = np.maximum(probabilities, LEAST_PROBABILITY) / self._prior
            self._belief = self._belief * np.where(self._trained, likelihood**self._power, 0.0)
            self._belief = self._belief / self._belief.sum()
        return np.asarray(self._belief, np.float32)

    def _transition(self, elapsed_s: float) -> NDArray[np.float64]:
        """expm(rates * elapsed), cached for the camera's steady period."""
        if self._step is None or abs(self._step[0] - elapsed_s) > 1e-3:
            from scipy.linalg import expm

            self._step = (elapsed_s, np.asarray(expm(self._rates * elapsed_s)))
        return self._step[1]


def _reachable(action: Action, trained: NDArray[np.bool_]) -> list[Action]:
    """Trained actions that may follow, passing through untrained ones.

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


class ExponentialWindow:
    """Equation 49 with exponential weights: P' = (1/Z) sum_t w_t P_t, w_t = exp(-(T-t)/tau), as a running average.

    Args:
        time_constant_s: tau in seconds.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._sum = np.zeros(len(ACTIONS))
        self._weight = 0.0
        self._last_stamp_s: float | None = None

    def update(self, stamp_s: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tick: [9] in, [9] averaged out. NaN input (nothing observed) leaves the average as it is."""
        if self._last_stamp_s is not None:
            decay = float(np.exp(-max(stamp_s - self._last_stamp_s, 0.0) / self._time_constant_s))
            self._sum, self._weight = self._sum * decay, self._weight * decay
        self._last_stamp_s = stamp_s
        if np.isfinite(probabilities).all():
            self._sum, self._weight = self._sum + probabilities, self._weight + 1.0
        if self._weight == 0.0:
            return np.full(len(ACTIONS), np.nan, np.float32)
        return np.asarray(self._sum / self._weight, np.float32)
