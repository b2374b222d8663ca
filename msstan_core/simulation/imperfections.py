"""Imperfections as consequences: one index per imperfection, over 1 where it forms.

Nothing here is asked for by a scenario: disturbances change gas cover, speed, feed, distance, aim or gap, and the
indices follow from the state of arc, pool and plate. A programmed procedure counts as qualified, so its own steady
values are the reference (``Reference``), and the limits are margins around it; parameter changes bring the indices
back under 1.

The limits are engineering estimates that make the common faults occur at the magnitudes practice reports;
docs/simulation.md lists them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from msstan_core.recordings.annotations import Annotation
from msstan_core.simulation.energy import STEP_S
from msstan_core.simulation.heat import HeatField
from msstan_core.simulation.labels import SOURCE
from msstan_core.simulation.materials import PROPERTIES
from msstan_core.simulation.penetration import arc_penetration_m
from msstan_core.simulation.scenario import Scenario
from msstan_core.simulation.seam_gap import BRIDGED_M
from msstan_core.vocabulary import ISO_CODES

#: Limits of the indices, each beside the quantity it divides.
LIMITS: dict[str, float] = {
    "exposed gas pore": 0.40,  # share of the pool that air reaches
    "exposed surface pore": 0.70,
    "penetration": 0.75,  # of the reference penetration: below it, lack of penetration
    "sidewall": 0.62,  # of the reference penetration: below it, lack of fusion
    "aim": 0.9,  # mean distance from the seam over half the pool's width: beyond it one side stays cold
    "undercut": 1.6,  # times the reference of speed and arc length
    "excess metal": 1.5,  # times the reference section
    "overlap": 1.4,  # section against wetting (voltage)
    "excess penetration": 1.4,  # times the reference energy per length, gap included
    "burn-through": 1.85,
    "spatter": 1.3,  # times the reference rate, plus 20 a second
    "hot crack": 1.25,  # energy per length, weighted with the metal's sensitivity
    "stray arc m": 0.006,  # arc beside the seam
    "crater": 0.85,  # of the steady power at the very end: above it the crater stays unfilled
}
#: Radius of a stirring pin over that of its shoulder.
PIN_SHARE = 0.35
#: Seams are met this well even without a pool (brazing), m.
_LEAST_REACH_M = 0.0007
_HOLD_S = 0.15
_CLEAR_S = 0.3
_SETTLE_S = 0.9


@dataclass(frozen=True, slots=True)
class Reference:
    """Steady values of the programmed procedure."""

    current_a: float
    voltage_v: float
    power_w: float
    spatter_rate: float  #: violence-weighted ejections per second
    travel_m_s: float
    wire_feed_m_s: float


@dataclass(slots=True)
class WeldConditions:
    """What the indices look at in one control step."""

    time_s: float
    burning: bool
    steady: bool  #: welding at programmed travel, neither starting nor filling the crater
    current_a: float  #: 0.1 s means
    voltage_v: float
    power_w: float
    travel_m_s: float
    wire_feed_m_s: float
    energy: float  #: programmed factor on the energy at this moment
    travel: float  #: programmed factor on the travel speed at this moment
    gas_cover: float
    arc_x_m: float
    arc_y_m: float
    weave_m: float  #: the programmed weaving's part of ``arc_y_m``
    gap_m: float
    spatter_rate: float
    depth_ratio: float = (
        math.nan
    )  #: fusion depth over its reference, where the source knows it better than Jackson's law
    undercut_ratio: float = math.nan  #: for sources without arc voltage


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

    def __init__(self, scenario: Scenario, reference: Reference, random: np.random.Generator) -> None:
        self.reference = reference
        self._random = random
        a, b = scenario.joint.materials
        sensitivity = max(PROPERTIES[a].crack_sensitivity, PROPERTIES[b].crack_sensitivity)
        self._sensitivity = min(sensitivity + (0.15 if a is not b else 0.0), 1.0)
        self._one_part = scenario.joint.kind == "bead"
        self._melts = scenario.process.kind != "fsw"
        # a pin stirs as far as it is thick; it makes no pool
        self._stirred = 0.0 if self._melts else PIN_SHARE * scenario.process.shoulder_radius_m
        self._reach = self._stirred
        self._spans = {code: _Span() for code in ISO_CODES}
        self._closed: list[Annotation] = []
        self.indices: dict[int, float] = dict.fromkeys(ISO_CODES, 0.0)
        self.marks: list[Mark] = []
        self.holes: list[Mark] = []
        self.ticks: list[float] = []  #: times of audible cracks
        self._crater: tuple[float, float] | None = None  # when it cracks, severity
        self._was_burning = False
        self._power = 0.0
        self._steady_power = 0.0
        self._aim = 0.0
        self._line_energy = 1.0
        self._end_x = 0.0
        self._arc_s = 0.0
        self._overheated_s = 0.0
        self._time = 0.0

    def hole_below(self, x_m: float, y_m: float) -> bool:
        """Whether the arc points into a hole."""
        return any((h.x_m - x_m) ** 2 + (h.y_m - y_m) ** 2 < h.radius_m**2 for h in self.holes)

    def advance(self, c: WeldConditions, heat: HeatField) -> None:
        """One control step."""
        self._time = c.time_s
        indices = dict.fromkeys(ISO_CODES, 0.0)
        if c.burning:
            if not self._was_burning and not c.steady:
                self._begin_seam()
            self._arc_s += STEP_S
            self._power += (c.power_w - self._power) * STEP_S / 0.15
            self._end_x = c.arc_x_m
            self._crater = None
            self._while_burning(c, indices)
            if c.steady and self._arc_s > _SETTLE_S:
                self._while_steady(c, heat, indices)
        elif self._was_burning:
            self._at_arc_end(c)
        self._was_burning = c.burning
        if self._crater is not None and c.time_s >= self._crater[0]:
            indices[104] = 1.0 + self._crater[1]
        self.indices = indices
        for code, value in indices.items():
            self._follow(code, value)

    def _begin_seam(self) -> None:
        """What the seam before was like says nothing of this one."""
        self._aim, self._line_energy, self._overheated_s = 0.0, 1.0, 0.0
        self._reach = self._stirred

    def _while_burning(self, c: WeldConditions, indices: dict[int, float]) -> None:
        random = self._random
        exposed = 1.0 - c.gas_cover
        if self._arc_s > 0.3:
            indices[2011] = exposed / LIMITS["exposed gas pore"]
            indices[2017] = exposed / LIMITS["exposed surface pore"]
            if random.random() < 0.3 * max(exposed - 0.3, 0.0):
                x = c.arc_x_m - 0.004 - 0.003 * float(random.random())
                y = c.arc_y_m + 0.0016 * float(random.standard_normal())
                self.marks.append(Mark("pore", x, y, (0.0003 + 0.0006 * float(random.random())) * (0.5 + exposed)))
        indices[601] = abs(c.arc_y_m - c.weave_m) / LIMITS["stray arc m"]
        if indices[601] > 1 and random.random() < 0.2:
            self.marks.append(Mark("strike", c.arc_x_m, c.arc_y_m, 0.0012))
        if self._arc_s > _SETTLE_S:
            indices[602] = c.spatter_rate / (LIMITS["spatter"] * self.reference.spatter_rate + 20.0)

    def _while_steady(self, c: WeldConditions, heat: HeatField, indices: dict[int, float]) -> None:
        ref, random = self.reference, self._random
        # the programme's own changes of heat input are qualified too
        current_n, power_n = ref.current_a * c.energy**0.85, ref.power_w * c.energy**0.9
        travel_n, feed_n = ref.travel_m_s * c.travel, max(ref.wire_feed_m_s * c.energy, 1e-4)
        travel = max(c.travel_m_s, 0.0005)
        self._steady_power = self._steady_power or c.power_w
        self._steady_power += (c.power_w - self._steady_power) * STEP_S / 1.0
        depth = c.depth_ratio
        if math.isnan(depth):
            now = arc_penetration_m(c.current_a, max(c.voltage_v, 8.0), travel)
            depth = now / arc_penetration_m(current_n, ref.voltage_v, travel_n)
        depth = max(depth, 0.05)
        indices[402] = LIMITS["penetration"] / depth
        self._aim += (c.arc_y_m - self._aim) * STEP_S / 0.7
        if self._melts:
            _, width = heat.pool_extent(c.arc_x_m, c.arc_y_m)
            self._reach += (0.5 * width - self._reach) * STEP_S / 0.7
        if not self._one_part:
            off = abs(self._aim) / (LIMITS["aim"] * max(self._reach, _LEAST_REACH_M))
            indices[401] = max(LIMITS["sidewall"] / depth, off)
        length_ratio = c.undercut_ratio if not math.isnan(c.undercut_ratio) else c.voltage_v / ref.voltage_v
        indices[501] = travel / travel_n * length_ratio / LIMITS["undercut"]
        if indices[501] > 1 and random.random() < 0.3:
            side = math.copysign(0.0028, float(random.random()) - 0.5)
            self.marks.append(Mark("undercut", c.arc_x_m - 0.004, c.arc_y_m + side, 0.0006))
        if ref.wire_feed_m_s > 0:
            section = (c.wire_feed_m_s / feed_n) / (travel / travel_n)
            indices[502] = section / LIMITS["excess metal"]
            indices[506] = math.sqrt(section) * (1.0 / length_ratio) ** 1.5 / LIMITS["overlap"]
        energy = (c.power_w / travel) / (power_n / travel_n)
        self._line_energy += (energy - self._line_energy) * STEP_S / 0.5
        self._through(c, heat, indices)
        if self._sensitivity >= 0.4 and self._melts:
            indices[100] = self._line_energy * (0.4 + 0.6 * self._sensitivity) / LIMITS["hot crack"]
            if indices[100] > 1 and random.random() < 0.02:
                self.marks.append(Mark("crack", c.arc_x_m - 0.008, c.arc_y_m, 0.002))
                self.ticks.append(c.time_s)

    def _through(self, c: WeldConditions, heat: HeatField, indices: dict[int, float]) -> None:
        """Excess penetration and burn-through: only where the underside is molten."""
        row, column = heat.index(c.arc_x_m, 0.0)
        behind = heat.bottom_c[max(row - 6, 0) : row + 7, max(column - 8, 0) : column + 3]
        melting = heat.melting_c[max(row - 6, 0) : row + 7]
        molten = bool((behind >= melting - 1.0).any())
        load = self._line_energy * (1.0 + 600.0 * max(c.gap_m - BRIDGED_M, 0.0))
        if molten:
            indices[504] = load / LIMITS["excess penetration"]
            indices[510] = load / LIMITS["burn-through"]
        self._overheated_s = self._overheated_s + STEP_S if indices[510] > 1 else 0.0
        if self._overheated_s > 0.25 and not self.hole_below(c.arc_x_m, c.arc_y_m):
            hole = Mark("hole", c.arc_x_m - 0.001, c.arc_y_m, 0.0018 + 0.0012 * float(self._random.random()))
            self.holes.append(hole)
            self.marks.append(hole)
            self._overheated_s = 0.0
        if any(abs(h.x_m - c.arc_x_m) < h.radius_m + 0.0005 for h in self.holes):
            indices[510] = max(indices[510], 1.5)
        if max(indices[504], indices[510]) > 1:
            indices[402] = 0.0  # what hangs through the root has penetrated it
        if indices[510] > 1:
            indices[504] = 0.0

    def _at_arc_end(self, c: WeldConditions) -> None:
        if c.steady:  # the arc broke, the robot goes on: not an end
            return
        lasted, self._arc_s = self._arc_s, 0.0
        if lasted < 1.0 or self._steady_power <= 0 or not self._melts:
            return
        share = self._power / self._steady_power
        if share > LIMITS["crater"] and self._random.random() < 0.45 + 0.6 * self._sensitivity:
            when = c.time_s + 0.4 + 0.8 * float(self._random.random())
            self._crater = (when, float(np.clip(0.3 + 2.0 * (share - 0.85) + 0.4 * self._sensitivity, 0.1, 1.0)))
            self.ticks.extend((when, when + 0.15))
            self.marks.append(Mark("crack", self._end_x, 0.0, 0.0025))

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
        running = [
            self._annotation(code, s, self._time) for code, s in self._spans.items() if not math.isnan(s.since_s)
        ]
        return self._closed + running
