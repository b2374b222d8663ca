"""A remedy in force: how much of it, since when, what it makes of the setpoints, and how it is said."""

from __future__ import annotations

import math
from dataclasses import dataclass

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.measured import MeasuredValues
from msstan_core.advisory.parameters import ZERO, Parameter, Values, values
from msstan_core.advisory.remedies import Remedy, Rule, resolved, room


@dataclass(slots=True)
class Correction:
    """The remedy in force."""

    rule: Rule
    remedy: Remedy
    event_id: int
    confidence: float
    share: float
    held_since_ns: int | None = None  #: since when nothing asks for more of it; None: something does

    def deltas(self, envelope: Envelope) -> Values:
        """Changes of the setpoints, inside the procedure."""
        deltas = list(ZERO)
        for change in self.remedy.changes:
            parameter = resolved(change, envelope)
            if parameter is not None:
                deltas[parameter] = self.share * abs(change.share) * room(parameter, change.share, envelope)
        return envelope.clamp(values(deltas))


def opposes(new: Remedy, old: Remedy, envelope: Envelope) -> bool:
    """Whether a parameter goes up by one and down by the other: taking the old one back may be all that is needed."""

    def directions(remedy: Remedy) -> dict[Parameter, float]:
        found = {}
        for change in remedy.changes:
            if (parameter := resolved(change, envelope)) is not None:
                found[parameter] = change.share
        return found

    mine, theirs = directions(new), directions(old)
    return any(mine[p] * theirs[p] < 0 for p in mine.keys() & theirs.keys())


def needed_share(remedy: Remedy, evidence: MeasuredValues, envelope: Envelope) -> float:
    """Share of the remedy that makes up for the measured deviation, 0 to 1; 0 where it is not known."""
    if remedy.when is None:
        return 0.0
    parameter, size = remedy.when.parameter, remedy.when.size(evidence)
    for change in remedy.changes:
        if resolved(change, envelope) is parameter and math.isfinite(size):
            reach = abs(change.share * room(parameter, change.share, envelope))
            missing = evidence.programmed[parameter] * size  # at a factor on the setpoint somewhat more is needed
            return min(max(missing / reach, 0.0), 1.0) if reach > 0 else 0.0
    return 0.0


def in_words(remedy: Remedy, envelope: Envelope) -> str:
    """The remedy's changes with their reasons."""
    parts = []
    for change in remedy.changes:
        parameter = resolved(change, envelope)
        if parameter is not None:
            parts.append(f"{parameter.words} {'up' if change.share > 0 else 'down'} ({change.reason})")
    return ", ".join(parts)
