"""When a recorded weld was nominal: what limits of false alarms, and novelty, may be learnt from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

#: What leads to an imperfection can be seen before its label begins, s: not nominal any more.
OMEN_S = 2.0
#: How long the embedding remembers an imperfection that is over (64 ticks), s: not nominal yet.
MEMORY_S = 2.5


def counts_as_nominal(attributes: Mapping[str, str]) -> bool:
    """Whether a recording's verdict lets any of it be nominal: "good", or none."""
    return attributes.get("verdict", "good") == "good"


def nominal_times(
    time_s: NDArray[np.float64], defective: NDArray[np.bool_], attributes: Mapping[str, str]
) -> NDArray[np.bool_]:
    """[N] times, [N] whether an imperfection is labelled there, attributes of a recording -> [N] nominal ticks."""
    if not counts_as_nominal(attributes):
        return np.zeros(len(time_s), bool)
    last = np.maximum.accumulate(np.where(defective, time_s, -np.inf))
    following = np.minimum.accumulate(np.where(defective, time_s, np.inf)[::-1])[::-1]
    return np.asarray((time_s - last > MEMORY_S) & (following - time_s > OMEN_S))
