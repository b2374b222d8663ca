"""Detectors that learn from nominal welds only. Each: fit on nominal rows and their set-ups, then score other rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.studies.weld_statistics import Features, WeldTable, joined

Array = NDArray[np.float64]
Score = Callable[[Array], Array]
#: [n, F] nominal rows and what is known of them -> score of other rows, [m, F] -> [m], higher is stranger
Fit = Callable[[Array, "Nominal"], Score]

#: Standardised values are cut off here: one broken sensor must not outweigh all others.
CLIP = 10.0
#: Share of the overall variance that counts as variance within a set-up where that has almost none.
LEAST_WITHIN = 0.03


@dataclass(frozen=True, slots=True)
class Nominal:
    """What is known of the nominal rows besides their values."""

    groups: NDArray[np.str_]  #: [n] set-up of each
    photographs: NDArray[np.bool_]  #: [F] which columns come from photographs
    seed: int = 0

    def of_each_group(self) -> list[NDArray[np.bool_]]:
        """A mask [n] for every set-up."""
        return [self.groups == name for name in np.unique(self.groups)]


@dataclass(frozen=True, slots=True)
class Detector:
    """A candidate: which columns, and how."""

    name: str
    features: Callable[[WeldTable], Features]
    fit: Fit
    per_configuration: bool = False  #: columns are first standardised within each set-up, without labels


def standardised(nominal: Array, robust: bool = False) -> Score:
    """Columns in units of their spread over nominal welds (quartiles when ``robust``), cut off at CLIP."""
    centre = np.median(nominal, axis=0) if robust else nominal.mean(axis=0)
    spread = nominal.std(axis=0)
    if robust:
        quartiles = np.percentile(nominal, [25, 75], axis=0)
        spread = np.where(np.ptp(quartiles, axis=0) > 1e-9, np.ptp(quartiles, axis=0) / 1.349, spread)
    spread = np.where(spread > 1e-9, spread, 1.0)
    return lambda rows: np.clip((rows - centre) / spread, -CLIP, CLIP)


def within_configuration(rows: Array, configuration: NDArray[np.str_]) -> Array:
    """Each set-up's rows less their own mean, in units of their own spread: what a set-up has for itself is lost."""
    out = np.empty_like(rows)
    for name in np.unique(configuration):
        own = configuration == name
        spread = rows[own].std(axis=0)
        out[own] = (rows[own] - rows[own].mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return out


def mahalanobis(shrinkage: float, robust: bool = False) -> Fit:
    """Distance to the mean; covariance shrunk towards the identity."""

    def fit(nominal: Array, sample: Nominal) -> Score:
        scale = standardised(nominal, robust)
        z = scale(nominal)
        covariance = (1 - shrinkage) * np.cov(z, rowvar=False) + shrinkage * np.eye(z.shape[1])
        inverse, mean = np.linalg.inv(covariance), z.mean(axis=0)
        return lambda rows: np.asarray(np.einsum("ij,jk,ik->i", scale(rows) - mean, inverse, scale(rows) - mean))

    return fit


def nearest(neighbours: int) -> Fit:
    """Mean distance to the nearest nominal welds."""

    def fit(nominal: Array, sample: Nominal) -> Score:
        scale = standardised(nominal)
        return _nearest(scale(nominal), scale, neighbours)

    return fit


def nearest_whitened(neighbours: int) -> Fit:
    """The same in units of the covariance within set-ups."""

    def fit(nominal: Array, sample: Nominal) -> Score:
        scale = standardised(nominal)
        z = scale(nominal)
        groups = sample.of_each_group()
        residual = np.concatenate([z[own] - z[own].mean(axis=0) for own in groups])
        within = residual.T @ residual / max(1, len(residual) - len(groups))
        within = 0.9 * within + 0.1 * np.diag(np.diag(within)) + LEAST_WITHIN * np.eye(z.shape[1])
        values, vectors = np.linalg.eigh(within)
        whitening = vectors / np.sqrt(values)
        return _nearest(z @ whitening, lambda rows: scale(rows) @ whitening, neighbours)

    return fit


def _nearest(points: Array, transform: Score, neighbours: int) -> Score:
    def score(rows: Array) -> Array:
        x = transform(rows)
        squares = (x**2).sum(axis=1)[:, None] - 2 * x @ points.T + (points**2).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(np.partition(squares, neighbours - 1)[:, :neighbours], 0)).mean(axis=1))

    return score


