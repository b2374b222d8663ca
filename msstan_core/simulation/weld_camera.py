"""The weld camera: arc, pool, glowing metal, wire, nozzle, parts, spatter, smoke and glare, through lens and sensor."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.camera_sensor import CameraSensor
from msstan_core.simulation.fixture import clamps, draw_clamps, outlines
from msstan_core.simulation.geometry import UPRIGHT_M, torch_foot
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.imperfections import Mark
from msstan_core.simulation.light_sources import ArcLight, draw_spatter, landing
from msstan_core.simulation.optics import GLOW_STEP_C, Floats, PinholeView, SurfaceView, glow_table
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.scene import CANVAS_M, WorkSurface, paint_background
from msstan_core.simulation.state import CellState
from msstan_core.simulation.torch_view import TorchView

#: Arc light at which ``arc_filter`` = 0.02 just saturates a white plate 6 mm away, W.
_REFERENCE_LIGHT_W = 2500.0
#: Emissivity for which the setting ``glow`` is the brightness at 1500 degC.
OXIDISED_STEEL = 0.85
#: A camera on the torch aims this far above the foot of the torch's axis, m.
AIM_ABOVE_TIP_M = 0.004


def camera_view(scenario: Scenario) -> PinholeView:
    """The optics of the scenario's weld camera."""
    s, tee = scenario.camera, scenario.joint.kind == "tee"
    azimuth = abs(s.azimuth_deg) if tee else s.azimuth_deg  # the upright part hides the weld from the other side
    return PinholeView(
        s.width, s.height, azimuth, s.elevation_deg, s.distance_m, s.field_of_view_m,
        UPRIGHT_M if tee else 0.0, s.distortion,
    )  # fmt: skip


