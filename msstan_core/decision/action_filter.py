"""Actions do not flicker: a filter over the transitions that a weld allows, and the paper's weighted window.

The hidden Markov filter knows how long each action lasts and which may follow which. Its memory also settles what no
window of seconds can: whether a silent, dark cell is still idle or already cooling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.weld_sequence import DEFAULT_DURATION_S, reachable
from msstan_core.inference.model_card import SmoothingCard
from msstan_core.vocabulary import ACTIONS, Action

#: Share of any step's probability that may go anywhere: a monitor that starts in mid-weld, or was wrong, recovers.
LEAK_PER_S = 1e-3
#: Longest step the filter believes, s; after a longer hole the past says little.
LONGEST_STEP_S = 5.0
LEAST_PROBABILITY = 1e-6
LEAST_DURATION_S = 0.05
#: Step lengths whose transition matrix is kept, in ms: a camera's period and its jitter.
_KEPT_STEPS = 64


class Duration(NamedTuple):
    """How long an action lasts: a sum of ``stages`` equal exponential times (an Erlang distribution).

    One stage is the usual hidden Markov model, whose most likely duration is none at all. With k stages the standard
    deviation is mean / sqrt(k): a burst of noise is too short for a bead, and an ignition is over after its time.
    """

    mean_s: float
    stages: int = 1


class ActionFilter:
    """Forward filter of a hidden semi-Markov model over the actions, in continuous time.

    Each action is a chain of stages (the "method of stages" for phase-type durations, Cox 1955), so that the elapsed
    time in it matters while the model stays a Markov chain whose step is one matrix product.

    Args:
        durations: of each action; one stage of DEFAULT_DURATION_S where missing.
        emission_power: tempering of the network's probabilities, 0 < p <= 1. Consecutive ticks share most of their
            evidence, so each counts for less than an independent observation would.
        prior: [9] share of each action that the probabilities presume: dividing by it makes them likelihoods.
        trained: [9] actions that the network knows; the filter never enters the others.
    """

    def __init__(
        self,
        durations: Mapping[Action, Duration],
        emission_power: float,
        prior: NDArray[np.float32],
        trained: NDArray[np.bool_],
    ) -> None:
        #: May change from tick to tick: fewer sensors share more of their evidence with the tick before.
        self.emission_power = emission_power
        #: False: what was observed is handed on as it is, and the belief only kept for when nothing is observed.
        self.filtered = True
        from scipy.linalg import expm

        self._expm = expm  # here and not at the first tick, because loading it takes several camera periods
        #: May change likewise, with the scale of the probabilities.
        self.prior = np.asarray(prior, np.float32)
        known = [durations.get(a, Duration(DEFAULT_DURATION_S[a])) for a in ACTIONS]
        stages = [duration.stages if t else 0 for duration, t in zip(known, trained, strict=True)]
        #: [S] the action (index) that each stage belongs to.
        self._action = np.repeat(np.arange(len(ACTIONS)), stages)
        self._members = np.eye(len(ACTIONS))[self._action]  # [S, 9]
        self._rates = self._transition_rates(known, trained)
        self.reset()

    @classmethod
    def from_card(cls, card: SmoothingCard, prior: NDArray[np.float32], trained: NDArray[np.bool_]) -> ActionFilter:
        """The filter that a model card describes; ``prior`` and ``trained``: see the class."""
        durations = {
            Action[name]: Duration(seconds, card.duration_stages.get(name, 1))
            for name, seconds in card.mean_duration_s.items()
        }
        made = cls(durations, card.emission_power, prior, trained)
        made.filtered = card.filtered
        return made

    def _transition_rates(self, durations: list[Duration], trained: NDArray[np.bool_]) -> NDArray[np.float64]:
        """[S, S] events per second from row to column; rows sum to 0."""
        first = np.searchsorted(self._action, np.arange(len(ACTIONS)))  # an action is entered at its first stage
        rates = np.zeros((len(self._action), len(self._action)))
        for row, action in enumerate(self._action):
            mean_s, stages = durations[action]
            pace = stages / max(mean_s, LEAST_DURATION_S)
            if row + 1 < len(self._action) and self._action[row + 1] == action:
                rates[row, row + 1] += pace
            elif following := [ACTIONS.index(a) for a in reachable(ACTIONS[action], trained)]:
                rates[row, first[following]] += pace / len(following)
            others = np.flatnonzero(trained & (np.arange(len(ACTIONS)) != action))
            rates[row, first[others]] += LEAK_PER_S / max(len(others), 1)
        np.fill_diagonal(rates, rates.diagonal() - rates.sum(axis=1))
        return rates

    def reset(self) -> None:
        """Forget the past: every trained action is as likely as any other, and every stage of it."""
        belief = (self._members / np.maximum(self._members.sum(axis=0), 1)).sum(axis=1)
        self._belief: NDArray[np.float64] = belief / belief.sum()
        self._last_stamp_s: float | None = None
        self._steps: dict[int, NDArray[np.float64]] = {}

    def update(self, stamp_s: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tick.

        Args:
            stamp_s: the tick's stamp. probabilities: [9] calibrated; any NaN: nothing was observed.

        Returns:
            [9] filtered probabilities; where ``filtered`` is False and something was observed, that.
        """
        if self._last_stamp_s is not None:
            elapsed = min(max(stamp_s - self._last_stamp_s, 0.0), LONGEST_STEP_S)
            self._belief = self._belief @ self._transition(round(1e3 * elapsed))
        self._last_stamp_s = stamp_s
        if np.isfinite(probabilities).all():
            ratio = np.maximum(probabilities, LEAST_PROBABILITY) / np.maximum(self.prior, LEAST_PROBABILITY)
            likelihood = ratio**self.emission_power
            self._belief = self._belief * likelihood[self._action]
            self._belief = self._belief / self._belief.sum()
            if not self.filtered:
                return np.asarray(probabilities, np.float32)
        return np.asarray(self._belief @ self._members, np.float32)

    def _transition(self, elapsed_ms: int) -> NDArray[np.float64]:
        """expm(rates * elapsed), kept for the step lengths of a camera."""
        if elapsed_ms not in self._steps:
            if len(self._steps) >= _KEPT_STEPS:
                self._steps.clear()
            self._steps[elapsed_ms] = np.asarray(self._expm(self._rates * (1e-3 * elapsed_ms)))
        return self._steps[elapsed_ms]


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
