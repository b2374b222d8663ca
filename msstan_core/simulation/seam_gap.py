"""The gap between the parts: that of the joint, and where a disturbance opens it. It is a place, not a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from msstan_core.simulation.disturbances import FADE_S
from msstan_core.simulation.procedure import STITCH_GAP_M, programmed_place_m, seam_start_m
from msstan_core.simulation.scenario import Scenario

#: A pool bridges a gap up to here without sagging, m.
BRIDGED_M = 0.0006
#: The pool's surface sinks by this share of what the gap is wider.
_SAG = 0.5
#: Most of the wire's metal that a gap takes.
_MOST_FILL = 0.7


@dataclass(frozen=True, slots=True)
class _Opening:
    """A trapezium along one seam."""

    magnitude_m: float
    edges_m: list[float]  #: where it begins to open, is open, begins to close, is closed
    left: float  #: share of the magnitude before the first edge
    from_m: float  #: of the seam that it is in
    to_m: float

    def width_m(self, x_m: float) -> float:
        if not self.from_m <= x_m < self.to_m:
            return 0.0
        return self.magnitude_m * float(np.interp(x_m, self.edges_m, (0.0, 1.0, 1.0, 0.0), left=self.left))


class SeamGap:
    """How wide the gap is along the seams, from the scenario alone.

    ``joint_gap`` names where the gap opens by the time at which the programme comes there: whoever welds slower comes
    there later and stays longer.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._everywhere = scenario.joint.gap_m
        self._openings: list[_Opening] = []
        for d in scenario.disturbances:
            if d.kind != "joint_gap":
                continue
            times = (d.start_s, d.start_s + FADE_S, d.start_s + d.duration_s, d.start_s + d.duration_s + FADE_S)
            places = [programmed_place_m(scenario, t) for t in times]
            start, end = (seam_start_m(scenario.joint, d.weld) + at for at in (0.0, scenario.joint.seam_length_m))
            self._openings.append(
                _Opening(
                    d.magnitude,
                    [start + place for place in places],
                    left=1.0 if places[1] <= 0.0 else 0.0,  # open where the arc starts: open before it, too
                    # stitches part half way between them; beyond the first and the last the parts go on
                    from_m=start - STITCH_GAP_M / 2 if d.weld > 0 else -math.inf,
                    to_m=end + STITCH_GAP_M / 2 if d.weld + 1 < scenario.procedure.welds else math.inf,
                )
            )

    def width_m(self, x_m: float) -> float:
        """Width at a place along the seams, m."""
        return self._everywhere + sum(opening.width_m(x_m) for opening in self._openings)

    def sag_m(self, x_m: float) -> float:
        """How far the pool sinks into the gap there, m."""
        return _SAG * max(self.width_m(x_m) - BRIDGED_M, 0.0)

    def fill(self, x_m: float, thickness_m: float, metal_m2: float) -> float:
        """Share of the wire's metal that the gap takes there: it does not stand up as a bead.

        Args:
            thickness_m: of the thinner part. metal_m2: section of what is deposited.
        """
        taken = max(self.width_m(x_m) - BRIDGED_M, 0.0) * thickness_m
        return min(taken / max(metal_m2, 1e-12), _MOST_FILL)
