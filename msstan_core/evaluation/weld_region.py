"""Where in the picture the weld is: known for simulated bags, whose scenario says where seam and camera are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from msstan_core.simulation.optics import SurfaceView
from msstan_core.simulation.procedure import seams_length
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.weld_camera import AIM_ABOVE_TIP_M, camera_view

#: Metal this near to the seam's line is the weld: bead, pool, weave and the foot of the arc. m
SEAM_M = 0.010


def weld_region(attributes: Mapping[str, str], shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Share of each cell of an attention map that shows metal within SEAM_M of the seam, [h, w].

    A camera of the cell sees the seam in one place all the time. One that travels with the torch sees a band through
    the torch's foot; that the band ends with the seam is left out. Everything else is background: parts far from the
    seam, what lies behind the work, and torch and arc where they stand in front of either.

    Args:
        attributes: of the bag. shape: (h, w) of the map, which covers the whole picture.

    Returns:
        None for a bag that does not hold the scenario it was simulated from.
    """
    try:
        scenario = Scenario.model_validate_json(attributes.get("scenario", ""))
    except ValidationError:
        return None
    length = seams_length(scenario)
    travels = scenario.camera.mount == "torch"
    view = camera_view(scenario).surface((0.0, 0.0, AIM_ABOVE_TIP_M) if travels else (length / 2, 0.0, 0.0))
    return cell_shares(weld_pixels(view, None if travels else length), shape)


def weld_pixels(view: SurfaceView, length_m: float | None) -> NDArray[np.bool_]:
    """[H, W] pixels that show metal within SEAM_M of the seam from x = 0 to ``length_m``; None: of an endless one."""
    beyond = np.zeros_like(view.x_m) if length_m is None else np.maximum(np.maximum(-view.x_m, view.x_m - length_m), 0)
    return np.asarray((np.hypot(beyond, view.s_m) <= SEAM_M) & ~view.nothing)


def cell_shares(pixels: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Share of true pixels in each cell of a grid over the picture: [H, W] -> [h, w] (a pixel belongs to one cell)."""
    rows, columns = (np.arange(n) * cells // n for n, cells in zip(pixels.shape, shape, strict=True))
    cell = (rows[:, None] * shape[1] + columns[None, :]).ravel()
    places = shape[0] * shape[1]
    inside = np.bincount(cell, pixels.ravel().astype(np.float64), places)
    return np.asarray((inside / np.maximum(np.bincount(cell, minlength=places), 1)).reshape(shape))
