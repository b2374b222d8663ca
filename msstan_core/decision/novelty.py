"""How unlike nominal welding a tick is: distances of its embedding to those of nominal welds.

Two detectors with one interface. :class:`NearestNominal` is the default: nominal welding is not one cloud but one per
set-up, and a weld between two known set-ups is as strange as one outside of all; docs/results/anomaly.json compares the
two families on set-ups that were never seen. :class:`NominalEmbeddings` (Mahalanobis) is cheaper and needs less data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError

#: Rows compared with the reference points at once; bounds the memory of judging a whole recording.
_ROWS_AT_ONCE = 1024


class NoveltyDetector(ABC):
    """A distance that is about 1 for nominal ticks and grows without bound."""

    kind: ClassVar[str]  #: name in ``nominal.npz``

    @abstractmethod
    def distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., d] embeddings -> [...] distances."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write ``nominal.npz``."""


class NominalEmbeddings(NoveltyDetector):
    """Mahalanobis distance to the mean of nominal welds.

    Args:
        mean: [d]. whitening: [d, k]; distance = |(x - mean) @ whitening| / sqrt(k), so that about 1 is typical.
    """

    kind = "mahalanobis"

    def __init__(self, mean: NDArray[np.float32], whitening: NDArray[np.float32]) -> None:
        self._mean, self._whitening = mean, whitening

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32], shrinkage: float = 0.05) -> NominalEmbeddings:
        """From [N, d] embeddings of nominal ticks; the covariance is shrunk towards its mean variance."""
        covariance = np.cov(embeddings, rowvar=False)
        return cls(embeddings.mean(axis=0).astype(np.float32), _whitening(covariance, shrinkage))

    def save(self, path: Path) -> None:
        """Write ``nominal.npz``."""
        np.savez_compressed(path, kind=self.kind, mean=self._mean, whitening=self._whitening)

    def distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., d] -> [...] distances; about 1 for nominal ticks."""
        centred = (embeddings - self._mean) @ self._whitening
        return np.asarray(np.linalg.norm(centred, axis=-1) / np.sqrt(self._whitening.shape[1]), np.float32)


class NearestNominal(NoveltyDetector):
    """Mean distance to the nearest of many nominal ticks, in units of what varies within one recording.

    Args:
        points: [m, k] reference ticks, whitened. mean: [d]. whitening: [d, k]. scale: distance that counts as 1.
        neighbours: how many of the nearest are averaged.
    """

    kind = "nearest"

    def __init__(
        self,
        points: NDArray[np.float32],
        mean: NDArray[np.float32],
        whitening: NDArray[np.float32],
        scale: float,
        neighbours: int,
    ) -> None:
        self._points, self._mean, self._whitening = points, mean, whitening
        self._scale, self._neighbours = scale, neighbours
        self._squares = (points.astype(np.float64) ** 2).sum(axis=1).astype(np.float32)

    @classmethod
    def fit(
        cls,
        embeddings: NDArray[np.float32],
        groups: Sequence[object],
        *,
        points: int = 2000,
        neighbours: int = 3,
        shrinkage: float = 0.1,
        seed: int = 0,
    ) -> NearestNominal:
        """From [N, d] embeddings of nominal ticks.

        Args:
            embeddings: of nominal ticks. groups: [N] recording or set-up of each: directions in which a tick varies
                within its group count less than those in which it does not.
            points: reference ticks kept, the same number from every group as far as there are so many.
            neighbours: nearest ones averaged. shrinkage: of the covariance within groups. seed: of the choice.
        """
        names, index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
        means = np.stack([embeddings[index == g].mean(axis=0) for g in range(len(names))])
        within = np.cov(embeddings - means[index], rowvar=False)
        mean, whitening = embeddings.mean(axis=0).astype(np.float32), _whitening(within, shrinkage)
        kept = _evenly(index, points, np.random.default_rng(seed))
        whitened = ((embeddings[kept] - mean) @ whitening).astype(np.float32)
        unscaled = cls(whitened, mean, whitening, 1.0, min(neighbours, len(kept)))
        return cls(whitened, mean, whitening, unscaled._typical(index[kept]), min(neighbours, len(kept)))

    def _typical(self, group: NDArray[np.int64]) -> float:
        """Median distance of a reference tick to the nearest ones of other groups (of all where there is one)."""
        alone = len(np.unique(group)) == 1
        distances = np.empty(len(group))
        for begin in range(0, len(group), _ROWS_AT_ONCE):
            rows = slice(begin, begin + _ROWS_AT_ONCE)
            squares = self._squared(self._points[rows])
            excluded = np.eye(len(group), dtype=bool)[rows] if alone else group[rows][:, None] == group[None, :]
            distances[rows] = self._nearest(np.where(excluded, np.inf, squares))
        finite = distances[np.isfinite(distances)]
        return max(float(np.median(finite)), 1e-6) if len(finite) else 1.0

    def save(self, path: Path) -> None:
        """Write ``nominal.npz``."""
        np.savez_compressed(
            path,
            kind=self.kind,
            points=self._points,
            mean=self._mean,
            whitening=self._whitening,
            scale=self._scale,
            neighbours=self._neighbours,
        )

    def distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., d] -> [...] distances; about 1 for nominal ticks of a recording that is not among the points."""
        rows = np.asarray(embeddings, np.float32).reshape(-1, len(self._mean))
        whitened = np.asarray((rows - self._mean) @ self._whitening, np.float32)
        out = np.empty(len(rows), np.float32)
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            out[part] = self._nearest(self._squared(whitened[part])) / self._scale
        return out.reshape(np.shape(embeddings)[:-1])

    def _squared(self, whitened: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, k] -> [n, m] squared distances to the points."""
        own = (whitened**2).sum(axis=1)
        return np.asarray(np.maximum(own[:, None] - 2.0 * (whitened @ self._points.T) + self._squares, 0.0))

    def _nearest(self, squares: NDArray[Any]) -> NDArray[Any]:
        """[n, m] -> [n] mean of the smallest distances."""
        nearest = np.partition(squares, self._neighbours - 1, axis=1)[:, : self._neighbours]
        return np.asarray(np.sqrt(nearest).mean(axis=1))


def load_novelty(path: Path) -> NoveltyDetector:
    """Read ``nominal.npz``, whichever detector it holds.

    Raises:
        InputError: when the file is damaged or of an unknown kind.
    """
    remedy = "train or export the model again"
    try:
        # Opened here: NumPy leaves a file that it cannot read open.
        with path.open("rb") as stream, np.load(stream) as data:
            kind = str(data["kind"]) if "kind" in data else NominalEmbeddings.kind
            if kind == NominalEmbeddings.kind:
                return NominalEmbeddings(data["mean"], data["whitening"])
            if kind == NearestNominal.kind:
                return NearestNominal(
                    data["points"], data["mean"], data["whitening"], float(data["scale"]), int(data["neighbours"])
                )
    except Exception as error:  # a damaged archive raises zlib's, zipfile's and NumPy's own types
        raise InputError(path, f"cannot be read ({error})", remedy) from None
    raise InputError(path, f"holds an unknown detector {kind!r}", remedy)


def _whitening(covariance: NDArray[np.float64], shrinkage: float) -> NDArray[np.float32]:
    """[d, d] covariance, shrunk towards its mean variance -> [d, d] with (x @ it) of unit variance."""
    size = len(covariance)
    covariance = covariance + 1e-6 * np.eye(size)
    level = np.trace(covariance) / size
    values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * level * np.eye(size))
    return np.asarray(vectors / np.sqrt(values), np.float32)


def _evenly(index: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows, about the same number from every group, ``wanted`` in all where there are so many."""
    order = rng.permutation(len(index))
    turn = np.empty(len(index), np.int64)
    for group in np.unique(index):
        rows = order[index[order] == group]
        turn[rows] = np.arange(len(rows))
    return np.asarray(order[np.argsort(turn[order], kind="stable")][:wanted])
