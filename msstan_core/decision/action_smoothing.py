"""From one tick's probabilities to the action that is said: the filter of choice, then hysteresis.

Which one is the default, and with which values, was decided by docs/results/smoothing.json (docs/decisions.md).
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from msstan_core.decision.action_filter import ActionFilter, ExponentialWindow
from msstan_core.inference.model_card import SmoothingCard
from msstan_core.observation import NANOSECONDS_PER_SECOND

#: card: duration or none, whichever the model card found better for the sensors of the moment.
#: duration: filter that knows how long actions last; markov: the same without least durations; window: equation 49.
Method = Literal["card", "duration", "markov", "window", "none"]
METHODS: tuple[Method, ...] = ("card", "duration", "markov", "window", "none")


class SmoothingConfig(BaseModel):
    """How the action is steadied over time; the fields are also parameters ``smoothing.NAME`` of the monitor node."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    method: Method = Field(
        "card",
        description="what steadies the action: duration (filter with durations), markov (without), window (equation "
        "49), none; card: duration or none, whichever the model card found better for the sensors of the moment",
    )
    window_s: float = Field(0.3, ge=0.01, le=10, description="window: time constant of the weights, s")
    lead: float = Field(
        0.3, ge=0, le=0.99, description="probability by which another action must lead the one said before"
    )
    hold_s: float = Field(0.0, ge=0, le=5, description="how long it must lead, s")


class Smoother(Protocol):
    """Probabilities in, steadier ones out."""

    def update(self, stamp_s: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tick: [9] in, [9] out; NaN in: nothing was observed."""

    def reset(self) -> None:
        """Forget the past."""


class Hysteresis:
    """The action said before stays until another one has led it for a while.

    Args:
        lead: by how much probability. hold_s: for how long, s; both 0: the most likely action of each tick.
    """

    def __init__(self, lead: float, hold_s: float) -> None:
        self._lead, self._hold_ns = lead, round(hold_s * NANOSECONDS_PER_SECOND)
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._said = -1
        self._challenger, self._since_ns = -1, 0

    def update(self, stamp_ns: int, probabilities: NDArray[np.float32]) -> int:
        """Index of the action to say; -1 where the probabilities [9] are NaN, which leaves what was said before."""
        if not np.isfinite(probabilities).all():
            self._challenger = -1
            return -1
        best = int(np.argmax(probabilities))
        if self._said < 0:
            self._said = best
        ahead = probabilities[best] - probabilities[self._said]
        if best == self._said or ahead < self._lead:
            self._challenger = -1
            return self._said
        if best != self._challenger:
            self._challenger, self._since_ns = best, stamp_ns
        if stamp_ns - self._since_ns >= self._hold_ns:
            self._said, self._challenger = best, -1
        return self._said


def default_hysteresis() -> Hysteresis:
    """A fresh one with the default lead and hold."""
    config = SmoothingConfig()
    return Hysteresis(config.lead, config.hold_s)


class _Nothing:
    """Each tick alone."""

    def update(self, stamp_s: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        return probabilities

    def reset(self) -> None:
        pass


def smoother(
    config: SmoothingConfig, card: SmoothingCard, prior: NDArray[np.float32], trained: NDArray[np.bool_]
) -> Smoother:
    """What ``config`` names, with the durations and tempering of a model card; ``prior``, ``trained``: ActionFilter."""
    if config.method == "none":
        return _Nothing()
    if config.method == "window":
        return ExponentialWindow(config.window_s)
    if config.method != "card":
        card = card.model_copy(update={"filtered": True})
    if config.method == "markov":
        card = card.model_copy(update={"duration_stages": {}})
    return ActionFilter.from_card(card, prior, trained)
