"""Pinhole views of the joint and thermal radiation laws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

#: Second radiation constant h c / k, m K.
RADIATION_C2 = 0.014388
KELVIN = 273.15

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SurfaceView:
    """Which point of the joint each pixel looks at, unfolded: s = y on the plate, s = -z on an upright part (tee
    joint).
    """

    x_m: Floats  #: [H, W]
    s_m: Floats  #: [H, W]
    upright: NDArray[np.bool_]  #: [H, W] pixel shows the upright part
    nothing: NDArray[np.bool_]  #: [H, W] pixel looks past the work


class PinholeView:
    """A camera with fixed orientation, whose position may move with the torch.

    Args:
        width, height: image size in px.
        azimuth_deg: 0 from ahead (+x), 90 from the near side (+y). elevation_deg: above the plate.
        distance_m: lens to aim point. field_of_view_m: width of the view there.
        upright_m: height of an upright part standing at y = 0; 0 without one.
    """

    def __init__(
        self, width: int, height: int, azimuth_deg: float, elevation_deg: float, distance_m: float,
        field_of_view_m: float, upright_m: float = 0.0, distortion: float = 0.0,
    ) -> None:  # fmt: skip
        self.width, self.height = width, height
        self.focal_px = width * distance_m / field_of_view_m
        self.pixels_per_m = width / field_of_view_m
        self._upright_m = upright_m
        azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
        back = np.array(
            [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
        )
        right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
        up = np.cross(back, right)
        self._rotation = np.stack([right, -up, -back])  # world to camera: x right, y down, z forward
        self._offset = back * distance_m
        self._k1 = distortion
        columns, rows = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        if distortion:
            squared = (columns**2 + rows**2) / (width / 2) ** 2
            columns, rows = columns * (1 + distortion * squared), rows * (1 + distortion * squared)
        rays = np.stack([columns / self.focal_px, rows / self.focal_px, np.ones_like(columns)], -1) @ self._rotation
        down = np.maximum(-rays[..., 2], 1e-6)
        self._u: Floats = (rays[..., 0] / down).astype(np.float32)
        self._v: Floats = (rays[..., 1] / down).astype(np.float32)
        self._up = rays[..., 2] > -1e-3
        inward = -rays[..., 1] if self._offset[1] >= 0 else rays[..., 1]
        inward = np.maximum(inward, 1e-6)
        self._web_x: Floats = (rays[..., 0] / inward).astype(np.float32)
        self._web_z: Floats = (rays[..., 2] / inward).astype(np.float32)
        self._inward = inward > 1e-4

    @property
    def has_upright(self) -> bool:
        """The work is a tee joint."""
        return self._upright_m > 0

    def position(self, target: tuple[float, float, float]) -> NDArray[np.float64]:
        """Lens position when aimed at ``target``."""
        return np.asarray(target) + self._offset

    def surface(self, target: tuple[float, float, float]) -> SurfaceView:
        """Point of the joint behind each pixel."""
        lens = self.position(target)
        x = np.float32(lens[0]) + np.float32(lens[2]) * self._u
        s = np.float32(lens[1]) + np.float32(lens[2]) * self._v
        nothing = self._up | (np.abs(s) > 1.0)
        upright = np.zeros_like(nothing)
        if self._upright_m > 0:
            reach = np.float32(abs(lens[1]))
            z = np.float32(lens[2]) + reach * self._web_z
            upright = self._inward & (z >= 0) & (z <= self._upright_m)
            x = np.where(upright, np.float32(lens[0]) + reach * self._web_x, x)
            s = np.where(upright, -z, s)
            nothing = nothing & ~upright
        return SurfaceView(x, s, upright, nothing)

    def raise_bead(self, view: SurfaceView, height_m: Floats, x0_m: float, y0_m: float, cell_m: float) -> None:
        """Let the bead stand up from the plate: move ``view``'s points to where their rays meet the height field, in
        place.

        ``height_m`` [ny, nx] has its first cell's centre at (x0, y0). A bead is found when it is wider than a
        ray moves between two levels.
        """
        top = float(height_m.max())
        if top < 3e-4:
            return
        low = np.abs(view.s_m) < 0.012 + top * np.abs(self._v).clip(0, 20)
        rows = np.flatnonzero((low & ~view.nothing & ~view.upright).any(1))
        if len(rows) == 0:
            return
        band = np.s_[rows[0] : rows[-1] + 1]
        x, s, u, v = view.x_m[band], view.s_m[band], self._u[band], self._v[band]
        found = view.upright[band] | view.nothing[band]
        new_x, new_s = x.copy(), s.copy()
        above = np.full_like(x, top)  # ray height over the bead at the level before
        # rays at a grazing angle go far between two levels: never farther than a bead is wide
        levels = int(np.clip(math.ceil(top * abs(self._offset[1]) / max(float(self._offset[2]), 1e-3) / 0.0015), 4, 16))
        step = np.float32(top / levels)
        for level in range(levels, -1, -1):
            z = level * step
            columns = (x - z * u - np.float32(x0_m)) / np.float32(cell_m)
            lines = (s - z * v - np.float32(y0_m)) / np.float32(cell_m)
            over = z - cv2.remap(height_m, columns, lines, cv2.INTER_LINEAR)
            hit = (over <= 0) & ~found
            exact = z + step * (-over / np.maximum(above - over, 1e-9)) if level < levels else z + 0 * over
            new_x[hit], new_s[hit] = (x - exact * u)[hit], (s - exact * v)[hit]
            found |= hit
            above = over
        view.x_m[band], view.s_m[band] = new_x, new_s

    def project(self, points: NDArray[np.float64], target: tuple[float, float, float]) -> NDArray[np.float64]:
        """[N, 3] world points to [N, 3] column, row (px) and depth (m)."""
        local = (np.atleast_2d(points) - self.position(target)) @ self._rotation.T
        depth = np.maximum(local[:, 2], 1e-3)
        plane = local[:, :2] / depth[:, None] * self.focal_px
        if self._k1:
            squared = (plane**2).sum(1, keepdims=True) / (self.width / 2) ** 2
            plane = plane / (1 + self._k1 * squared)
        return np.column_stack([plane + np.array([self.width / 2, self.height / 2]), depth])


def band_radiance(celsius: NDArray[np.floating], wavelength_m: float) -> NDArray[np.floating]:
    """Radiance of a black body in a narrow band, in units of 2hc^2/lambda^5 (Planck)."""
    kelvin = np.maximum(celsius + KELVIN, 1.0)
    return np.asarray(1.0 / np.expm1(RADIATION_C2 / wavelength_m / kelvin))


def band_temperature(radiance: NDArray[Any], wavelength_m: float) -> NDArray[np.floating]:
    """Inverse of :func:`band_radiance`, degC."""
    return np.asarray(RADIATION_C2 / wavelength_m / np.log1p(1.0 / np.maximum(radiance, 1e-30)) - KELVIN)


#: Centres of the camera's blue, green and red bands, m, and of a monochrome weld camera behind a band-pass filter.
COLOUR_BANDS_M = (470e-9, 540e-9, 620e-9)
MONO_BAND_M = 700e-9
GLOW_STEP_C = 4.0


def glow_table(level: float, colour: bool) -> Floats:
    """Brightness of glowing metal per 4 degC up to 3200 degC, [801] or [801, 3]; ``level`` is that of 1500 degC."""
    celsius = np.arange(801) * GLOW_STEP_C
    bands = COLOUR_BANDS_M if colour else (MONO_BAND_M,)
    reference = band_radiance(np.array([1500.0]), COLOUR_BANDS_M[2] if colour else MONO_BAND_M)[0]
    balance = (3.2, 1.9, 1.0) if colour else (1.0,)  # white balance of a camera set for the arc
    table = np.stack(
        [level * b * band_radiance(celsius, w) / reference for b, w in zip(balance, bands, strict=True)], -1
    )
    return (table if colour else table[:, 0]).astype(np.float32)
