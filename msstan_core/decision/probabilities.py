"""Logits become probabilities, by the scales and the lines of the model's card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msstan_core.vocabulary import ACTIONS, ISO_CODES


class LogitLines(NamedTuple):
    """A line for each imperfection's logit, fitted after training (calibration/logit_lines.py)."""

    slope: NDArray[np.float32]  #: [13] > 0
    offset: NDArray[np.float32]  #: [13]

    @classmethod
    def of(cls, lines: Mapping[int, tuple[float, float]]) -> LogitLines:
        """From a model card's ISO code -> (slope, offset); (1, 0) for the others."""
        slope, offset = zip(*(lines.get(code, (1.0, 0.0)) for code in ISO_CODES), strict=True)
        return cls(np.array(slope, np.float32), np.array(offset, np.float32))

    def __call__(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., 13] as the network gives them -> the same on their lines."""
        return np.asarray(self.slope * logits + self.offset, np.float32)


class ActionScale(NamedTuple):
    """How action logits are read: ``logits / temperature + offsets``, fitted after training.

    Training weights rare actions up, and the network then says them too often; the offsets bring back how often each
    action is right ("bias-corrected temperature scaling", Alexandari et al. 2020). See calibration/action_scales.py.
    """

    temperature: float = 1.0  #: > 0
    offsets: tuple[float, ...] = ()  #: of the 9 actions; empty: none

    @classmethod
    def of(cls, temperature: float, offsets: Iterable[float] = ()) -> ActionScale:
        """As a card or a fit has them."""
        return cls(float(temperature), tuple(map(float, offsets)))

    @property
    def added(self) -> NDArray[np.float64]:
        """[9] offsets."""
        return np.asarray(self.offsets or (0.0,) * len(ACTIONS), np.float64)

    def prior_of(self, prior: NDArray[np.float32]) -> NDArray[np.float32]:
        """[9] shares of the actions that the probabilities presume, where the network was trained with ``prior`` [9].

        Divided by these, probabilities are likelihoods again, which the offsets have no part in.
        """
        shares = np.asarray(prior, np.float64) * np.exp(self.added)
        return np.asarray(shares / shares.sum(), np.float32)


def action_probabilities(
    logits: NDArray[np.float32], scale: ActionScale, trained: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Softmax of the scaled logits over the trained actions; 0 for actions that training has never seen.

    Args:
        logits: [..., 9]. scale: of the sensors that made them. trained: [9].
    """
    scaled = np.where(trained, np.asarray(logits, np.float64) / scale.temperature + scale.added, -np.inf)
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    exponent = np.exp(scaled)
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), np.float32)


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [..., 9] with their logarithms divided by ``temperature``; the order of the classes stays."""
    if temperature == 1.0:
        return probabilities
    power = np.asarray(probabilities, np.float64) ** (1.0 / temperature)
    return np.asarray(power / power.sum(axis=-1, keepdims=True), np.float32)


def imperfection_probabilities(logits: NDArray[np.float32], trained: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Sigmoid of each logit; NaN for imperfections that training has never seen: no statement is not "absent"."""
    probability = 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))
    return np.where(trained, probability, np.nan).astype(np.float32)
