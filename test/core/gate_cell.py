"""A gate in front of a robot, with the procedure, the monitor and the clocks that it listens to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.gate import AdvisoryGate, GateSettings
from msstan_core.advisory.gate_output import GateOutput, GateState
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Values, values
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.refusals import Refusal
from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps, parse_wps
from msstan_core.resources import share_path

PROCEDURES = {wps_id: load_wps(share_path(f"{WPS_FOLDER}/{wps_id}.yaml")) for wps_id in ProcedureBook().ids}
LAP = PROCEDURES["gmaw_steel_lap"]
#: Little room for the heat input and very unlike rates: the straight way from one corner to another leaves the window.
TIGHT = parse_wps(
    {
        **LAP.model_dump(),
        "id": "tight",
        "travel_speed_m_s": {"nominal": 0.008, "min": 0.006, "max": 0.010, "max_rate_per_s": 0.04},
        "voltage_v": {"nominal": 20.0, "min": 18.0, "max": 22.0, "max_rate_per_s": 0.5},
        "heat_input_j_m": {"min": 340e3, "max": 380e3},
    }
)
PROCEDURES["tight"] = TIGHT
START_NS = 1_700_000_000_000_000_000
NAN = math.nan


def limits(wps: Wps) -> dict[str, Values]:
    """Limits as a right advice under this procedure bears them."""
    sections = [wps.range_of(p) if wps.adjusts(p) else None for p in PARAMETERS]
    return {
        "minimum": values(s.min if s else NAN for s in sections),
        "maximum": values(s.max if s else NAN for s in sections),
        "max_rate": values(s.max_rate_per_s if s else NAN for s in sections),
    }


class Cell:
    """A gate, its two clocks, and a monitor that beats unless told otherwise."""

    def __init__(self, wps: Wps | None = LAP, simulated: bool = False, **settings: Any) -> None:
        self.gate = AdvisoryGate(GateSettings(**settings), simulated_time=simulated)
        self.steady_s, self.now_ns = 100.0, START_NS
        self.beats, self.sequence = 0, 0
        self.session, self.revision, self.usable = "monitor", 1, True
        self.wps = wps
        self.gate.set_procedure(wps)
        self.output = self.gate.step(self.moment)

    @property
    def moment(self) -> Moment:
        return Moment(self.now_ns, self.steady_s)

    def beat(self, **changes: Any) -> None:
        fields = {
            "stamp_ns": self.now_ns,
            "session_id": self.session,
            "sequence_id": self.beats,
            "model_revision": self.revision,
            "usable": self.usable,
            "complaint": "" if self.usable else "STALE: no sensor delivers",
        }
        self.beats += 1
        self.gate.heartbeat(Heartbeat(**{**fields, **changes}), self.moment)

    def advise(self, **changes: Any) -> Refusal | None:
        fields: dict[str, Any] = {
            "stamp_ns": self.now_ns,
            "valid_until_ns": self.now_ns + 600_000_000,
            "session_id": self.session,
            "sequence_id": self.sequence,
            "model_revision": self.revision,
            "cause_event_id": 3,
            "cause_iso_code": 402,
            "confidence": 0.9,
            "deltas": (NAN, 1.0, NAN, -0.001, 0.0),
            **limits(self.wps or LAP),
            "reason": "penetration",
        }
        self.sequence += 1
        return self.gate.receive(Advice(**{**fields, **changes}), self.moment)

    def run(self, seconds: float, *, beating: bool = True, advising: bool = False, step_s: float = 0.02) -> GateOutput:
        for index in range(round(seconds / step_s)):
            self.steady_s += step_s
            self.now_ns += round(step_s * 1e9)
            if beating and index % 5 == 0:
                self.beat()
            if advising and index % 5 == 0:
                self.advise()
            self.output = self.gate.step(self.moment)
        return self.output


def advised(**settings: Any) -> Cell:
    """A cell in which an advice has been followed to its end."""
    cell = Cell(**settings)
    cell.beat()
    cell.run(1.0, advising=True)
    assert cell.output.state is GateState.ADVISING
    assert cell.output.deltas == pytest.approx((0.0, 1.0, 0.0, -0.001, 0.0))
    return cell


def returns(cell: Cell, within_s: float, **how: Any) -> None:
    """Back at the programmed setpoints after that time at the latest, and from then on."""
    cell.run(within_s, **how)
    assert cell.output.deltas == ZERO
    assert cell.run(0.3, **how).deltas == ZERO


RETURN_S = Envelope(LAP).return_time_s
