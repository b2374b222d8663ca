"""Imperfection probabilities that mean what they say: a line through each logit, fitted on held-out recordings.

Of the ticks at which 402 is said to be there with probability 0.7, it is there at 0.7. The network alone does not keep
to that: two opinions are averaged as logits, which makes the mean less sure than either, and rare imperfections are
weighted up in training. What goes by these probabilities, from the thresholds to the confidence of an advice, needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from msstan_core.calibration.action_scales import FOLDS, expected_calibration_error
from msstan_core.decision.probabilities import LogitLines
from msstan_core.training.network_runs import NetworkRun
from msstan_core.vocabulary import ISO_CODES

#: Recordings that must show an imperfection, before its line is fitted.
FEWEST_RECORDINGS = 4
#: Consecutive ticks say nearly the same: so many count as one.
TICKS_THAT_COUNT_AS_ONE = 15.0
#: How far slope (as a factor: its logarithm) and offset are expected from 1 and 0.
_SLOPE_SPREAD, _OFFSET_SPREAD = 0.5, 1.5
#: Slopes beyond this factor are not believed.
_STEEPEST = 4.0


@dataclass(frozen=True, slots=True)
class FittedLine:
    """Slope and offset of a logit, and their effect on groups of recordings that they were not fitted on."""

    slope: float
    offset: float
    loss_before: float  #: mean log loss of a tick
    loss_after: float
    ece_before: float  #: expected calibration error of the probability
    ece_after: float

    @property
    def pair(self) -> tuple[float, float]:
        """As a model card holds it."""
        return round(self.slope, 4), round(self.offset, 4)

    def figures(self) -> dict[str, float]:
        """For a model card."""
        return {"ece_before": round(self.ece_before, 5), "ece_after": round(self.ece_after, 5)}


def fit_logit_lines(runs: Sequence[NetworkRun], codes: Sequence[int]) -> dict[int, FittedLine]:
    """Lines of the imperfections that enough recordings show, where groups that a line was not fitted on gain by it.

    Args:
        runs: over held-out recordings. codes: ISO codes that the model was trained on.
    """
    found = {}
    for code in codes:
        column = ISO_CODES.index(code)
        parts = [_known(run, column) for run in runs]
        if sum(bool(there.any()) for _, there in parts) < FEWEST_RECORDINGS:
            continue
        logits, there = (np.concatenate(each) for each in zip(*parts, strict=True))
        groups = np.repeat([run.recording.group for run in runs], [len(own) for own, _ in parts])
        fitted = fit_line(logits, there, groups)
        if fitted.loss_after < fitted.loss_before:
            found[code] = fitted
    return found


def fit_line(logits: NDArray[np.floating], there: NDArray[np.bool_], groups: NDArray[np.str_]) -> FittedLine:
    """Platt's line (1999), held near slope 1 and offset 0 as long as little speaks against them.

    Args:
        logits: [N] of ticks. there: [N] whether the imperfection is. groups: [N] of the recordings.
    """
    others = logits.astype(np.float64)
    names = np.unique(groups)
    for part in np.array_split(names, min(FOLDS, len(names))):
        inside = np.isin(groups, part)
        slope, offset = _most_likely(logits[~inside], there[~inside])
        others[inside] = slope * logits[inside] + offset
    return FittedLine(
        *_most_likely(logits, there),
        loss_before=_log_loss(logits, there),
        loss_after=_log_loss(others, there),
        ece_before=_error(logits, there),
        ece_after=_error(others, there),
    )


def along(lines: Mapping[int, tuple[float, float]], run: NetworkRun) -> NetworkRun:
    """A run with its imperfection logits on these lines, as the monitor has them."""
    return replace(run, imperfection_logits=LogitLines.of(lines)(run.imperfection_logits))


def after(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """One line for two, the second on what the first gives."""
    return round(second[0] * first[0], 4), round(second[0] * first[1] + second[1], 4)


def _known(run: NetworkRun, column: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(logits, whether it is there) of the ticks at which something was seen and the label is known."""
    labels = run.recording.features.imperfection[:, column]
    known = run.seen & np.isfinite(labels) & np.isfinite(run.imperfection_logits[:, column])
    return run.imperfection_logits[known, column], labels[known] > 0


def _most_likely(logits: NDArray[np.floating], there: NDArray[np.bool_]) -> tuple[float, float]:
    def cost(line: NDArray[np.float64]) -> float:
        likelihood = _log_loss(np.exp(line[0]) * logits + line[1], there) * len(logits) / TICKS_THAT_COUNT_AS_ONE
        return likelihood + 0.5 * float((line[0] / _SLOPE_SPREAD) ** 2 + (line[1] / _OFFSET_SPREAD) ** 2)

    steepest = np.log(_STEEPEST)
    best = minimize(cost, np.zeros(2), bounds=[(-steepest, steepest), (-6.0, 6.0)]).x
    return float(np.exp(best[0])), float(best[1])


def _log_loss(logits: NDArray[np.floating], there: NDArray[np.bool_]) -> float:
    loss: NDArray[np.floating] = np.logaddexp(0.0, np.where(there, -logits, logits))
    return float(loss.mean()) if len(loss) else 0.0


def _error(logits: NDArray[np.floating], there: NDArray[np.bool_]) -> float:
    return expected_calibration_error(1.0 / (1.0 + np.exp(-logits)), there)
