"""The only thing that learns without labels: how often each action is answered here, as a bounded bias on the output.

Off by default. Streams of welds are correlated: anything that learns from its own answers in the weights collapses onto
the action of the minute (docs/decisions.md). At the output a slow share with a bound can do little harm, and little
good.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Largest shift of a log probability: a factor of two.
LARGEST_SHIFT = float(np.log(2.0))
LEAST_SHARE = 1e-3


class OutputPrior:
    """Saerens et al. (2002) with a running share instead of a batch: p'(k) ~ p(k) * share(k) / training share(k).

    Args:
        training: [K] share of each action in training. time_constant_s: of the running share.
    """

    def __init__(self, training: NDArray[np.floating], time_constant_s: float) -> None:
        self._training = np.maximum(np.asarray(training, float), LEAST_SHARE)
        self._time_constant_s = time_constant_s
        self.reset()

    def reset(self) -> None:
        """Back to the shares of training: no shift."""
        self._share = self._training / self._training.sum()
        self._last_s: float | None = None

    def update(self, stamp_s: float, probabilities: NDArray[np.float32], *, learn: bool) -> NDArray[np.float32]:
        """[K] calibrated probabilities -> shifted ones; NaN passes through.

        Args:
            learn: False for ticks that nothing may be learnt from.
        """
        if not np.isfinite(probabilities).all():
            return probabilities
        shift = np.clip(np.log(self._share / (self._training / self._training.sum())), -LARGEST_SHIFT, LARGEST_SHIFT)
        shifted = probabilities * np.exp(shift)
        shifted = shifted / shifted.sum()
        if learn:
            elapsed = 0.0 if self._last_s is None else float(np.clip(stamp_s - self._last_s, 0.0, 1.0))
            weight = 1.0 - np.exp(-elapsed / self._time_constant_s)
            self._share = (1 - weight) * self._share + weight * np.maximum(shifted, LEAST_SHARE)
            self._share = self._share / self._share.sum()
            self._last_s = stamp_s
        return np.asarray(shifted, np.float32)
