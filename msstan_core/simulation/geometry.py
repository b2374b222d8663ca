"""Where things of the cell are. The cameras share it, so that they see one cell.

Coordinates as in heat.py: x along the seam, y across (y > 0 near), z up from the lower part, m.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.scenario import ProcessSettings
from msstan_core.simulation.state import CellState

#: What is modelled of the parts beyond the ends of the seam, m.
MARGIN_X_M = 0.06
#: Height of the upright part of a tee joint, m.
UPRIGHT_M = 0.04
NOZZLE_RADIUS_M, NOZZLE_LENGTH_M = 0.0085, 0.06
Vector = NDArray[np.float64]


def torch_axis(tee: bool) -> Vector:
    """Direction [3] from the work to the torch; a tee joint is welded at 45 degrees."""
    return np.array([0.0, 0.7071, 0.7071]) if tee else np.array([0.0, 0.0, 1.0])


def torch_foot(state: CellState) -> Vector:
    """Where the torch's axis meets the work, [3], lifted with the torch."""
    return np.array([state.torch_x_m, state.torch_y_m, state.torch_lift_m])


def torch_points(state: CellState, tee: bool) -> Vector:
    """Contact tip, upper end of the nozzle and end of the wire, [3, 3]."""
    axis = torch_axis(tee)
    tip = torch_foot(state) + axis * state.tip_m
    return np.stack([tip, tip + axis * NOZZLE_LENGTH_M, tip - axis * state.stick_out_m])


def torch_radius(process: ProcessSettings) -> float:
    """Radius of nozzle, laser head or shoulder, m."""
    return process.shoulder_radius_m if process.kind == "fsw" else NOZZLE_RADIUS_M
