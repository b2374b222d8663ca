"""Why the gate does not let an advice through."""

from __future__ import annotations

import math
from enum import Enum

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.parameters import PARAMETERS
from msstan_core.advisory.rules import rule_for
from msstan_core.vocabulary import ISO_CODES


class Refusal(Enum):
    """A reason. Violations are what a sound monitor never sends; they add up to a latch.

    A message may be late or come from another activation without anybody's fault: that is refused, no more.
    """

    LATCHED = ("the gate is latched: find the cause, then call ~/reset", False)
    NO_PROCEDURE = ("no welding procedure is in force", False)
    NO_MONITOR = ("no heartbeat of the monitor on weld/state", False)
    UNHEALTHY = ("the monitor says that it cannot be relied on", False)
    FOREIGN_SESSION = ("another session than that of the monitor's heartbeat", False)
    FOREIGN_REVISION = ("another model revision than that of the monitor's heartbeat", False)
    NOT_NEWER = ("sequence number not above the last one: repeated, replayed or out of order", True)
    OLDER_STAMP = ("stamped before the advice it would replace", False)
    STALE = ("rests on samples that are too old", False)
    FROM_THE_FUTURE = ("stamped in the future: synchronise the clocks", False)
    EXPIRED = ("valid_until has passed", False)
    VALID_TOO_LONG = ("valid_until lies before the stamp or too long after it", True)
    UNSURE = ("too little confidence in the cause, or none stated", False)
    NOT_A_NUMBER = ("a value that is no possible number", True)
    UNKNOWN_CAUSE = ("cause is no imperfection that is known", True)
    NO_REMEDY = ("a correction whose cause is nothing that a parameter mends", True)
    NOT_ADJUSTABLE = ("a delta for a parameter that the procedure does not let anybody adjust", True)
    WITHOUT_LIMITS = ("a delta without min, max or max_rate", True)
    OTHER_LIMITS = ("limits that are not those of the procedure in force", True)

    def __init__(self, text: str, violation: bool) -> None:
        self.text = text
        self.violation = violation


#: What travelled as float32 may differ from the procedure's own numbers by this share without being wrong.
FLOAT32_ROUNDING = 1e-6


def content_refusal(advice: Advice, envelope: Envelope, least_confidence: float) -> Refusal | None:
    """What speaks against the content of an advice, whenever it comes.

    A finite delta outside the procedure's range is no refusal: it is clamped (and counted).

    Args:
        advice: as received.
        envelope: of the procedure in force.
        least_confidence: below it nobody moves.
    """
    if advice.cause_iso_code not in (0, *ISO_CODES):
        return Refusal.UNKNOWN_CAUSE
    corrects = any(delta != 0.0 for delta in advice.deltas if not math.isnan(delta))
    rule = rule_for(advice.cause_iso_code)
    if corrects and (rule is None or not rule.remedies):
        return Refusal.NO_REMEDY
    if math.isnan(advice.confidence):
        return Refusal.UNSURE
    if not 0.0 <= advice.confidence <= 1.0:
        return Refusal.NOT_A_NUMBER
    for p in PARAMETERS:
        delta = advice.deltas[p]
        if math.isinf(delta):
            return Refusal.NOT_A_NUMBER
        if math.isnan(delta):
            continue
        if not envelope.wps.adjusts(p):
            if delta != 0.0:
                return Refusal.NOT_ADJUSTABLE
            continue
        low, high, rate = advice.minimum[p], advice.maximum[p], advice.max_rate[p]
        if math.isnan(low) or math.isnan(high) or math.isnan(rate):
            if delta != 0.0:
                return Refusal.WITHOUT_LIMITS
            continue
        section = envelope.wps.range_of(p)
        assert section is not None  # adjustable parameters have one
        slack = FLOAT32_ROUNDING * max(abs(section.min), abs(section.max))
        # Tighter limits are honoured; wider ones, or a range without the setpoint, belong to another procedure.
        nominal = section.nominal
        if not (section.min - slack <= low <= nominal + slack and nominal - slack <= high <= section.max + slack):
            return Refusal.OTHER_LIMITS
        if not 0.0 < rate <= section.max_rate_per_s * (1 + FLOAT32_ROUNDING):
            return Refusal.OTHER_LIMITS
    if advice.confidence < least_confidence:
        return Refusal.UNSURE
    return None
