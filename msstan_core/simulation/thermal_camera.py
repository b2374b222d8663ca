"""The thermal camera: radiance of hot metal and arc, read back as a temperature with one assumed emissivity."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.drawing import draw_polygon
from msstan_core.simulation.fixture import Outline, clamps, outlines
from msstan_core.simulation.geometry import UPRIGHT_M, torch_foot, torch_points, torch_radius
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.optics import Floats, PinholeView, band_radiance, band_temperature
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.state import CellState

#: Effective band of a camera for welding temperatures, m.
BAND_M = 2.0e-6
#: Share of the crop above the hottest point, as in crops that follow it.
_CROP_ABOVE = 0.66


class ThermalCamera:
    """Renders temperature readings, whole image or a crop that follows the hottest point."""

    def __init__(self, scenario: Scenario, length_m: float, random: np.random.Generator) -> None:
        s = self._settings = scenario.thermal
        self._random = random
        tee = scenario.joint.kind == "tee"
        azimuth = abs(s.azimuth_deg) if tee else s.azimuth_deg
        self._tee = tee
        self._view = PinholeView(
            s.width, s.height, azimuth, s.elevation_deg, 0.6, s.field_of_view_m, UPRIGHT_M if tee else 0.0
        )
        self._clamps = clamps(scenario.joint, length_m)
        self._middle_m = length_m / 2
        self._rows, self._columns = np.arange(s.height)[:, None] + 0.5, np.arange(s.width)[None, :] + 0.5
        self._nozzle_c = scenario.joint.ambient_c
        self._flicker = 1.0
        self._arc_tail = np.zeros(2)
        self._process = scenario.process.kind
        self._tool_radius_m = torch_radius(scenario.process)

    def frame(self, state: CellState, heat: HeatField) -> Floats:
        """Readings in degC, [H, W] float32."""
        s = self._settings
        target = (
            (state.torch_x_m, state.torch_y_m, state.torch_lift_m) if s.mount == "torch" else (self._middle_m, 0.0, 0.0)
        )
        view = self._view.surface(target)
        cell = np.float32(1 / heat.cell_m)
        field_x, field_y = (view.x_m - np.float32(heat.x_m[0])) * cell, (view.s_m - np.float32(heat.y_m[0])) * cell
        layers = np.dstack([heat.surface_c, heat.emissivity()]).astype(np.float32)
        seen = cv2.remap(layers, field_x, field_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                           borderValue=(heat.ambient_c, 0.8))  # fmt: skip
        celsius, emissivity = np.asarray(seen[..., 0], np.float32), np.asarray(seen[..., 1], np.float32)
        celsius = np.where(view.nothing, np.float32(heat.ambient_c), celsius)
        radiance = emissivity * band_radiance(celsius, BAND_M)
        # surroundings reflect from bright metal, and the parts reflect the arc
        radiance = radiance + (1.0 - emissivity) * band_radiance(np.array(heat.ambient_c), BAND_M)
        fixture = outlines(self._clamps, state.placement, self._view, target, torch_foot(state))
        self._cover_with_clamps(radiance, fixture, False, heat.ambient_c)
        self._cover_with_torch(radiance, state, target)
        light = state.mean_light_w(0.0015)
        if light > 0:
            self._add_arc(radiance, state, light, target)
        self._cover_with_clamps(radiance, fixture, True, heat.ambient_c)
        if s.blur_px > 0.2:
            radiance = cv2.GaussianBlur(radiance, (0, 0), s.blur_px)
        reading = band_temperature(radiance / s.emissivity, BAND_M)
        # netd grows where the detector sees little radiance; at high temperature it is proportional
        sigma = s.noise_c * (0.5 + 0.5 * np.abs(reading) / 300.0)
        reading = reading + sigma * self._random.standard_normal(reading.shape)
        reading = np.clip(reading, s.range_low_c, s.range_high_c).astype(np.float32)
        return self._crop(reading) if s.crop_px else reading

    def _cover_with_clamps(
        self, radiance: NDArray[np.floating], fixture: list[Outline], in_front: bool, ambient_c: float
    ) -> None:
        level = float(0.8 * band_radiance(np.array(ambient_c + 8.0), BAND_M))
        for outline in fixture:
            if outline.in_front == in_front:
                draw_polygon(radiance, outline.hull, (level,))

    def _cover_with_torch(
        self, radiance: NDArray[np.floating], state: CellState, target: tuple[float, float, float]
    ) -> None:
        if self._process == "laser":
            return
        points = self._view.project(torch_points(state, self._tee), target)
        warmth = 60.0 if state.burning else -8.0
        self._nozzle_c += (
            0.002 * (120.0 + warmth - self._nozzle_c) if state.burning else -0.0008 * (self._nozzle_c - 22.0)
        )
        px = self._view.focal_px / points[0, 2]
        axis = points[1, :2] - points[0, :2]
        normal = np.array([-axis[1], axis[0]]) / max(float(np.hypot(*axis)), 1e-6) * self._tool_radius_m * px
        a, b = points[0, :2], points[1, :2]
        outline = np.round(np.array([a + normal, b + normal, b - normal, a - normal])).astype(np.int32)
        level = float(0.6 * band_radiance(np.array(self._nozzle_c), BAND_M))
        if np.all(np.abs(outline) < 8000):
            cv2.fillConvexPoly(radiance, outline, level)
        if state.burning and self._process == "gmaw":
            wire = float(0.5 * band_radiance(np.array(750.0), BAND_M))
            ends = np.round(points[[0, 2], :2]).astype(int)
            if np.all(np.abs(ends) < 8000):
                cv2.line(radiance, tuple(map(int, ends[0])), tuple(map(int, ends[1])), wire, 1)

    def _add_arc(
        self, radiance: NDArray[np.floating], state: CellState, light: float, target: tuple[float, float, float]
    ) -> None:
        """Arc radiation in the band, as an excess over the metal's."""
        s = self._settings
        middle = self._view.project(
            np.array([[state.arc_x_m, state.arc_y_m, state.torch_lift_m + 0.5 * state.gap_m + 0.001]]), target
        )[0]
        px = self._view.focal_px / middle[2]
        self._arc_tail += -0.3 * self._arc_tail + 0.5 * self._random.standard_normal(2)
        self._flicker += 0.35 * (1.0 - self._flicker) + 0.22 * float(self._random.standard_normal())
        level = 0.11 * s.arc_light * light / 2500.0 * max(self._flicker, 0.1)
        rows, columns = self._rows, self._columns
        for size, offset, share in ((0.0016, 0.0, 1.0), (0.0045, 0.0030, 0.04), (0.014, 0.0, 0.00005)):
            sigma = max((size + 0.2 * state.gap_m) * px, 0.6)
            cx, cy = middle[:2] + self._arc_tail * offset * px
            radiance += share * level * np.exp(-0.5 * ((columns - cx) ** 2 + (rows - cy) ** 2) / sigma**2)

    def _crop(self, reading: Floats) -> Floats:
        """A square around the hottest pixel; the border repeats the edge."""
        size = self._settings.crop_px
        row, column = divmod(int(np.argmax(reading)), reading.shape[1])
        above = math.floor(size * _CROP_ABOVE)
        rows = np.clip(np.arange(row - above, row - above + size), 0, reading.shape[0] - 1)
        columns = np.clip(np.arange(column - size // 2, column - size // 2 + size), 0, reading.shape[1] - 1)
        return np.ascontiguousarray(reading[np.ix_(rows, columns)])
