"""Imperfections as consequences: indices of physical quantities, each over 1 where the imperfection forms.

Nothing here is asked for by a scenario; disturbances change gas cover, speed, feed, distance, aim or gap, and the indices
follow from the state of arc, pool and plate. Parameter changes bring them back under 1.

Penetration follows C. E. Jackson, A. E. Shrubsall, Welding Journal 32 (1953) 231s-241s, p = K (I^4 / (v U^2))^(1/3). The other
limits are engineering estimates that make the common faults occur at the magnitudes practice reports; docs/simulation.md
lists them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation.energy import STEP_S
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.labels import SOURCE
from msstan_core.simulation.materials import PROPERTIES
from msstan_core.simulation.scenario import Scenario
from msstan_core.vocabulary import ISO_CODES

#: m per (A^4 s / (m V^2))^(1/3): 2.5 mm at 200 A, 20 V, 7 mm/s
_PENETRATION = 3.0e-6
_HOLD_S = 0.15
_CLEAR_S = 0.3


@dataclass(slots=True)
class WeldConditions:
    """What the indices look at in one control step."""

    time_s: float
    burning: bool
    steady: bool  #: welding at programmed travel, neither starting nor filling the crater
    current_a: float  #: 0.1 s mean
    voltage_v: float
    power_w: float
    travel_m_s: float
    fill_m2: float  #: deposited section: wire section times feed over travel
    gas_cover: float
    arc_x_m: float
    arc_y_m: float
    gap_m: float
    spatter_rate: float  #: violence-weighted ejections per second
    depth_m: float = math.nan  #: fusion depth where the source knows it better than Jackson's law
    extra: dict[int, float] = field(default_factory=dict)  #: indices a process adds or overrides


@dataclass(slots=True)
class _Span:
    above_s: float = 0.0
    below_s: float = 0.0
    since_s: float = math.nan
    severity: float = 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that stays visible on the weld."""

    kind: str  #: pore, hole, crack, undercut, strike
    x_m: float
    y_m: float
    radius_m: float


