"""The weld camera: arc, pool, glowing metal, wire, nozzle, parts, spatter, smoke and glare, through lens and sensor."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.camera_sensor import CameraSensor
from msstan_core.simulation.drawing import add_blob, draw_disc, draw_ellipse, draw_line, draw_polygon
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.imperfections import Mark
from msstan_core.simulation.optics import GLOW_STEP_C, Floats, PinholeView, SurfaceView, glow_table
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.scene import CANVAS_M, WorkSurface, paint_background
from msstan_core.simulation.state import CellState, Ejection

GRAVITY = 9.81
UPRIGHT_M = 0.04
NOZZLE_RADIUS_M, NOZZLE_LENGTH_M = 0.0085, 0.06
#: Arc light at which ``arc_filter`` = 0.02 just saturates a white plate 6 mm away, W.
_REFERENCE_LIGHT_W = 2500.0


class WeldCamera:
    """Renders frames of the cell's state. The torch mount makes the camera travel (and lift off) with the torch."""

    def __init__(self, scenario: Scenario, length_m: float, random: np.random.Generator) -> None:
        s = self._settings = scenario.camera
        self._random = random
        self._scenario = scenario
        azimuth = s.azimuth_deg
        tee = scenario.joint.kind == "tee"
        if tee:
            azimuth = abs(azimuth)  # the upright part hides the weld from the other side
        self._view = PinholeView(
            s.width, s.height, azimuth, s.elevation_deg, s.distance_m, s.field_of_view_m,
            UPRIGHT_M if tee else 0.0, s.distortion,
        )  # fmt: skip
        self._tee = tee
        self._middle_m = length_m / 2
        self.surface = WorkSurface(scenario, length_m, random)
        self._sensor = CameraSensor(s, random)
        self._channels = self._sensor.channels
        self._glow = glow_table(s.glow, s.colour)
        self._arc_tint = np.array([1.12, 1.0, 0.9] if s.colour else [1.0], np.float32)
        self._background = paint_background(s.width, s.height, s.clutter, random)
        puffs = random.standard_normal((96, 64)).astype(np.float32)
        puffs = cv2.GaussianBlur(puffs, (0, 0), 2.5) * 3.0 + cv2.GaussianBlur(puffs, (0, 0), 7.0) * 8.0
        self._puffs = np.clip(puffs, 0, None)
        self._plume = np.zeros(2)
        self._ambient = 0.9 * s.ambient_light
        self._light_direction = random.uniform(-0.6, 0.6, 2)
        self._seen_marks = 0
        self._seen_landed = 0

    def frame(self, state: CellState, heat: HeatField, marks: list[Mark]) -> NDArray[np.uint8]:
        """The image of this moment, [H, W, 3] BGR."""
        s = self._settings
        self._update_surface(state, marks)
        target = self._target(state)
        view = self._view.surface(target)
        if not self._tee:
            self._view.raise_bead(view, heat.bead_m, float(heat.x_m[0]), float(heat.y_m[0]), heat.cell_m)
        light = state.mean_light_w(s.exposure_s) / _REFERENCE_LIGHT_W * (s.arc_filter / 0.02)
        image = self._lit_surface(state, heat, view, light)
        if s.smoke > 0 and (state.fume > 0.01):
            self._add_smoke(image, state, light, target)
        self._draw_torch(image, state, light, target)
        if light > 0.0:
            self._draw_arc(image, state, light, target)
        self._draw_spatter(image, state, target)
        return self._sensor.expose(image)

    def _target(self, state: CellState) -> tuple[float, float, float]:
        if self._settings.mount == "torch":
            return state.torch_x_m, state.torch_y_m, state.torch_lift_m + 0.004
        return self._middle_m, 0.0, 0.0

    def _update_surface(self, state: CellState, marks: list[Mark]) -> None:
        self.surface.set_placement(state.placement)
        for mark in marks[self._seen_marks :]:
            self.surface.add_mark(mark)
        self._seen_marks = len(marks)
        for ejection in state.landed[self._seen_landed :]:
            x, y = _landing(ejection)
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
                         borderValue=(heat.ambient_c, 1.0, 0.0))  # fmt: skip
        celsius, shade, dark = (np.asarray(layer, np.float32) for layer in cv2.split(seen))
        np.subtract(1.0, dark, out=dark)
        shop = np.float32(self._ambient) * shade * dark
        if light > 0.0:
            arc = self._arc_illumination(state, view, light)
            arc *= dark
            lit = [shop + np.float32(0.4 + 0.6 * t) * arc for t in self._arc_tint]
        else:
            lit = [shop] * self._channels
        image = np.asarray(cv2.multiply(picture, cv2.merge(lit), scale=1 / 255, dtype=cv2.CV_32F), np.float32)
        self._add_glow(image, celsius)
        if view.nothing.any():
            behind = self._background * np.float32(self._ambient + 0.05 * min(light, 3.0))
            cv2.copyTo(self._sensor.spread(behind), view.nothing.astype(np.uint8), image)
        return image

    def _add_glow(self, image: Floats, celsius: Floats) -> None:
        """Light of metal above 550 degC, where there is any."""
        hot = celsius > 550.0
        rows = np.flatnonzero(hot.any(1))
        if len(rows) == 0:
            return
        columns = np.flatnonzero(hot[rows[0] : rows[-1] + 1].any(0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        image[box] += self._glow[np.minimum(celsius[box] * np.float32(1 / GLOW_STEP_C), 800.0).astype(np.int16)]

    def _surface_fields(self, heat: HeatField) -> Floats:
        """[ny, nx, 3] temperature, shading by the bead's slope, darkening by oxide and soot."""
        bead = heat.bead_m
        slope_y, slope_x = np.gradient(bead, heat.cell_m)
        shade = 1.0 + 0.7 * (slope_y * self._light_direction[1] + slope_x * self._light_direction[0])
        ripples = np.sin(heat.x_m * (2 * math.pi / 0.0021))[None, :] * np.minimum(bead / 0.0008, 1.0)
        peak = heat.peak_c
        dark = np.clip((peak - 250.0) / 900.0, 0.0, 0.55) * (bead < 0.0004) + 0.35 * np.minimum(bead / 0.001, 1.0)
        return np.dstack([heat.surface_c, np.clip(shade + 0.22 * ripples, 0.1, 3.0), dark]).astype(np.float32)

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

    def _tip(self, state: CellState) -> NDArray[np.float64]:
        """Contact tip in the world; a tee joint is welded at 45 degrees."""
        lean = np.array([0.0, 0.7071, 0.7071]) if self._tee else np.array([0.0, 0.0, 1.0])
        foot = np.array([state.torch_x_m, state.torch_y_m, state.torch_lift_m])
        return np.asarray(foot + lean * state.tip_m)

    def _draw_torch(self, image: Floats, state: CellState, light: float, target: tuple[float, float, float]) -> None:
        tip = self._tip(state)
        lean = (tip - np.array([state.torch_x_m, state.torch_y_m, state.torch_lift_m])) / state.tip_m
        wire_end = tip - lean * state.stick_out_m
        process = self._scenario.process
        gmaw = process.kind == "gmaw"
        points = self._view.project(np.stack([tip, tip + lean * NOZZLE_LENGTH_M, wire_end]), target)
        px = self._view.focal_px / points[0, 2]
        axis = points[1, :2] - points[0, :2]
        axis = axis / max(float(np.hypot(*axis)), 1e-6)
        normal = np.array([-axis[1], axis[0]])
        radius = (process.shoulder_radius_m if process.kind == "fsw" else NOZZLE_RADIUS_M) * px
        warm = min(light, 4.0)
        body = self._grey(0.30 * self._ambient + 0.025 * warm)
        rim = self._grey(0.20 * self._ambient + 0.12 * warm)
        if gmaw:
            thick = max(round(process.wire_diameter_m * px), 1)
            grey = 0.25 * self._ambient + 0.25 * warm
            draw_line(image, points[0, :2], points[2, :2], self._grey(grey), thick)
            if state.droplet_m > 2e-4 and state.burning is False and state.time_s > 0:
                hot = self._glow[min(int(self._drop_c(state) / GLOW_STEP_C), 800)]
                draw_disc(
                    image, points[2, :2], max(0.5 * state.droplet_m * px, 1.0), tuple(np.atleast_1d(hot).astype(float))
                )
        a, b = points[0, :2] + 0.0 * axis, points[1, :2]
        outline = np.array(
            [a + normal * radius, b + normal * radius * 1.05, b - normal * radius * 1.05, a - normal * radius]
        )
        draw_polygon(image, outline, body)
        # the highlight wanders on a spindle that turns
        aside = 0.3 * math.cos(2 * math.pi * process.spindle_speed_hz * state.time_s) if process.kind == "fsw" else 0.3
        left, right = normal * radius * aside, normal * radius * (aside - 0.25)
        bright = np.array([a + left, b + left, b + right, a + right])
        draw_polygon(image, bright, self._grey(0.42 * self._ambient + 0.03 * warm))
        flat = abs(math.sin(math.radians(self._settings.elevation_deg)))
        angle = math.degrees(math.atan2(normal[1], normal[0]))
        draw_ellipse(image, a, (radius, 0.9 * radius * flat), angle, rim)

    def _drop_c(self, state: CellState) -> float:
        """A drop that hangs at the wire after the arc cools within seconds."""
        return 1550.0 * math.exp(-max(state.time_s - state.last_arc_s, 0.0) / 3.0) if state.last_arc_s >= 0 else 20.0

    def _grey(self, level: float) -> tuple[float, ...]:
        return (level,) * self._channels

    def _draw_arc(self, image: Floats, state: CellState, light: float, target: tuple[float, float, float]) -> None:
        tip = self._tip(state)
        foot = np.array([state.arc_x_m, state.arc_y_m, state.torch_lift_m])
        lean = (tip - np.array([state.torch_x_m, state.torch_y_m, state.torch_lift_m])) / state.tip_m
        middle = self._view.project((foot + lean * (0.4 * state.gap_m + 0.0006))[None], target)[0]
        px = self._view.focal_px / middle[2]
        self._plume += -0.25 * self._plume + 0.5 * self._random.standard_normal(2)
        strength = 30.0 * light
        # a bell: wide on the pool, narrow at the wire
        axis = self._view.project((foot + lean * (state.gap_m + 0.002))[None], target)[0][:2] - middle[:2]
        for place, size, share in ((-0.25, 1.0, 0.7), (0.35, 0.72, 0.6), (0.9, 0.45, 0.5)):
            centre = middle[:2] + place * axis
            add_blob(
                image,
                centre,
                size * (0.0013 + 0.32 * state.gap_m) * px,
                (0.0007 + 0.17 * state.gap_m) * px,
                share * strength,
                self._arc_tint,
            )
        # flame of hot vapour, blown about by the gas: a curved chain of puffs
        puff = middle[:2].copy()
        heading = np.array([self._plume[0], -abs(self._plume[1]) * 0.5 - 0.15]) * 0.0022 * px
        size = 0.0012 * px
        for k in range(5):
            puff = puff + heading + np.array([0.0, -0.1 * k * size])
            size *= 1.16
            add_blob(image, puff, size, size, 0.03 * strength * 0.6**k, self._arc_tint)
        add_blob(image, middle[:2], 0.009 * px, 0.007 * px, 0.005 * strength, self._arc_tint)

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

    def _draw_spatter(self, image: Floats, state: CellState, target: tuple[float, float, float]) -> None:
        now, shutter = state.time_s, max(self._settings.exposure_s, 0.0005)
        alive = [e for e in state.ejections if 0.0 < now - e.time_s < 0.9]
        if not alive:
            return
        start = np.array([(e.x_m, e.y_m, e.z_m) for e in alive])
        speed = np.array([e.velocity for e in alive])
        age = now - np.array([e.time_s for e in alive])
        ends = []
        for when in (age, np.maximum(age - shutter, 0.0)):
            place = start + speed * when[:, None]
            place[:, 2] -= 0.5 * GRAVITY * when**2
            ends.append(place)
        flying = ends[0][:, 2] > -0.001
        first, last = self._view.project(ends[0], target), self._view.project(ends[1], target)
        px = self._view.focal_px / first[:, 2]
        length = np.hypot(*(first[:, :2] - last[:, :2]).T)
        inside = (np.abs(first[:, :2] / (self._settings.width, self._settings.height) - 0.5) < 0.6).all(1)
        streaks = np.zeros_like(image)
        for index in np.flatnonzero(flying & inside):
            radius = alive[index].radius_m * px[index]
            # a streak spreads the particle's light over its length
            level = (
                2.2
                * math.exp(-float(age[index]) / 0.22)
                * min(1.0, 2.0 * radius / (2.0 * radius + float(length[index])) * 2.5)
            )
            colour = (0.55 * level, 0.8 * level, 1.1 * level) if self._channels == 3 else (level,)
            draw_line(
                streaks,
                first[index, :2],
                last[index, :2],
                colour,
                min(max(round(2 * radius), 1), self._settings.width // 50),
            )
        np.maximum(image, streaks, out=image)  # a cooling particle never darkens the arc behind it


def _landing(ejection: Ejection) -> tuple[float, float]:
    """Where a particle hits the plate."""
    vx, vy, vz = ejection.velocity
    flight = (vz + math.sqrt(vz * vz + 2 * GRAVITY * max(ejection.z_m, 0.0))) / GRAVITY
    return ejection.x_m + vx * flight, ejection.y_m + vy * flight
