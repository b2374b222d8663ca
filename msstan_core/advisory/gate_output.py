"""What leaves the gate at every step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.envelope import Envelope, Stated
from msstan_core.advisory.parameters import UNKNOWN, ZERO, Values


class GateState(Enum):
    """What the gate does."""

    PROGRAMMED = "programmed setpoints"
    ADVISING = "advice in force"
    RETURNING = "returning to the programmed setpoints"
    LATCHED = "latched until reset"


@dataclass(frozen=True, slots=True)
class GateOutput:
    """What the robot is told now."""

    stamp_ns: int
    valid_until_ns: int
    deltas: Values  #: inside ``envelope``; all 0 without one
    envelope: Envelope | None  #: None: no procedure is in force
    state: GateState
    reason: str  #: in words: the advice's own, or why there is none
    cause_event_id: int = 0
    cause_iso_code: int = 0
    confidence: float = 0.0
    model_revision: int = 0
    check_gas: bool = False

    def as_advice(self, session_id: str, sequence_id: int) -> Advice:
        """The message on ``weld/advisory_gated``; parameters that may not be adjusted hold NaN: no advice."""
        stated = Stated(ZERO, UNKNOWN, UNKNOWN, UNKNOWN)
        if self.envelope is not None:
            stated = self.envelope.stated(self.deltas)
        return Advice(
            stamp_ns=self.stamp_ns,
            valid_until_ns=self.valid_until_ns,
            session_id=session_id,
            sequence_id=sequence_id,
            model_revision=self.model_revision,
            cause_event_id=self.cause_event_id,
            cause_iso_code=self.cause_iso_code,
            confidence=self.confidence,
            deltas=stated.deltas,
            minimum=stated.minimum,
            maximum=stated.maximum,
            max_rate=stated.max_rate,
            check_gas=self.check_gas,
            reason=self.reason,
        )
