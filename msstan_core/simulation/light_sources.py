"""What shines by itself in the weld camera's image: the arc with its flame, and spatter in flight."""

from __future__ import annotations

import math

import numpy as np

from msstan_core.simulation.drawing import add_blob, draw_line
from msstan_core.simulation.geometry import torch_axis, torch_foot
from msstan_core.simulation.optics import Floats, PinholeView
from msstan_core.simulation.sensor_settings import CameraSettings
from msstan_core.simulation.state import CellState, Ejection

GRAVITY = 9.81
#: A particle in flight fades with this time constant and is gone after the other, s.
SPATTER_FADES_S, SPATTER_GONE_S = 0.22, 0.9


class ArcLight:
    """A bell of light, wide on the pool and narrow at the wire, and a flame of hot vapour that the gas blows about.

    Args:
        view: the camera's view.
        tee: welded at 45 degrees.
        tint: colour, [channels].
        random: draws the flame's wander.
    """

    def __init__(self, view: PinholeView, tee: bool, tint: Floats, random: np.random.Generator) -> None:
        self._view = view
        self._axis = torch_axis(tee)
        self._tint = tint
        self._random = random
        self._plume = np.zeros(2)

    def draw(self, image: Floats, state: CellState, light: float, target: tuple[float, float, float]) -> None:
        """Add the arc in place; ``light`` is the arc's, of what saturates a white plate beside it."""
        foot = torch_foot(state)
        foot[:2] = state.arc_x_m, state.arc_y_m
        middle = self._view.project((foot + self._axis * (0.4 * state.gap_m + 0.0006))[None], target)[0]
        px = self._view.focal_px / middle[2]
        self._plume += -0.25 * self._plume + 0.5 * self._random.standard_normal(2)
        strength = 30.0 * light
        upwards = self._view.project((foot + self._axis * (state.gap_m + 0.002))[None], target)[0][:2] - middle[:2]
        tall = (0.0007 + 0.17 * state.gap_m) * px
        for place, size, share in ((-0.25, 1.0, 0.7), (0.35, 0.72, 0.6), (0.9, 0.45, 0.5)):
            wide = size * (0.0013 + 0.32 * state.gap_m) * px
            add_blob(image, middle[:2] + place * upwards, wide, tall, share * strength, self._tint)
        # the flame: a curved chain of puffs
        puff = middle[:2].copy()
        heading = np.array([self._plume[0], -abs(self._plume[1]) * 0.5 - 0.15]) * 0.0022 * px
        size = 0.0012 * px
        for k in range(5):
            puff = puff + heading + np.array([0.0, -0.1 * k * size])
            size *= 1.16
            add_blob(image, puff, size, size, 0.03 * strength * 0.6**k, self._tint)
        add_blob(image, middle[:2], 0.009 * px, 0.007 * px, 0.005 * strength, self._tint)


def draw_spatter(
    image: Floats, state: CellState, view: PinholeView, target: tuple[float, float, float], settings: CameraSettings
) -> None:
    """Particles on their trajectories, as streaks of the exposure time; [H, W] or [H, W, 3] in place."""
    now, shutter = state.time_s, max(settings.exposure_s, 0.0005)
    alive = [e for e in state.ejections if 0.0 < now - e.time_s < SPATTER_GONE_S]
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
    first, last = view.project(ends[0], target), view.project(ends[1], target)
    px = view.focal_px / first[:, 2]
    length = np.hypot(*(first[:, :2] - last[:, :2]).T)
    inside = (np.abs(first[:, :2] / (settings.width, settings.height) - 0.5) < 0.6).all(1)
    streaks = np.zeros_like(image)
    for index in np.flatnonzero(flying & inside):
        radius = alive[index].radius_m * px[index]
        # a streak spreads the particle's light over its length
        spread = min(1.0, 2.0 * radius / (2.0 * radius + float(length[index])) * 2.5)
        level = 2.2 * math.exp(-float(age[index]) / SPATTER_FADES_S) * spread
        colour = (0.55 * level, 0.8 * level, 1.1 * level) if settings.colour else (level,)
        thick = min(max(round(2 * radius), 1), settings.width // 50)
        draw_line(streaks, first[index, :2], last[index, :2], colour, thick)
    np.maximum(image, streaks, out=image)  # a cooling particle never darkens the arc behind it


def landing(ejection: Ejection) -> tuple[float, float]:
    """Where a particle hits the plate, m."""
    vx, vy, vz = ejection.velocity
    flight = (vz + math.sqrt(vz * vz + 2 * GRAVITY * max(ejection.z_m, 0.0))) / GRAVITY
    return ejection.x_m + vx * flight, ejection.y_m + vy * flight
