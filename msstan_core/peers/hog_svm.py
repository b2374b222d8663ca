"""SVM + HOG: histograms of oriented gradients (N. Dalal, B. Triggs, CVPR 2005) and a linear SVM per frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError

#: Side of the image that is described, of a cell, cells of a block, unsigned orientations: as published.
PIXELS = 64
_CELL, _BLOCK, _ORIENTATIONS = 8, 2, 9
#: L2-hys: clip after the first normalisation, normalise again.
_CLIP, _EPSILON = 0.2, 1e-6
_CELLS = PIXELS // _CELL
#: Length of a descriptor.
DESCRIPTOR = (_CELLS - _BLOCK + 1) ** 2 * _BLOCK**2 * _ORIENTATIONS
_PENALTY = 0.01
_MOST_ITERATIONS = 2000


def hog(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images [N, H, W, 3] RGB -> descriptors [N, 1764] of the images resized to 64 px."""
    out = np.zeros((len(images), DESCRIPTOR), np.float32)
    for row, image in enumerate(images):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        out[row] = _describe(cv2.resize(grey, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA))
    return out


def _describe(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[64, 64] -> [1764]. Votes go to the two nearest orientations; cells are not interpolated in space."""
    padded = np.pad(grey.astype(np.float32), 1, mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    strength = np.hypot(across, down)
    bins = np.mod(np.arctan2(down, across), np.pi) * (_ORIENTATIONS / np.pi) - 0.5
    lower = np.floor(bins).astype(np.int64)
    upper_share = bins - lower
    rows, columns = np.indices(grey.shape) // _CELL
    cell = (rows * _CELLS + columns) * _ORIENTATIONS
    histogram = np.bincount(
        np.concatenate([(cell + lower % _ORIENTATIONS).ravel(), (cell + (lower + 1) % _ORIENTATIONS).ravel()]),
        np.concatenate([(strength * (1 - upper_share)).ravel(), (strength * upper_share).ravel()]),
        minlength=_CELLS**2 * _ORIENTATIONS,
    ).reshape(_CELLS, _CELLS, _ORIENTATIONS)
    side = _CELLS - _BLOCK + 1
    corners = [histogram[i : i + side, j : j + side] for i in range(_BLOCK) for j in range(_BLOCK)]
    blocks = np.concatenate(corners, axis=2).reshape(side * side, -1)
    blocks = np.minimum(blocks / np.sqrt((blocks**2).sum(axis=1, keepdims=True) + _EPSILON), _CLIP)
    blocks = blocks / np.sqrt((blocks**2).sum(axis=1, keepdims=True) + _EPSILON)
    return np.asarray(blocks.reshape(-1), np.float32)


class HogSvm:
    """One-against-rest linear SVMs over HOG descriptors."""

    def __init__(self, seed: int) -> None:
        try:
            from sklearn.svm import LinearSVC
        except ImportError:
            raise InputError("scikit-learn", "is not installed", "pip install -r requirements/training.txt") from None
        self._svm = LinearSVC(C=_PENALTY, class_weight="balanced", max_iter=_MOST_ITERATIONS, random_state=seed)

    def fit(self, descriptors: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        """Learn from descriptors [N, 1764] with labels [N] of two classes or more."""
        self._svm.fit(descriptors, labels)

    def scores(self, descriptors: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
        """Decision values [N, classes]; very low for classes that were not learnt."""
        values = np.asarray(self._svm.decision_function(descriptors), np.float32)
        if values.ndim == 1:  # scikit-learn gives one column for two classes
            values = np.stack([-values, values], axis=1)
        out = np.full((len(descriptors), classes), _NOT_LEARNT, np.float32)
        out[:, self._svm.classes_] = values
        return out


_NOT_LEARNT = -1e3
