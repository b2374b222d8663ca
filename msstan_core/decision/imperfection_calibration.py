"""After training: a threshold for each imperfection's probability, so that nominal welds seldom raise a false alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.decision.conformal import AlarmThreshold, block_maxima, sustained, threshold_for_rate
from msstan_core.decision.novelty_calibration import BLOCK_S
from msstan_core.vocabulary import ISO_CODES

#: A guaranteed threshold is not set below this: such a probability says nothing.
LOWEST = 0.05


@dataclass(frozen=True, slots=True)
class ImperfectionThreshold:
    """Probability from which an imperfection counts, and what stands behind it."""

    probability: float
    alarm: AlarmThreshold  #: in units of the logit


def calibrate_imperfections(
    nominal: Sequence[tuple[NDArray[np.float64], NDArray[np.float32]]],
    trained: Sequence[int],
    *,
    rate_per_hour: float = 1.0,
    block_s: float = BLOCK_S,
    config: AnomalyConfig | None = None,
) -> dict[int, ImperfectionThreshold]:
    """Thresholds for the trained imperfections; together they keep to ``rate_per_hour``.

    Args:
        nominal: (time_s [N], logits [N, 13]) of nominal welds that the network was not trained on; NaN where nothing
            was seen.
        trained: ISO codes with a trained head. rate_per_hour: false alarms an hour of all of them together.
        block_s: see :mod:`msstan_core.decision.conformal`. config: least duration, and the threshold below which an
            extrapolated one must not fall.

    Returns:
        ISO code -> threshold; empty where there are too few clean blocks for any statement.
    """
    settings = config or AnomalyConfig()
    out: dict[int, ImperfectionThreshold] = {}
    for code in trained:
        column = ISO_CODES.index(code)
        scores = ((time_s, sustained(time_s, logits[:, column], settings.onset_s)) for time_s, logits in nominal)
        alarm = threshold_for_rate(block_maxima(scores, block_s), block_s, rate_per_hour / len(trained))
        if not math.isfinite(alarm.threshold):
            continue
        probability = 1.0 / (1.0 + math.exp(-max(min(alarm.threshold, 60.0), -60.0)))
        least = LOWEST if alarm.guaranteed else settings.imperfection_threshold
        out[code] = ImperfectionThreshold(max(probability, least), alarm)
    return out
