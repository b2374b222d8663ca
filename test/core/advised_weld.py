"""A weld under a procedure, with what its sensors measure and what is advised meanwhile."""

from __future__ import annotations

import math

import numpy as np

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.advisor import Advisor, AdvisorConfig
from msstan_core.advisory.parameters import PARAMETERS
from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.observation import TelemetryWindow
from msstan_core.resources import share_path
from msstan_core.vocabulary import Action

PROCEDURES = [load_wps(share_path(f"{WPS_FOLDER}/{wps_id}.yaml")) for wps_id in ProcedureBook().ids]
LAP = next(wps for wps in PROCEDURES if wps.id == "gmaw_steel_lap")
PERIOD_S = 0.04
AS_SET = {"current_a": 180.0, "voltage_v": 20.0, "wire_feed_speed_m_s": 0.075, "travel_speed_m_s": 0.008}


def telemetry(**measured: float) -> TelemetryWindow:
    """A second of steady telemetry, as set but for what is given."""
    row = [{**AS_SET, "gas_flow_l_min": 15.0, **measured}.get(c, math.nan) for c in ("current_a", "voltage_v")]
    row += [{**AS_SET, **measured}[c] for c in ("wire_feed_speed_m_s", "travel_speed_m_s")] + [15.0]
    stamps = np.arange(50, dtype=np.int64) * 20_000_000
    return TelemetryWindow(stamps, np.tile(np.array(row, np.float32), (50, 1)))


class Weld:
    """An advisor and the time it lives in."""

    def __init__(self, wps: Wps | None = LAP, **config: float) -> None:
        self.advisor = Advisor(AdvisorConfig(**config))  # type: ignore[arg-type]
        self.wps, self.now_ns = wps, 10**15
        self.said: list[Advice] = []
        self.seen: set[int] = set()

    def event(self, code: int, phase: EventPhase, score: float) -> AnomalyEvent:
        return AnomalyEvent(code + 1, phase, code, "", score, 0.5, math.nan, self.now_ns, self.now_ns)

    def run(
        self,
        seconds: float,
        *codes: int,
        action: Action = Action.MATERIAL_DEPOSITION,
        score: float = 0.8,
        window: TelemetryWindow | None = None,
        phase: EventPhase = EventPhase.ONGOING,
    ) -> list[Advice]:
        """Advice given meanwhile, with these imperfections seen at every tick and all others cleared."""
        before = len(self.said)
        cleared, self.seen = self.seen - set(codes), set(codes)
        for _ in range(round(seconds / PERIOD_S)):
            self.now_ns += round(PERIOD_S * 1e9)
            events = [self.event(code, phase, score) for code in codes]
            events += [self.event(code, EventPhase.CLEARED, 0.1) for code in cleared]
            cleared = set()
            advice = self.advisor.update(self.now_ns, action, events, window, self.wps)
            if advice is not None:
                self.said.append(advice)
        return self.said[before:]


def moved(advice: Advice) -> dict[str, int]:
    """Direction of every parameter that is advised to change."""
    return {p.field: int(math.copysign(1, d)) for p, d in zip(PARAMETERS, advice.deltas, strict=True) if d and d == d}


#: Directions in which the parameters go where the wire slips.
MORE_WIRE = {"wire_feed_speed_m_s": +1, "stick_out_m": -1, "voltage_v": -1, "travel_speed_m_s": -1}
