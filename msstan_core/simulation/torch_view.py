"""How the weld camera sees torch, laser head or stirring tool, and the wire."""

from __future__ import annotations

import math

import numpy as np

from msstan_core.simulation.drawing import draw_disc, draw_ellipse, draw_line, draw_polygon
from msstan_core.simulation.geometry import torch_points, torch_radius
from msstan_core.simulation.optics import GLOW_STEP_C, Floats, PinholeView
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.state import CellState


class TorchView:
    """A cylinder with a highlight, its lit rim, the wire and the drop that hangs at it.

    Args:
        scenario: process and camera.
        view: the camera's view.
        glow: brightness of glowing metal (``optics.glow_table``).
        ambient: brightness of a white surface under the shop light.
    """

    def __init__(self, scenario: Scenario, view: PinholeView, glow: Floats, ambient: float) -> None:
        self._process = scenario.process
        self._tee = scenario.joint.kind == "tee"
        self._view = view
        self._glow = glow
        self._ambient = ambient
        self._channels = 3 if scenario.camera.colour else 1
        self._flattened = abs(math.sin(math.radians(scenario.camera.elevation_deg)))

    def draw(self, image: Floats, state: CellState, light: float, target: tuple[float, float, float]) -> None:
        """Draw into ``image``; ``light`` is the arc's, of what saturates a white plate beside it."""
        points = self._view.project(torch_points(state, self._tee), target)
        px = self._view.focal_px / points[0, 2]
        axis = points[1, :2] - points[0, :2]
        axis = axis / max(float(np.hypot(*axis)), 1e-6)
        normal = np.array([-axis[1], axis[0]])
        radius = torch_radius(self._process) * px
        warm = min(light, 4.0)
        ambient = self._ambient
        if self._process.kind == "gmaw":
            thick = max(round(self._process.wire_diameter_m * px), 1)
            draw_line(image, points[0, :2], points[2, :2], self._grey(0.25 * ambient + 0.25 * warm), thick)
            if state.droplet_m > 2e-4 and not state.burning and state.time_s > 0:
                hot = self._glow[min(int(_drop_c(state) / GLOW_STEP_C), 800)]
                radius_px = max(0.5 * state.droplet_m * px, 1.0)
                draw_disc(image, points[2, :2], radius_px, tuple(np.atleast_1d(hot).astype(float)))
        a, b = points[0, :2], points[1, :2]
        outline = np.array(
            [a + normal * radius, b + normal * radius * 1.05, b - normal * radius * 1.05, a - normal * radius]
        )
        draw_polygon(image, outline, self._grey(0.30 * ambient + 0.025 * warm))
        # the highlight wanders on a spindle that turns
        turn = 2 * math.pi * self._process.spindle_speed_hz * state.time_s
        aside = 0.3 * math.cos(turn) if self._process.kind == "fsw" else 0.3
        left, right = normal * radius * aside, normal * radius * (aside - 0.25)
        bright = np.array([a + left, b + left, b + right, a + right])
        draw_polygon(image, bright, self._grey(0.42 * ambient + 0.03 * warm))
        angle = math.degrees(math.atan2(normal[1], normal[0]))
        rim = self._grey(0.20 * ambient + 0.12 * warm)
        draw_ellipse(image, a, (radius, 0.9 * radius * self._flattened), angle, rim)

    def _grey(self, level: float) -> tuple[float, ...]:
        return (level,) * self._channels


def _drop_c(state: CellState) -> float:
    """A drop that hangs at the wire after the arc cools within seconds."""
    return 1550.0 * math.exp(-max(state.time_s - state.last_arc_s, 0.0) / 3.0) if state.last_arc_s >= 0 else 20.0
