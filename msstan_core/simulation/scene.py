"""What the weld camera can see besides the weld: parts, seam, clamps, table, background, glass."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.fixture import CLOSES_AT, WIDTH_M, clamps
from msstan_core.simulation.geometry import MARGIN_X_M
from msstan_core.simulation.imperfections import Mark
from msstan_core.simulation.materials import PROPERTIES
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.seam_gap import BRIDGED_M, SeamGap
from msstan_core.simulation.state import Ejection

Image = NDArray[np.uint8]
#: Size of a canvas pixel on the parts, m.
CANVAS_M = 0.0003
_MARGIN_Y_M = 0.085
_GAP_SHADE = 6


class WorkSurface:
    """The unfolded surface of table and parts as a picture (reflectance), changed by what the weld leaves on it."""

    def __init__(self, scenario: Scenario, length_m: float, random: np.random.Generator) -> None:
        self._random = random
        self._scenario = scenario
        self.x0_m, self.y0_m = -MARGIN_X_M, -_MARGIN_Y_M
        self.columns = round((length_m + 2 * MARGIN_X_M) / CANVAS_M)
        self.rows = round(2 * _MARGIN_Y_M / CANVAS_M)
        self._clamps = clamps(scenario.joint, length_m)
        self._gap = SeamGap(scenario)
        self._half = float(random.uniform(0.03, 0.05))  # width of a part
        self._end_m = length_m + float(random.uniform(0.012, 0.03))
        self._table = self._paint_table()
        self._near = self._paint_part(0)
        self._far = self._paint_part(1)
        self._placement = -1.0
        self.reflectance: Image = self._table.copy()  #: [rows, columns, 3] BGR, 255 is a perfect white

    def set_placement(self, placement: float) -> None:
        """Slide the far part into place (0: away, 1: clamped)."""
        if placement == self._placement:
            return
        self._placement = placement
        canvas = self._table.copy()
        middle = self.rows // 2
        near_rows = round(self._half / CANVAS_M)
        left, right = round((-0.015 - self.x0_m) / CANVAS_M), round((self._end_m - self.x0_m) / CANVAS_M)
        canvas[middle : middle + near_rows, left:right] = self._near[:near_rows, left:right]
        slide = 1.0 - min(placement / 0.75, 1.0)
        shift = round(slide * slide * 1.6 * _MARGIN_Y_M / CANVAS_M)
        top = middle - near_rows - shift
        visible = max(middle - shift, 0)
        first = max(top, 0)
        if visible > first:
            canvas[first:visible, left:right] = self._far[first - top : visible - top, left:right]
            edge = min(visible + 3, self.rows)
            canvas[visible - 1 : edge, left:right] = (canvas[visible - 1 : edge, left:right] * 0.35).astype(
                np.uint8
            )  # seam
        if shift == 0:
            self._paint_gap(canvas, left, right)
        if placement > CLOSES_AT:
            self._paint_clamps(canvas, (placement - CLOSES_AT) / (1.0 - CLOSES_AT))
        self.reflectance = canvas

    def add_weld_metal(self, x_m: float, y_m: float, cell_m: float) -> None:
        """The parts have become one here: no seam, no scale, the ripples of the weld."""
        metal = PROPERTIES[self._scenario.joint.materials[0 if y_m > 0 else 1]]
        level = 235.0 * metal.albedo * float(self._random.uniform(0.85, 1.15))
        colour = tuple(min(level * tint, 255.0) for tint in metal.tint_bgr)
        cv2.circle(self.reflectance, self._pixel(x_m, y_m), round(0.75 * cell_m / CANVAS_M), colour, -1)

    def add_mark(self, mark: Mark) -> None:
        """Draw a pore, hole, crack, undercut or arc strike."""
        (column, row), radius = self._pixel(mark.x_m, mark.y_m), mark.radius_m / CANVAS_M
        centre = (column, row)
        if mark.kind == "crack":
            angle = float(self._random.uniform(-0.5, 0.5))
            points = [centre]
            for step in (-1.0, 1.0):
                end = (
                    round(centre[0] + step * radius * np.cos(angle)),
                    round(centre[1] + step * radius * (np.sin(angle) + 0.2)),
                )
                points.append(end)
            cv2.polylines(
                self.reflectance, [np.array([points[1], points[0], points[2]], np.int32)], False, (8, 8, 8), 1
            )
        else:
            shade = {"pore": 12, "hole": 3, "undercut": 25, "strike": 60}[mark.kind]
            cv2.circle(self.reflectance, centre, max(round(radius), 1), (shade, shade, shade), -1)
            if mark.kind == "pore":
                cv2.circle(self.reflectance, centre, max(round(radius), 1) + 1, (150, 150, 150), 1)

    def add_spatter(self, ejection: Ejection, x_m: float, y_m: float) -> None:
        """A bead of spatter sticks."""
        centre = self._pixel(x_m, y_m)
        radius = max(round(ejection.radius_m / CANVAS_M), 1)
        cv2.circle(self.reflectance, centre, radius, (70, 72, 75), -1)
        cv2.circle(self.reflectance, (centre[0] - 1, centre[1] - 1), max(radius - 1, 0), (170, 172, 175), -1)

    def _pixel(self, x_m: float, y_m: float) -> tuple[int, int]:
        return round((x_m - self.x0_m) / CANVAS_M), self._pixel_row(y_m)

    def _pixel_row(self, y_m: float) -> int:
        return round((y_m - self.y0_m) / CANVAS_M)

    def _texture(self, coarse: int, amount: float) -> NDArray[np.float32]:
        small = self._random.standard_normal((self.rows // coarse + 2, self.columns // coarse + 2)).astype(np.float32)
        large = cv2.resize(small, (self.columns, self.rows), interpolation=cv2.INTER_CUBIC)
        return np.asarray(large * amount, np.float32)

    def _paint_table(self) -> Image:
        random = self._random
        level = float(random.uniform(0.08, 0.3))
        picture = level * (1.0 + self._texture(40, 0.2) + self._texture(6, 0.12))
        image = np.repeat((np.clip(picture, 0.01, 1) * 255)[..., None], 3, -1)
        for _ in range(int(random.integers(2, 7))):  # slots and screws of the fixture
            row, column = int(random.integers(0, self.rows)), int(random.integers(0, self.columns))
            size = int(random.integers(6, 24))
            grey = float(random.uniform(10, 120))
            cv2.rectangle(image, (column, row), (column + 3 * size, row + size), (grey, grey, grey), -1)
        return np.asarray(np.clip(image, 0, 255), np.uint8)

    def _paint_part(self, which: int) -> Image:
        random, joint = self._random, self._scenario.joint
        metal = PROPERTIES[joint.materials[which]]
        rough = joint.surface_roughness
        picture = metal.albedo * (
            1.0 + rough * (self._texture(50, 0.15) + self._texture(9, 0.08) + self._texture(2, 0.05))
        )
        lines = random.standard_normal((self.rows, 1)).astype(np.float32)  # rolling direction
        picture = picture * (1.0 + 0.06 * lines)
        image: Image = np.clip(picture[..., None] * np.array(metal.tint_bgr) * 255, 0, 255).astype(np.uint8)
        for _ in range(int(rough * 14)):
            a = (int(random.integers(0, self.columns)), int(random.integers(0, self.rows)))
            b = (a[0] + int(random.integers(-60, 60)), a[1] + int(random.integers(-20, 20)))
            grey = int(random.integers(20, 230))
            cv2.line(image, a, b, (grey, grey, grey), 1, cv2.LINE_AA)
        return image

    def _paint_gap(self, canvas: Image, left: int, right: int) -> None:
        """Where parts stand apart one looks into the dark between them."""
        middle = self._pixel_row(0.0)
        for column in range(left, min(right, self.columns)):
            width = self._gap.width_m(self.x0_m + column * CANVAS_M)
            if width > BRIDGED_M:
                top = middle - round(0.5 * width / CANVAS_M)
                canvas[top : top + round(width / CANVAS_M), column] = _GAP_SHADE

    def _paint_clamps(self, canvas: Image, closing: float) -> None:
        """The clamps' feet; how they stand up is the camera's part."""
        half = round(WIDTH_M / 2 / CANVAS_M)
        for clamp in self._clamps:
            inner, _ = clamp.ends_m(closing)
            column = self._pixel(clamp.x_m, 0.0)[0]
            near, far = sorted(self._pixel_row(clamp.side * y) for y in (inner, self._half + 0.012))
            cv2.rectangle(canvas, (column - half, near), (column + half, far), (46, 48, 52), -1)
            cv2.rectangle(canvas, (column - half, near), (column - half + 4, far), (88, 90, 94), -1)
            cv2.circle(canvas, (column, (near + far) // 2), 8, (24, 24, 28), -1)


def paint_background(width: int, height: int, clutter: float, random: np.random.Generator) -> NDArray[np.float32]:
    """[H, W] brightness of what lies behind the work, 0..1."""
    image = np.full((height, width), float(random.uniform(0.04, 0.2)), np.float32)
    for _ in range(round(clutter * 14)):
        a = (int(random.integers(-20, width)), int(random.integers(-20, height)))
        b = (a[0] + int(random.integers(8, max(width // 3, 9))), a[1] + int(random.integers(8, max(height // 2, 9))))
        cv2.rectangle(image, a, b, float(random.uniform(0.02, 0.5)), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.012 * width + 0.5), np.float32)


def paint_glass(
    width: int, height: int, dirt: float, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Transmittance and scatter [H, W] of the protective glass: spatter and dust, out of focus."""
    scatter = np.zeros((height, width), np.float32)
    for _ in range(round(dirt * 30)):
        centre = (int(random.integers(0, width)), int(random.integers(0, height)))
        spot = np.zeros_like(scatter)
        cv2.circle(spot, centre, int(random.integers(1, max(width // 40, 2))), float(random.uniform(0.2, 0.9)), -1)
        scatter = np.maximum(scatter, spot)
    scatter = np.asarray(cv2.GaussianBlur(scatter, (0, 0), 0.004 * width + 0.4), np.float32)
    haze = cv2.resize(random.random((5, 7)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    scatter = np.clip(scatter + np.float32(0.15 * dirt) * haze, 0, 0.95)
    return (1.0 - 0.8 * scatter).astype(np.float32), scatter.astype(np.float32)
