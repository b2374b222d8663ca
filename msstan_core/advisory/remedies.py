"""What a rule is made of: changes with their welding reason, remedies that fit a measured cause, the rule itself."""

from __future__ import annotations

from dataclasses import dataclass

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.measured import Deviation, MeasuredValues
from msstan_core.advisory.parameters import Parameter

#: In a rule, heat: the current, or the wire feed where that is what the procedure adjusts, since on constant-voltage
#: sources the wire feed sets the current.
CURRENT_OR_WIRE = Parameter.CURRENT
#: In a rule, metal: the same on constant-voltage sources, but the wire feed alone where it does not set the current.
WIRE = Parameter.WIRE_FEED_SPEED


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter, up (share > 0) or down (share < 0), by a share of the room that the procedure leaves it."""

    parameter: Parameter
    share: float
    reason: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to change. ``when`` None: whatever the telemetry shows."""

    changes: tuple[Change, ...]
    when: Deviation | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do about one imperfection.

    Args:
        iso_code: ISO 6520-1 reference number.
        urgency: of several imperfections the most urgent is treated.
        remedies: the first that fits the telemetry; none fits: no parameter is changed.
        at_once: the whole change from the start, instead of half of it and more while it lasts.
        check_gas: somebody should look at the shielding gas.
    """

    iso_code: int
    urgency: int
    remedies: tuple[Remedy, ...] = ()
    at_once: bool = False
    check_gas: bool = False

    def remedy(self, evidence: MeasuredValues) -> Remedy | None:
        """The first that fits what is measured; none while the arc breaks, unless it is too urgent to wait for it."""
        if not (evidence.arc_holds or self.at_once):
            return None
        for remedy in self.remedies:
            if remedy.when is None or remedy.when.shows(evidence):
                return remedy
        return None


def resolved(change: Change, envelope: Envelope) -> Parameter | None:
    """The parameter that a change really moves under a procedure; None: the procedure adjusts none that would do."""
    candidates = [change.parameter]
    if change.parameter in (CURRENT_OR_WIRE, WIRE) and envelope.wire_sets_current:
        candidates = [Parameter.CURRENT, Parameter.WIRE_FEED_SPEED]
    return next((p for p in candidates if envelope.wps.adjusts(p)), None)


def room(parameter: Parameter, direction: float, envelope: Envelope) -> float:
    """How far the delta may go in that direction (signed)."""
    return envelope.high[parameter] if direction > 0 else envelope.low[parameter]