class WeldCamera:
    """Renders frames of the cell's state. The torch mount makes the camera travel (and lift off) with the torch."""

    def __init__(self, scenario: Scenario, length_m: float, random: np.random.Generator) -> None:
        s = self._settings = scenario.camera
        tee = self._tee = scenario.joint.kind == "tee"
        self._view = camera_view(scenario)
        self._middle_m = length_m / 2
        self._clamps = clamps(scenario.joint, length_m)
        self.surface = WorkSurface(scenario, length_m, random)
        self._sensor = CameraSensor(s, random)
        self._channels = self._sensor.channels
        self._glow = glow_table(s.glow, s.colour)
        self._arc_tint = np.array([1.12, 1.0, 0.9] if s.colour else [1.0], np.float32)
        self._arc = ArcLight(self._view, tee, self._arc_tint, random)
        self._background = paint_background(s.width, s.height, s.clutter, random)
        puffs = random.standard_normal((96, 64)).astype(np.float32)
        puffs = cv2.GaussianBlur(puffs, (0, 0), 2.5) * 3.0 + cv2.GaussianBlur(puffs, (0, 0), 7.0) * 8.0
        self._puffs = np.clip(puffs, 0, None)
        self._ambient = 0.9 * s.ambient_light
        self._torch = TorchView(scenario, self._view, self._glow, self._ambient)
        self._light_direction = random.uniform(-0.6, 0.6, 2)
        self._joined: NDArray[np.bool_] | bool = False
        self._seen_joined = 0
        self._seen_marks = 0
        self._seen_landed = 0

    def frame(self, state: CellState, heat: HeatField, marks: list[Mark]) -> NDArray[np.uint8]:
        """The image of this moment, [H, W, 3] BGR."""
        s = self._settings
        self._update_surface(state, heat, marks)
        target = self._target(state)
        view = self._view.surface(target)
        if not self._tee:
            self._view.raise_bead(view, heat.bead_m, float(heat.x_m[0]), float(heat.y_m[0]), heat.cell_m)
        light = state.mean_light_w(s.exposure_s) / _REFERENCE_LIGHT_W * (s.arc_filter / 0.02)
        image = self._lit_surface(state, heat, view, light)
        if s.smoke > 0 and (state.fume > 0.01):
            self._add_smoke(image, state, light, target)
        fixture = outlines(self._clamps, state.placement, self._view, target, torch_foot(state))
        draw_clamps(image, fixture, False, self._ambient, light)
        self._torch.draw(image, state, light, target)
        if light > 0.0:
            self._arc.draw(image, state, light, target)
        draw_clamps(image, fixture, True, self._ambient, light)
        draw_spatter(image, state, self._view, target, s)
        return self._sensor.expose(image)

    def _target(self, state: CellState) -> tuple[float, float, float]:
        if self._settings.mount == "torch":
            return state.torch_x_m, state.torch_y_m, state.torch_lift_m + AIM_ABOVE_TIP_M
        return self._middle_m, 0.0, 0.0

    def _update_surface(self, state: CellState, heat: HeatField, marks: list[Mark]) -> None:
        self.surface.set_placement(state.placement)
        count = int(np.count_nonzero(heat.joined))
        if count != self._seen_joined:
            for row, column in np.argwhere(heat.joined & ~self._joined):
                self.surface.add_weld_metal(float(heat.x_m[column]), float(heat.y_m[row]), heat.cell_m)
            self._joined, self._seen_joined = heat.joined.copy(), count
        for mark in marks[self._seen_marks :]:
            self.surface.add_mark(mark)
        self._seen_marks = len(marks)
        for ejection in state.landed[self._seen_landed :]:
            x, y = landing(ejection)
            self.surface.add_spatter(ejection, x, y)
        self._seen_landed = len(state.landed)

    def _lit_surface(self, state: CellState, heat: HeatField, view: SurfaceView, light: float) -> Floats:
        """Reflected shop light and arc light, plus the glow of hot metal."""
        canvas = self.surface
        map_x = (view.x_m - np.float32(canvas.x0_m)) * np.float32(1 / CANVAS_M)
        map_y = (view.s_m - np.float32(canvas.y0_m)) * np.float32(1 / CANVAS_M)
        picture: NDArray[Any] = cv2.remap(
            canvas.reflectance, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        if self._channels == 1:
            picture = np.ascontiguousarray(picture[..., 1])
        fields = self._surface_fields(heat)
        cell = np.float32(1 / heat.cell_m)
        field_x = (view.x_m - np.float32(heat.x_m[0])) * cell
        field_y = (view.s_m - np.float32(heat.y_m[0])) * cell
        seen = cv2.remap(fields, field_x, field_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
                         borderValue=(heat.ambient_c, 1.0, 0.0, 0.0))  # fmt: skip
        celsius, shade, dark, emissivity = (np.asarray(layer, np.float32) for layer in cv2.split(seen))
        np.subtract(1.0, dark, out=dark)
        shop = np.float32(self._ambient) * shade * dark
        if light > 0.0:
            arc = self._arc_illumination(state, view, light)
            arc *= dark
            lit = [shop + np.float32(0.4 + 0.6 * t) * arc for t in self._arc_tint]
        else:
            lit = [shop] * self._channels
        image = np.asarray(cv2.multiply(picture, cv2.merge(lit), scale=1 / 255, dtype=cv2.CV_32F), np.float32)
        self._add_glow(image, celsius, emissivity)
        if view.nothing.any():
            behind = self._background * np.float32(self._ambient + 0.05 * min(light, 3.0))
            cv2.copyTo(self._sensor.spread(behind), view.nothing.astype(np.uint8), image)
        return image

    def _add_glow(self, image: Floats, celsius: Floats, emissivity: Floats) -> None:
        """Light of metal above 550 degC, where there is any."""
        hot = celsius > 550.0
        rows = np.flatnonzero(hot.any(1))
        if len(rows) == 0:
            return
        columns = np.flatnonzero(hot[rows[0] : rows[-1] + 1].any(0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        glow = self._glow[np.minimum(celsius[box] * np.float32(1 / GLOW_STEP_C), 800.0).astype(np.int16)]
        image[box] += glow * (emissivity[box] if glow.ndim == 2 else emissivity[box][..., None])

    def _surface_fields(self, heat: HeatField) -> Floats:
        """[ny, nx, 4] temperature, shading by the bead's slope, darkening by oxide and soot, emissivity."""
        bead = heat.bead_m
        slope_y, slope_x = np.gradient(bead, heat.cell_m)
        shade = 1.0 + 0.7 * (slope_y * self._light_direction[1] + slope_x * self._light_direction[0])
        ripples = np.sin(heat.x_m * (2 * math.pi / 0.0021))[None, :] * np.minimum(bead / 0.0008, 1.0)
        peak = heat.peak_c
        dark = np.clip((peak - 250.0) / 900.0, 0.0, 0.55) * (bead < 0.0004) + 0.35 * np.minimum(bead / 0.001, 1.0)
        lit = np.clip(shade + 0.22 * ripples, 0.1, 3.0)
        return np.dstack([heat.surface_c, lit, dark, heat.emissivity() / OXIDISED_STEEL]).astype(np.float32)

    def _arc_illumination(self, state: CellState, view: SurfaceView, light: float) -> Floats:
        height = np.float32(0.0015 + 0.5 * state.gap_m + 0.0015)
        dx = view.x_m - np.float32(state.arc_x_m)
        if self._tee:
            aside, over = np.float32(state.arc_y_m + 0.003), np.float32(height + 0.001)
            dy = np.where(view.upright, aside, view.s_m - aside)
            dz = np.where(view.upright, -view.s_m - over, over)
            cosine = np.where(view.upright, aside, over)
        else:
            dy = view.s_m - np.float32(state.arc_y_m)
            dz = cosine = np.full_like(dy, height)
        squared = dx * dx + dy * dy + dz * dz + np.float32(4e-6)
        falloff = cosine / (squared * np.sqrt(squared))
        reference = 0.003 / (0.006**2 + 0.003**2) ** 1.5
        return np.asarray(falloff * np.float32(light / reference), np.float32)

    def _add_smoke(self, image: Floats, state: CellState, light: float, target: tuple[float, float, float]) -> None:
        s = self._settings
        rise = int(state.time_s * 40) % 96
        drift = int(3 * math.sin(state.time_s * 0.9))
        window = np.roll(np.roll(self._puffs, -rise, 0), drift, 1)[:48]
        smoke = np.asarray(cv2.resize(window, (s.width, s.height), interpolation=cv2.INTER_LINEAR), np.float32)
        smoke *= 0.10 * s.smoke * min(state.fume, 1.5)
        centre = self._view.project(np.array([[state.arc_x_m, state.arc_y_m, state.torch_lift_m + 0.02]]), target)[0]
        wide = 0.03 * self._view.pixels_per_m
        gx = np.exp(-0.5 * ((np.arange(s.width) - centre[0]) / wide) ** 2)
        gy = np.exp(-0.5 * ((np.arange(s.height) - centre[1]) / (1.6 * wide)) ** 2)
        smoke *= (0.25 + gy[:, None] * gx[None, :]).astype(np.float32)
        np.minimum(smoke, 0.7, out=smoke)
        image *= self._sensor.spread(1.0 - smoke)
        smoke *= 0.45 * self._ambient + 0.25 * min(light, 6.0)
        image += self._sensor.spread(smoke)
