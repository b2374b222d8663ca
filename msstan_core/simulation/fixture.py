"""Clamps that hold the parts: where they are, and how they stand in a camera's way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.drawing import draw_polygon
from msstan_core.simulation.geometry import MARGIN_X_M
from msstan_core.simulation.optics import Floats, PinholeView
from msstan_core.simulation.scenario import Joint

#: Distance from the seam of a closed clamp, and how far it opens; width and length of its arm, m.
REACH_M, OPENING_M, WIDTH_M, ARM_M = 0.012, 0.02, 0.0084, 0.045
#: Share of the placement after which clamps close.
CLOSES_AT = 0.8
#: Nothing nearer to the lens is drawn, m.
_NEAREST_M = 0.02


@dataclass(frozen=True, slots=True)
class Clamp:
    """A bar across the part, its end towards the seam."""

    x_m: float
    side: int  #: 1: on the near part, -1: on the far part
    height_m: float

    def ends_m(self, closing: float) -> tuple[float, float]:
        """Inner and outer end, y without sign; ``closing`` 0: open, 1: closed."""
        reach = REACH_M + OPENING_M * (1.0 - closing)
        return reach, reach + ARM_M


@dataclass(frozen=True, slots=True)
class Outline:
    """A clamp as a camera sees it, px."""

    hull: NDArray[np.float64]  #: [N, 2]
    top: NDArray[np.float64]  #: [4, 2]
    in_front: bool  #: nearer to the lens than the torch
    from_behind: bool  #: the camera sees the end that points away from the arc


def clamps(joint: Joint, length_m: float) -> list[Clamp]:
    """Clamps along a seam of ``length_m``, on both sides by turns."""
    span = length_m + 2 * MARGIN_X_M
    along = [-MARGIN_X_M + span * (index + 0.7) / (joint.clamps + 0.4) for index in range(joint.clamps)]
    return [Clamp(x, -1 if index % 2 == 0 else 1, joint.clamp_height_m) for index, x in enumerate(along)]


def outlines(
    standing: list[Clamp],
    placement: float,
    view: PinholeView,
    target: tuple[float, float, float],
    torch: NDArray[np.float64],
) -> list[Outline]:
    """Clamps in view; none before they close. ``torch``: its foot, [3]. On an upright part they lie flat: none."""
    closing = (placement - CLOSES_AT) / (1.0 - CLOSES_AT)
    if closing <= 0.0:
        return []
    found = []
    torch_depth = float(view.project(torch, target)[0, 2])
    lens_y = float(view.position(target)[1])
    for clamp in standing:
        if clamp.height_m <= 0.0 or (clamp.side < 0 and view.has_upright):
            continue
        ends = [clamp.side * y for y in clamp.ends_m(closing)]
        across = (clamp.x_m - WIDTH_M / 2, clamp.x_m + WIDTH_M / 2)
        corners = np.array([(x, y, z) for z, y, x in product((0.0, clamp.height_m), ends, across)])
        seen = view.project(corners, target)
        if float(seen[:, 2].min()) < _NEAREST_M:
            continue
        hull = np.asarray(cv2.convexHull(seen[:, :2].astype(np.float32))[:, 0], np.float64)
        top = seen[[4, 5, 7, 6], :2]
        found.append(Outline(hull, top, float(seen[:, 2].mean()) < torch_depth, lens_y * clamp.side > 0))
    return found


def draw_clamps(image: Floats, visible: list[Outline], in_front: bool, ambient: float, light: float) -> None:
    """Draw those before or behind the torch; ``ambient`` and ``light`` are the shop's and the arc's, 1 on white."""
    for outline in visible:
        if outline.in_front == in_front:
            lit = min(light, 4.0) * (0.03 if outline.from_behind else 0.35)
            channels = image.shape[2] if image.ndim == 3 else 1
            draw_polygon(image, outline.hull, (0.13 * ambient + 0.18 * lit,) * channels)
            draw_polygon(image, outline.top, (0.22 * ambient + 0.05 * min(light, 4.0),) * channels)
