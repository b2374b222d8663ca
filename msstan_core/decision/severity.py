"""How bad: severity from an event's highest probability, only where held-out labels show that the one tells the other.

A probability says how sure the network is that an imperfection is there, not how large it is. For some imperfections
the two rise together, for others they do not; a map is kept for the former, the latter stay NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Fewest labelled spans that a map is fitted on.
FEWEST_SPANS = 20
#: Least rank correlation between predicted and labelled severity on groups that the map was not fitted on.
LEAST_CORRELATION = 0.5
#: Knots of a map: enough for a monotone curve, few enough for a model card.
KNOTS = 8

#: ((score, severity), ...) ascending in both.
SeverityMap = tuple[tuple[float, float], ...]


def severity_of(peak: float, severity_map: SeverityMap | None) -> float:
    """Severity, 0..1, of an event whose highest score was ``peak``; NaN without a map."""
    if not severity_map or np.isnan(peak):
        return float("nan")
    scores, severities = zip(*severity_map, strict=True)
    return float(np.interp(peak, scores, severities))


def fit_severity(peaks: ArrayLike, severities: ArrayLike, groups: Sequence[object]) -> SeverityMap | None:
    """A monotone map from peak scores to labelled severities; None where severity cannot honestly be given.

    Args:
        peaks: [n] highest probability in each labelled span, from recordings that the network was not trained on.
        severities: [n] 0..1; spans with NaN are left out. groups: [n] recording of each, for the check.
    """
    x, y = np.asarray(peaks, np.float64), np.asarray(severities, np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, y, names = x[known], y[known], np.asarray(groups, dtype=str)[known]
    if len(x) < FEWEST_SPANS or len(np.unique(names)) < 2:
        return None
    predicted = np.empty(len(x))
    for name in np.unique(names):
        inside = names == name
        rest = _isotonic(x[~inside], y[~inside])
        predicted[inside] = [severity_of(float(v), rest) for v in x[inside]]
    return _isotonic(x, y) if _rank_correlation(predicted, y) >= LEAST_CORRELATION else None


def _isotonic(x: NDArray[np.float64], y: NDArray[np.float64]) -> SeverityMap:
    """Means of equally filled bins, made monotone by pooling adjacent violators."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(x, kind="stable")
    bins = [part for part in np.array_split(order, min(KNOTS, len(order))) if len(part)]
    rising = isotonic_regression([y[b].mean() for b in bins], weights=[len(b) for b in bins]).x
    return tuple(
        (round(float(x[b].mean()), 4), round(float(np.clip(s, 0, 1)), 4)) for b, s in zip(bins, rising, strict=True)
    )


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)
