"""Drawing light into an image, with places in px; what lies far outside is left out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.optics import Floats

#: OpenCV's fixed-point coordinates overflow beyond this.
_FAR_PX = 8000
Point = NDArray[np.float64]
Colour = tuple[float, ...]


def draw_line(image: Floats, a: Point, b: Point, colour: Colour, thickness: int) -> None:
    """A line from ``a`` to ``b``."""
    if np.all(np.abs(a) < _FAR_PX) and np.all(np.abs(b) < _FAR_PX):
        start, end = (round(float(a[0]) * 8), round(float(a[1]) * 8)), (round(float(b[0]) * 8), round(float(b[1]) * 8))
        cv2.line(image, start, end, colour, thickness, cv2.LINE_8, 3)


def draw_disc(image: Floats, centre: Point, radius: float, colour: Colour) -> None:
    """A filled circle."""
    if np.all(np.abs(centre) < _FAR_PX):
        cv2.circle(image, (round(float(centre[0])), round(float(centre[1]))), max(round(radius), 1), colour, -1)


def draw_polygon(image: Floats, outline: Point, colour: Colour) -> None:
    """A filled convex polygon [N, 2]."""
    if np.all(np.abs(outline) < _FAR_PX):
        cv2.fillConvexPoly(image, np.round(outline).astype(np.int32), colour)


def draw_ellipse(image: Floats, centre: Point, axes: tuple[float, float], angle_deg: float, colour: Colour) -> None:
    """A filled ellipse with half axes ``axes``."""
    if np.all(np.abs(centre) < _FAR_PX):
        size = (max(round(axes[0]), 1), max(round(axes[1]), 1))
        cv2.ellipse(image, (round(float(centre[0])), round(float(centre[1]))), size, angle_deg, 0, 360, colour, -1)


def add_blob(image: Floats, centre: Point, wide: float, tall: float, strength: float, tint: Floats) -> None:
    """Add a Gaussian of light in place; ``tint`` [channels]."""
    wide, tall = max(wide, 0.5), max(tall, 0.5)
    rows, columns = image.shape[:2]
    c0, c1 = max(int(centre[0] - 3.5 * wide), 0), min(int(centre[0] + 3.5 * wide) + 1, columns)
    r0, r1 = max(int(centre[1] - 3.5 * tall), 0), min(int(centre[1] + 3.5 * tall) + 1, rows)
    if c0 >= c1 or r0 >= r1:
        return
    gx = np.exp(-0.5 * ((np.arange(c0, c1) + 0.5 - centre[0]) / wide) ** 2)
    gy = np.exp(-0.5 * ((np.arange(r0, r1) + 0.5 - centre[1]) / tall) ** 2) * strength
    patch = gy.astype(np.float32)[:, None] * gx.astype(np.float32)[None, :]
    image[r0:r1, c0:c1] += cv2.merge([patch * t for t in tint]) if image.ndim == 3 else patch
