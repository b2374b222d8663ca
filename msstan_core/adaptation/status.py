"""What the adaptation says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdaptationStatus:
    """For diagnostics and services."""

    adapting: bool  #: commanded to learn
    paused: str  #: why nothing is learnt now; "": nothing hinders it
    revision: int  #: in use
    adapted: bool  #: another head than the shipped one is in use
    spans: int  #: labelled since the job began; a tick that is labelled again counts once
    held_ticks: int
    guard_accuracy: float
    shipped_guard_accuracy: float
    drift: float
    last_change: str
    unrecorded: str = ""  #: why the disk does not hold what is in use; "": it does, or there is no folder
