"""After training: the probability from which each imperfection is suspected (for alarms see joint.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from msstan_core.calibration.conformal import AlarmThreshold, block_maxima, sustained, threshold_for_rate
from msstan_core.calibration.novelty import BLOCK_S
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.decision.ranking import best_threshold
from msstan_core.inference.model_card import NEVER
from msstan_core.observation import SECONDS_PER_HOUR
from msstan_core.vocabulary import ISO_CODES

#: A guaranteed threshold is not set below this: such a probability says nothing.
LOWEST = 0.05
#: Held-out welds that must show an imperfection before a threshold is chosen by them.
FEWEST_WELDS = 2
#: One whose best F1 over held-out ticks is less is never suspected: most suspicions of it would be wrong.
LEAST_F1 = 0.3
#: Alarms an hour of clean blocks, by one imperfection, that a threshold chosen for F1 may cost at most.
MOST_ALARMS_PER_HOUR = 20.0


@dataclass(frozen=True, slots=True)
class ImperfectionThreshold:
    """Probability from which an imperfection counts, and what stands behind it."""

    probability: float
    alarm: AlarmThreshold  #: in units of the logit
    best_f1: float | None = None  #: over held-out ticks, where the threshold was chosen for it
    alarmed_blocks: int = 0  #: clean blocks that reach it then

    def statement(self) -> str:
        """It, and what stands behind it, in words."""
        if self.probability >= NEVER:
            return f"never: the best F1 over held-out ticks is {self.best_f1:.2f}, {LEAST_F1:g} is asked for"
        return f"from {self.probability:.3g}; {self._basis()}"

    def _basis(self) -> str:
        if self.best_f1 is None:
            return self.alarm.statement()
        hours = self.alarm.blocks * self.alarm.block_s / SECONDS_PER_HOUR
        return (
            f"chosen for the best F1 over held-out ticks ({self.best_f1:.2f}); {self.alarmed_blocks} of "
            f"{self.alarm.blocks} clean blocks of {self.alarm.block_s:g} s reach it: "
            f"{self.alarmed_blocks / max(hours, 1e-9):.3g} an hour"
        )


def calibrate_imperfections(
    nominal: Sequence[tuple[NDArray[np.float64], NDArray[np.float32]]],
    trained: Sequence[int],
    *,
    labelled: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]] = (),
    rate_per_hour: float = 1.0,
    block_s: float = BLOCK_S,
    config: AnomalyConfig | None = None,
) -> dict[int, ImperfectionThreshold]:
    """Thresholds of suspicion for the trained imperfections.

    Args:
        nominal: (time_s [N], logits [N, 13]) of nominal welds that the network was not trained on; NaN where nothing
            was seen.
        trained: ISO codes with a trained head.
        labelled: (logits [N, 13], labels [N, 13], NaN where unknown) of held-out welds. Where they show an
            imperfection, its threshold is the one of best F1 on these, within MOST_ALARMS_PER_HOUR.
        rate_per_hour: clean events an hour, of all those that no labelled weld shows, each with an equal share.
        block_s: see :mod:`msstan_core.calibration.conformal`. config: least duration, and the threshold below which an
            extrapolated one must not fall.

    Returns:
        ISO code -> threshold, NEVER for one that is not recognised (LEAST_F1); empty where there are too few clean
        blocks for any statement.
    """
    settings = config or AnomalyConfig()
    out: dict[int, ImperfectionThreshold] = {}
    for code in trained:
        column = ISO_CODES.index(code)
        scores = ((time_s, sustained(time_s, logits[:, column], settings.onset_s)) for time_s, logits in nominal)
        maxima = block_maxima(scores, block_s)
        alarm = threshold_for_rate(maxima, block_s, rate_per_hour / len(trained))
        if not math.isfinite(alarm.threshold):
            continue
        allowed = int(len(maxima) * MOST_ALARMS_PER_HOUR * block_s / SECONDS_PER_HOUR)
        floor = max(float(np.sort(maxima)[::-1][allowed]), float(logit(LOWEST)))
        best = _best_f1([(logits[:, column], labels[:, column]) for logits, labels in labelled], floor)
        if best is not None:
            threshold, f1 = best
            alarmed = int((maxima >= threshold).sum())
            probability = float(expit(threshold)) if f1 >= LEAST_F1 else NEVER
            out[code] = ImperfectionThreshold(probability, alarm, f1, alarmed)
            continue
        least = LOWEST if alarm.guaranteed else settings.imperfection_threshold
        out[code] = ImperfectionThreshold(max(float(expit(alarm.threshold)), least), alarm)
    return out


def _best_f1(
    welds: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], floor: float
) -> tuple[float, float] | None:
    """(logit, F1) of the best threshold over ticks above ``floor``; None where too few welds show the imperfection.

    (inf, 0) where no tick is above: it is shown and not recognised.
    """
    if sum(bool((labels > 0).any()) for _, labels in welds) < FEWEST_WELDS:
        return None
    logits = np.concatenate([logits for logits, _ in welds])
    labels = np.concatenate([labels for _, labels in welds])
    known = np.isfinite(labels) & np.isfinite(logits)
    best = best_threshold(labels[known] > 0, logits[known], above=floor)
    return (math.inf, 0.0) if math.isnan(best.f1) else (best.threshold, best.f1)