def heavy_tailed(nominal: Array, sample: Nominal) -> Score:
    """Distance to the nearest nominal weld as a sum of log(1 + z^2), a Cauchy log-likelihood, in units within set-ups.

    One odd column adds a little, many add a lot. Photographs, where there are some, count once more on their own, with
    a nearest weld of their own: settings that resemble one nominal weld do not excuse a bead that resembles none.
    """
    scale = standardised(nominal)
    z = scale(nominal)
    spread = np.sqrt(np.mean([z[own].var(axis=0) for own in sample.of_each_group()], axis=0) + LEAST_WITHIN)
    points = z / spread
    parts = [np.ones(len(sample.photographs), bool)]
    if sample.photographs.any() and not sample.photographs.all():
        parts.append(sample.photographs)

    def score(rows: Array) -> Array:
        total = np.zeros(len(rows))
        for i, row in enumerate(scale(rows) / spread):
            surprise = np.log1p((row - points) ** 2)
            total[i] = sum(surprise[:, part].sum(axis=1).min() / part.sum() for part in parts)
        return total

    return score


def principal_residual(kept: float) -> Fit:
    """What the leading principal components, holding ``kept`` of the variance, leave over."""

    def fit(nominal: Array, sample: Nominal) -> Score:
        scale = standardised(nominal)
        z = scale(nominal)
        mean = z.mean(axis=0)
        _, singular, axes = np.linalg.svd(z - mean, full_matrices=False)
        explained = np.cumsum(singular**2) / (singular**2).sum()
        axes = axes[: int(np.searchsorted(explained, kept)) + 1]

        def score(rows: Array) -> Array:
            centred = scale(rows) - mean
            return np.asarray(((centred - centred @ axes.T @ axes) ** 2).sum(axis=1))

        return score

    return fit


def isolation_forest(nominal: Array, sample: Nominal) -> Score:
    """Isolation forest (Liu et al. 2008)."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=50, random_state=sample.seed).fit(nominal)
    return lambda rows: -np.asarray(forest.score_samples(rows))


def ensemble(*members: Fit) -> Fit:
    """Mean of the members' scores, each as its rank among the nominal welds that it learnt from, with a linear tail."""

    def fit(nominal: Array, sample: Nominal) -> Score:
        scores = [member(nominal, sample) for member in members]
        own = [np.sort(score(nominal)) for score in scores]

        def score(rows: Array) -> Array:
            total = np.zeros(len(rows))
            for member, known in zip(scores, own, strict=True):
                values = member(rows)
                tail = np.maximum(values - known[-1], 0) / max(np.ptp(known), 1e-9)
                total += np.searchsorted(known, values) / len(known) + tail
            return total / len(scores)

        return score

    return fit


def _statistics(table: WeldTable) -> Features:
    return table.statistics


def _levels(table: WeldTable) -> Features:
    return table.levels


def _levels_and_variation(table: WeldTable) -> Features:
    return joined(table.levels, table.variation)


#: All candidates. The first is the plain baseline.
DETECTORS: tuple[Detector, ...] = (
    Detector("mahalanobis", _statistics, mahalanobis(0.05)),
    Detector("mahalanobis, robust scaling", _statistics, mahalanobis(0.05, robust=True)),
    Detector("nearest 5", _statistics, nearest(5)),
    Detector("principal residual 0.99", _statistics, principal_residual(0.99)),
    Detector("isolation forest", _statistics, isolation_forest),
    Detector("density ensemble", _statistics, ensemble(mahalanobis(0.05), nearest(5), principal_residual(0.99))),
    Detector("nearest 5, per configuration", _statistics, nearest(5), per_configuration=True),
    Detector("levels: nearest, whitened", _levels, nearest_whitened(1)),
    Detector("levels + variation: nearest, whitened", _levels_and_variation, nearest_whitened(1)),
    Detector("levels: heavy-tailed", _levels, heavy_tailed),
)
