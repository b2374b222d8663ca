"""The action that is said at a tick: the filter of choice with what the calibration says of it, then hysteresis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.action_smoothing import Hysteresis, SmoothingConfig, smoother
from msstan_core.decision.live_calibration import Calibration
from msstan_core.decision.probabilities import tempered
from msstan_core.inference.model_card import ModelCard
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.vocabulary import ACTIONS, Action

Floats = NDArray[np.float32]


class ActionAnswer:
    """Steadies one torch's action over time.

    Args:
        card: of the model. trained: [9] actions that it knows.
        smoothing: how; False: each tick's most likely action, as the network has it.
    """

    def __init__(self, card: ModelCard, trained: NDArray[np.bool_], smoothing: SmoothingConfig | bool) -> None:
        config = smoothing if isinstance(smoothing, SmoothingConfig) else SmoothingConfig()
        steadied = smoothing is not False
        self._filter = (
            smoother(config, card.smoothing, np.array(card.action_prior, np.float32), trained) if steadied else None
        )
        self._by_card = config.method == "card"
        self._said = Hysteresis(config.lead, config.hold_s) if steadied else Hysteresis(0.0, 0.0)

    def reset(self) -> None:
        """Forget the past."""
        if self._filter:
            self._filter.reset()
        self._said.reset()

    def update(self, stamp_ns: int, raw: Floats, calibration: Calibration, seen: bool) -> tuple[Action, float, Floats]:
        """One tick.

        Args:
            raw: [9] calibrated probabilities; NaN: nothing was observed. calibration: of the sensors of the moment.
            seen: whether any sensor delivered; without one nothing is said, though the filter goes on believing.

        Returns:
            (action, its probability, all [9] as they are published); UNKNOWN and NaN where nothing is said.
        """
        belief, published = self._steadied(stamp_ns, raw, calibration)
        # By how much an action leads is judged before tempering: it means the same with every set of sensors.
        best = self._said.update(stamp_ns, belief if seen else raw)
        probabilities = published if seen else raw
        if best < 0:
            return Action.UNKNOWN, float("nan"), probabilities
        return ACTIONS[best], float(probabilities[best]), probabilities

    def _steadied(self, stamp_ns: int, raw: Floats, calibration: Calibration) -> tuple[Floats, Floats]:
        """(what the filter believes, the same as it is published), each [9]."""
        stamp_s = stamp_ns / NANOSECONDS_PER_SECOND
        if self._filter is None:
            return raw, raw
        if not isinstance(self._filter, ActionFilter):
            steadied = self._filter.update(stamp_s, raw)
            return steadied, steadied
        self._filter.emission_power, self._filter.prior = calibration.emission_power, calibration.action_prior
        if self._by_card:
            self._filter.filtered = calibration.filtered
        belief = self._filter.update(stamp_s, raw)
        return belief, tempered(belief, calibration.published_temperature)  # which was fitted for the filter's belief