class WeldQuality:
    """Follows the indices, opens and closes annotations, leaves marks on the weld."""

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        self._joint = scenario.joint
        self._random = random
        materials = scenario.joint.materials
        self._crack_sensitivity = max(PROPERTIES[m].crack_sensitivity for m in materials)
        if materials[0] is not materials[1]:
            self._crack_sensitivity = min(self._crack_sensitivity + 0.25, 1.0)
        self._thin = min(scenario.joint.thickness_a_m, scenario.joint.thickness_b_m)
        self._spans = {code: _Span() for code in ISO_CODES}
        self._closed: list[Annotation] = []
        self.indices: dict[int, float] = dict.fromkeys(ISO_CODES, 0.0)
        self.marks: list[Mark] = []
        self.holes: list[Mark] = []
        self.ticks: list[float] = []  #: times of audible cracks
        self._crater: tuple[float, float] | None = None  # time at which it cracks, severity
        self._seen_burning = False
        self._end_power = 0.0
        self._typical_power = 0.0
        self._end_x = 0.0
        self._arc_s = 0.0
        self._melted_through_s = 0.0
        self._time = 0.0
        self._fusion = 1.0

    def hole_below(self, x_m: float, y_m: float) -> bool:
        """Whether the arc points into a hole."""
        return any((h.x_m - x_m) ** 2 + (h.y_m - y_m) ** 2 < h.radius_m**2 for h in self.holes)

    def advance(self, c: WeldConditions, heat: HeatField) -> None:
        """One control step."""
        self._time = c.time_s
        indices = dict.fromkeys(ISO_CODES, 0.0)
        if c.burning:
            self._arc_s += STEP_S
            if c.steady and self._arc_s > 0.8:
                self._during_arc(c, heat, indices)
            indices[601] = abs(c.arc_y_m) / 0.006
            if indices[601] > 1 and self._random.random() < 0.2:
                self.marks.append(Mark("strike", c.arc_x_m, c.arc_y_m, 0.0012))
            self._typical_power += (c.power_w - self._typical_power) * STEP_S / 2.0
            self._end_power, self._end_x = c.power_w, c.arc_x_m
        elif self._seen_burning:
            self._at_arc_end(c)
        self._seen_burning = c.burning
        if self._crater is not None and c.time_s >= self._crater[0]:
            indices[104] = 1.0 + self._crater[1]
        indices.update(c.extra)
        self.indices = indices
        for code, value in indices.items():
            self._follow(code, value)

    def penetration_m(self, c: WeldConditions) -> float:
        """Fusion depth, m."""
        if not math.isnan(c.depth_m):
            return c.depth_m
        return _PENETRATION * (c.current_a**4 / (max(c.travel_m_s, 5e-4) * max(c.voltage_v, 8.0) ** 2)) ** (1 / 3)

    def _during_arc(self, c: WeldConditions, heat: HeatField, indices: dict[int, float]) -> None:
        random = self._random
        exposed = 1.0 - c.gas_cover
        indices[2011] = exposed / 0.4
        indices[2017] = exposed / 0.7
        if random.random() < 0.25 * max(exposed - 0.3, 0.0):
            self.marks.append(
                Mark("pore", c.arc_x_m - 0.004 - 0.003 * random.random(), c.arc_y_m + 0.0016 * random.standard_normal(),
                     (0.0003 + 0.0006 * random.random()) * (0.5 + exposed))
            )  # fmt: skip
        indices[602] = c.spatter_rate / 55.0
        depth = self.penetration_m(c) / (1.0 + 25.0 * abs(c.arc_y_m) / 0.006 * 0.1)
        thick = min(self._thin, 0.006)
        required = {"butt": 0.55 * thick, "lap": 0.25 * thick + 0.0003, "tee": 0.25 * thick + 0.0003, "bead": 0.0008}
        indices[402] = min(required[self._joint.kind] / max(depth, 1e-5), 3.0)
        # both parts have to melt at the seam near the arc
        row, column = heat.index(c.arc_x_m, 0.0)
        window = heat.pool[:, max(column - 4, 0) : column + 3]
        near = bool(window[heat.near_rows[: heat.ny]][:2].any())
        far = bool(window[~heat.near_rows][-2:].any())
        self._fusion += ((1.0 if near and far else 0.0) - self._fusion) * STEP_S / 0.2
        if self._joint.kind != "bead":
            indices[401] = 2.0 * (1.0 - self._fusion)
        width = max(float(heat.pool[:, max(column - 6, 0) : column + 3].any(1).sum()) * heat.cell_m, 0.0015)
        # in a fillet most of the metal fills the corner
        standing = {"butt": 0.8, "lap": 0.5, "tee": 0.5, "bead": 0.9}[self._joint.kind] * c.fill_m2
        slender = standing / (0.67 * width) / width / 0.55
        cold = 0.0012 / max(depth, 1e-5)
        indices[506] = slender * min(cold, 1.5)
        indices[502] = slender if cold < 1.0 else 0.0
        indices[501] = c.travel_m_s / 0.0115 * (c.voltage_v / 21.0) * math.sqrt(c.current_a / 200.0) / 1.25
        if indices[501] > 1 and random.random() < 0.3:
            self.marks.append(Mark("undercut", c.arc_x_m - 0.004, c.arc_y_m + math.copysign(width / 2, random.random() - 0.5), 0.0006))
        bottom = heat.bottom_c[:, max(column - 8, 0) : column + 3] >= heat.melting_c + 1.0
        through = float(bottom.any(1).sum()) * heat.cell_m
        indices[504] = through / (2.2 * self._thin + 0.004 - min(c.gap_m, 0.002))
        self._burn_through(c, through, indices)
        length, _ = heat.pool_extent(c.arc_x_m, c.arc_y_m)
        indices[100] = self._crack_sensitivity * (length / max(width, 0.003)) / 3.2 if self._crack_sensitivity >= 0.4 else 0.0
        if indices[100] > 1 and random.random() < 0.03:
            self.marks.append(Mark("crack", c.arc_x_m - length * 0.8, c.arc_y_m, 0.002))
            self.ticks.append(c.time_s)

    def _burn_through(self, c: WeldConditions, through: float, indices: dict[int, float]) -> None:
        limit = max(3.2 * self._thin + 0.004 - 3.0 * c.gap_m, 0.0025)
        self._melted_through_s = self._melted_through_s + STEP_S if through > limit else 0.0
        if self._melted_through_s > 0.15 and not self.hole_below(c.arc_x_m, c.arc_y_m):
            hole = Mark("hole", c.arc_x_m - 0.001, c.arc_y_m, 0.5 * min(through, 0.006))
            self.holes.append(hole)
            self.marks.append(hole)
            self._melted_through_s = 0.0
        recently = any(abs(h.x_m - c.arc_x_m) < h.radius_m + 0.0005 for h in self.holes)
        indices[510] = max(through / limit * 0.9, 1.5 if recently else 0.0)
        if indices[510] > 1:
            indices[504] = 0.0

    def _at_arc_end(self, c: WeldConditions) -> None:
        if self._arc_s < 1.0 or self._typical_power <= 0:
            return
        share = self._end_power / self._typical_power
        risk = (share - 0.75) / 0.5 + 0.6 * (self._crack_sensitivity - 0.2)
        if share > 0.8 and risk > 0.08:
            when = c.time_s + 0.5 + 0.8 * float(self._random.random())
            self._crater = (when, min(risk, 1.0))
            self.ticks.extend((when, when + 0.15))
            self.marks.append(Mark("crack", self._end_x, 0.0, 0.0025))
        self._arc_s = 0.0

    def _follow(self, code: int, value: float) -> None:
        span = self._spans[code]
        if math.isnan(span.since_s):
            span.above_s = span.above_s + STEP_S if value > 1.0 else 0.0
            if span.above_s >= _HOLD_S:
                span.since_s, span.severity, span.below_s = self._time - span.above_s, 0.0, 0.0
        if not math.isnan(span.since_s):
            span.severity = max(span.severity, min(max(value - 1.0, 0.0), 1.0))
            span.below_s = span.below_s + STEP_S if value < 0.9 else 0.0
            if span.below_s >= _CLEAR_S:
                self._closed.append(self._annotation(code, span, self._time - span.below_s))
                self._spans[code] = _Span()

    def _annotation(self, code: int, span: _Span, end_s: float) -> Annotation:
        return Annotation(
            round(max(span.since_s, 0.0), 4), round(max(end_s, span.since_s, 0.0), 4), "imperfection", str(code),
            severity=round(span.severity, 3), source=SOURCE,
        )  # fmt: skip

    def spans(self) -> list[Annotation]:
        """Imperfections so far; one that still lasts ends now."""
        running = [self._annotation(code, s, self._time) for code, s in self._spans.items() if not math.isnan(s.since_s)]
        return self._closed + running
