"""Anomaly events of a whole recording: each from onset to clearance as one entry."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from msstan_core.decision.result import AnomalyEvent, EventPhase, Evidence


@dataclass(slots=True)
class LoggedEvent:
    """One anomaly event, updated while it lasts."""

    event_id: int
    iso_code: int  #: 0: novelty
    name: str
    threshold: float  #: score from which it counts
    newest: AnomalyEvent  #: as last reported
    onset_ns: int  #: since when the score was above
    said_ns: int  #: when the onset was said: later, because a single tick moves nobody
    end_ns: int  #: clearance, or the newest tick while it is open
    open: bool = True
    peak: float = math.nan  #: highest score
    severity: float = math.nan  #: 0..1, as last said
    seam_position_m: float = math.nan  #: of the onset
    seam_from_m: float = math.nan  #: where it was reported, from ...
    seam_to_m: float = math.nan  #: ... to, along the seam from the arc's start; NaN when unknown
    evidence: Evidence | None = None  #: of the onset
    alarm_ns: int | None = None  #: when it became an alarm; None: it stayed a suspicion


class EventLog:
    """Collects the events of successive decisions."""

    def __init__(self) -> None:
        self._entries: dict[int, LoggedEvent] = {}

    def add(self, events: Iterable[AnomalyEvent]) -> None:
        """Take over the events of one decision."""
        for event in events:
            entry = self._entries.get(event.event_id)
            if entry is None and event.phase is EventPhase.CLEARED:
                continue  # of what went on before this recording: a reset clears it
            if entry is None:
                entry = self._entries[event.event_id] = LoggedEvent(
                    event.event_id,
                    event.iso_code,
                    event.name,
                    event.threshold,
                    event,
                    event.onset_stamp_ns,
                    event.stamp_ns,
                    event.stamp_ns,
                    seam_position_m=event.seam_position_m,
                    evidence=event.evidence,
                )
            if event.alarm and entry.alarm_ns is None:
                entry.alarm_ns = event.stamp_ns
            entry.newest = event
            entry.end_ns = max(entry.end_ns, event.stamp_ns)  # cleared because the clock was set back: it ended before
            entry.open = event.phase is not EventPhase.CLEARED
            entry.peak = _larger(entry.peak, event.score)
            entry.severity = entry.severity if math.isnan(event.severity) else event.severity
            entry.seam_from_m = -_larger(-entry.seam_from_m, -event.seam_position_m)
            entry.seam_to_m = _larger(entry.seam_to_m, event.seam_position_m)

    @property
    def ongoing(self) -> tuple[AnomalyEvent, ...]:
        """What is open now, as last reported, alarms first and the earliest first among equals."""
        return tuple(sorted((e.newest for e in self.entries if e.open), key=lambda event: not event.alarm))

    @property
    def entries(self) -> tuple[LoggedEvent, ...]:
        """All events so far, in the order of their onsets."""
        return tuple(sorted(self._entries.values(), key=lambda e: (e.onset_ns, e.event_id)))


def _larger(a: float, b: float) -> float:
    return b if math.isnan(a) else a if math.isnan(b) else max(a, b)
