"""What adapts: the linear action head and an affine map of the embedding, and how far they have moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Head:
    """``logits = weight @ (scale * e + shift) + bias`` of an embedding e; immutable.

    The network's embedding is gamma * z + beta, its LayerNorm's affine map of a normalised z. ``scale`` and ``shift``
    compose with it into (gamma * scale) * z + (beta * scale + shift), which is again such a map: they are the adapted
    LayerNorm affine, in coordinates in which the shipped one is 1 and 0.
    """

    weight: Array  #: [K, d]
    bias: Array  #: [K]
    scale: Array  #: [d]
    shift: Array  #: [d]

    @classmethod
    def shipped(cls, weight: NDArray[np.floating], bias: NDArray[np.floating]) -> Head:
        """The head as it was trained: weight [K, d], bias [K]."""
        width = weight.shape[1]
        return cls(np.asarray(weight, float), np.asarray(bias, float), np.ones(width), np.zeros(width))

    def logits(self, embeddings: NDArray[np.floating]) -> Array:
        """[..., d] -> [..., K]."""
        return np.asarray((embeddings * self.scale + self.shift) @ self.weight.T + self.bias)

    def parts(self) -> tuple[Array, Array, Array, Array]:
        """Weight, bias, scale, shift."""
        return self.weight, self.bias, self.scale, self.shift

    def moved(self, by: Head, share: float = 1.0) -> Head:
        """This head plus ``share`` of the differences ``by``."""
        return Head(*(a + share * b for a, b in zip(self.parts(), by.parts(), strict=True)))

    def less(self, other: Head) -> Head:
        """The differences to ``other``, part by part."""
        return Head(*(a - b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def equals(self, other: Head) -> bool:
        """Whether both answer alike because every number is the same."""
        return all(np.array_equal(a, b) for a, b in zip(self.parts(), other.parts(), strict=True))

    @property
    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(np.isfinite(part).all() for part in self.parts())


@dataclass(frozen=True, slots=True)
class DriftBound:
    """How far a head may move from the shipped one.

    Drift is the root of the summed squared changes, those of weight and bias in units of the shipped weight's norm and
    those of scale and shift as root mean squares: 0 is the shipped head, and 1 would be as far as forgetting it.
    """

    shipped: Head
    largest: float

    def drift(self, head: Head) -> float:
        """Distance of ``head`` from the shipped one."""
        weight, bias, scale, shift = head.less(self.shipped).parts()
        size = max(float((self.shipped.weight**2).sum()), 1e-12)
        squared = ((weight**2).sum() + (bias**2).sum()) / size + (scale**2).mean() + (shift**2).mean()
        return float(np.sqrt(squared))

    def within(self, head: Head) -> Head:
        """``head``, or the nearest point of the ball of radius ``largest`` on the way to it."""
        drift = self.drift(head)
        if drift <= self.largest:
            return head
        # A hair inside, so that rounding never puts the result outside.
        return self.shipped.moved(head.less(self.shipped), (1.0 - 1e-9) * self.largest / drift)


@dataclass(frozen=True, slots=True)
class Correction:
    """What the answering path adds to the network's logits: one small product, and exactly nothing when shipped.

    Args:
        revision: number of the weights in use.
        weight: [K, d] or None for the shipped head. offset: [K].
    """

    revision: int
    weight: NDArray[np.float32] | None = None
    offset: NDArray[np.float32] | None = None

    @classmethod
    def between(cls, revision: int, shipped: Head, head: Head) -> Correction:
        """The difference of two heads' logits as an affine map of the embedding; none where they are equal."""
        if head is shipped or head.equals(shipped):
            return cls(revision)
        weight = head.weight * head.scale - shipped.weight * shipped.scale
        offset = head.weight @ head.shift + head.bias - shipped.weight @ shipped.shift - shipped.bias
        return cls(revision, weight.astype(np.float32), offset.astype(np.float32))

    def apply(self, logits: NDArray[np.float32], embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., K] logits of the network with their [..., d] embedding -> corrected logits."""
        if self.weight is None or self.offset is None:
            return logits
        return np.asarray(logits + embedding @ self.weight.T + self.offset, np.float32)
