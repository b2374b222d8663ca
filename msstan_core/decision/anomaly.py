"""Something is going wrong: known imperfections by their probabilities, the unknown by distance to nominal welds.

An anomaly is an event with one id, from onset to clearance. It begins only after its score has stayed above the
threshold for a while, and ends only after it has stayed below a lower one: a single bad tick moves nobody.

There are two limits, as the warning and action limits of control charts (ISO 7870-1): from the lower one on an event is
a suspicion, early and cheap to be wrong about; from the higher one on it is an alarm, and what a model card promises of
the rate of false alarms holds for these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.decision.severity import SeverityEstimate
from msstan_core.inference.model_card import SeverityCard
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.vocabulary import IMPERFECTIONS

NOVELTY_NAME = "novelty"
#: ISO code field of a novelty event: no known imperfection.
NOVELTY_CODE = 0


class AnomalyConfig(BaseModel):
    """When a score becomes an event; the fields are also parameters ``events.NAME`` of the monitor node."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    imperfection_threshold: float = Field(
        0.5,
        ge=0.01,
        le=0.99,
        description="probability from which an imperfection counts where the model has no calibrated threshold",
    )
    clear_ratio: float = Field(0.7, ge=0.01, le=1, description="an event is cleared below its threshold times this")
    onset_s: float = Field(0.3, ge=0, le=30, description="time above the threshold before an onset is said, s")
    alarm_onset_s: float = Field(
        0.8,
        ge=0,
        le=30,
        description="time at its limit before a suspicion becomes an alarm, s; limits are calibrated with the default, "
        "and a shorter time breaks what they promise",
    )
    clear_s: float = Field(0.5, ge=0, le=30, description="time below before it is cleared, s")
    unknown_s: float = Field(5.0, ge=0.5, le=600, description="time without a score after which it is cleared, s")


#: Ticks further apart than this, and than so many of the periods before, have a hole between them.
HOLE_S, HOLE_PERIODS = 0.6, 3.0


class EventsLeft(NamedTuple):
    """What a monitor that is exchanged leaves to the one after it."""

    cleared: tuple[AnomalyEvent, ...]  #: its open events, closed
    next_id: int  #: of the session's next event


@dataclass(slots=True)
class _Track:
    """One possible anomaly and what it is doing now."""

    iso_code: int
    name: str
    threshold: float
    severity: SeverityEstimate | None
    alarm_threshold: float = math.inf  #: inf: never
    alarm: bool = False  #: of the open event
    alarming_ns: int | None = None  #: since when the score has been at the alarm's threshold
    event_id: int = 0  #: 0: no event is open
    onset_ns: int = 0
    since_ns: int | None = None  #: since when the score has been on the other side
    since_m: float = math.nan  #: where along the seam that was
    known_ns: int = 0  #: when there last was a score

    @property
    def alarm_limit(self) -> float:
        """From which score on it counts towards an alarm: what is no suspicion is no alarm either."""
        return max(self.alarm_threshold, self.threshold)

    def start_over(self) -> None:
        """What was forming is not known to have held."""
        self.since_ns = self.alarming_ns = None
        if self.severity is not None and not self.event_id:
            self.severity.forget()


@dataclass(frozen=True, slots=True)
class _Now:
    """What all events of one tick share."""

    stamp_ns: int
    seam_position_m: float
    departures: NDArray[np.floating] | None = None  #: [QUANTITIES] from the programme; None: nothing is measured


class AnomalyEvents:
    """Turns scores into onset, ongoing and cleared events with hysteresis and least durations.

    Args:
        config: thresholds and times.
        thresholds: ISO code -> probability, for those with a calibrated threshold; the others take the configuration's.
        severity: ISO code -> how bad it is by the telemetry; NaN for the others.
    """

    def __init__(
        self,
        config: AnomalyConfig,
        thresholds: Mapping[int, float] | None = None,
        severity: Mapping[int, SeverityCard] | None = None,
    ) -> None:
        self._config = config
        self._next_id = 1
        self._last_ns: int | None = None  #: stamp of the tick before
        self._period_ns = 0  #: from that to the one before it
        own = thresholds or {}
        told = {code: SeverityEstimate(card) for code, card in (severity or {}).items()}
        self._tracks = [
            _Track(i.iso_code, i.name, own.get(i.iso_code, config.imperfection_threshold), told.get(i.iso_code))
            for i in IMPERFECTIONS
        ]
        self._tracks.append(_Track(NOVELTY_CODE, NOVELTY_NAME, math.nan, None))

    def update(
        self,
        stamp_ns: int,
        probabilities: NDArray[np.float32],
        novelty: float,
        novelty_threshold: float,
        seam_position_m: float = math.nan,
        thresholds: NDArray[np.float32] | None = None,
        alarm_thresholds: NDArray[np.float32] | None = None,
        departures: NDArray[np.floating] | None = None,
    ) -> tuple[AnomalyEvent, ...]:
        """One tick.

        Args:
            stamp_ns: of the tick. probabilities: [13], NaN where no statement can be made.
            novelty: distance, NaN when unknown. novelty_threshold: distance from which it is novel.
            seam_position_m: at the tick, NaN when unknown.
            thresholds: [13] of the imperfections from this tick on, where they depend on what sensors are there.
            alarm_thresholds: [14] the same for alarms, of the imperfections and then of novelty; inf: never an alarm.
                One below the threshold of its event counts as that.
            departures: [QUANTITIES] of the process from the programme, NaN where unknown; None: nothing is measured.

        Returns:
            Onsets, open events (ONGOING, every tick) and clearances of this tick.
        """
        now = _Now(stamp_ns, seam_position_m, departures)
        if self._after_hole(stamp_ns):
            for track in self._tracks:  # nothing is known to have held meanwhile
                track.start_over()
        self._tracks[-1].threshold = novelty_threshold
        if thresholds is not None:
            for track, threshold in zip(self._tracks, map(float, thresholds), strict=False):
                track.threshold = threshold
        if alarm_thresholds is not None:
            for track, threshold in zip(self._tracks, map(float, alarm_thresholds), strict=True):
                track.alarm_threshold = threshold
        scores = [*map(float, probabilities), float(novelty)]
        events = (self._advance(track, now, score) for track, score in zip(self._tracks, scores, strict=True))
        return tuple(event for event in events if event is not None)

    def _after_hole(self, stamp_ns: int) -> bool:
        """Whether ticks are missing before this one: when nothing arrives, none are made."""
        period_ns = 0 if self._last_ns is None else stamp_ns - self._last_ns
        longest_ns = max(HOLE_S * NANOSECONDS_PER_SECOND, HOLE_PERIODS * self._period_ns)
        self._last_ns, self._period_ns = stamp_ns, period_ns
        return period_ns > longest_ns

    @property
    def open(self) -> bool:
        """Whether any event is open."""
        return any(track.event_id for track in self._tracks)

    def clear_all(self, stamp_ns: int) -> tuple[AnomalyEvent, ...]:
        """Close every open event, for a reset: nothing may stay open for ever."""
        now = _Now(stamp_ns, math.nan)
        events = []
        for track in self._tracks:
            if track.event_id:
                events.append(self._event(track, EventPhase.CLEARED, now, math.nan))
            self._forget(track)
        self._last_ns, self._period_ns = None, 0
        return tuple(events)

    def leave(self, stamp_ns: int) -> EventsLeft:
        """Close everything, for the monitor that takes over in this session."""
        return EventsLeft(self.clear_all(stamp_ns), self._next_id)

    def go_on_from(self, next_id: int) -> None:
        """Number the next event so: an id is given once in a session."""
        self._next_id = next_id

    def _advance(self, track: _Track, now: _Now, score: float) -> AnomalyEvent | None:
        if np.isnan(score):
            return self._without_score(track, now)
        if track.event_id and now.stamp_ns - track.known_ns > self._config.unknown_s * NANOSECONDS_PER_SECOND:
            return self._close(track, now, score)  # whatever is there now, it is not known to be the same
        track.known_ns = now.stamp_ns
        limit = track.threshold * (self._config.clear_ratio if track.event_id else 1.0)
        crossed = score < limit if track.event_id else score >= limit
        if not crossed:
            track.since_ns = None
        elif track.since_ns is None:
            track.since_ns, track.since_m = now.stamp_ns, now.seam_position_m
        self._follow_severity(track, now, above=crossed != bool(track.event_id))
        self._follow_alarm(track, now, score)
        wait_s = self._config.clear_s if track.event_id else self._config.onset_s
        held = track.since_ns is not None and now.stamp_ns - track.since_ns >= wait_s * NANOSECONDS_PER_SECOND
        if track.event_id:
            return self._close(track, now, score) if held else self._event(track, EventPhase.ONGOING, now, score)
        if not held or track.since_ns is None:
            return None
        track.event_id, track.onset_ns, track.since_ns = self._next_id, track.since_ns, None
        self._next_id += 1
        self._follow_alarm(track, now, score)
        return self._event(track, EventPhase.ONSET, _Now(now.stamp_ns, track.since_m), score)

    def _without_score(self, track: _Track, now: _Now) -> AnomalyEvent | None:
        """Nothing is known: a forming event starts over, an open one stays open, but not for ever."""
        track.start_over()
        if not track.event_id:
            return None
        if now.stamp_ns - track.known_ns > self._config.unknown_s * NANOSECONDS_PER_SECOND:
            return self._close(track, now, math.nan)
        return self._event(track, EventPhase.ONGOING, now, math.nan)

    def _close(self, track: _Track, now: _Now, score: float) -> AnomalyEvent:
        event = self._event(track, EventPhase.CLEARED, now, score)
        self._forget(track)
        return event

    @staticmethod
    def _follow_severity(track: _Track, now: _Now, *, above: bool) -> None:
        """An event that forms or lasts is as bad as the process was off while its score was ``above`` the limit."""
        if track.severity is None:
            return
        if not above and not track.event_id:
            track.severity.forget()
        elif above and now.departures is not None:
            track.severity.add(now.departures)

    def _follow_alarm(self, track: _Track, now: _Now, score: float) -> None:
        """An open event whose score has held at the alarm's threshold for long enough is an alarm."""
        if score < track.alarm_limit:
            track.alarming_ns = None
        elif track.alarming_ns is None:
            track.alarming_ns = now.stamp_ns
        held_ns = self._config.alarm_onset_s * NANOSECONDS_PER_SECOND
        if track.event_id and track.alarming_ns is not None and now.stamp_ns - track.alarming_ns >= held_ns:
            track.alarm = True

    @staticmethod
    def _forget(track: _Track) -> None:
        track.event_id, track.since_ns, track.alarm, track.alarming_ns = 0, None, False, None
        if track.severity is not None:
            track.severity.forget()

    @staticmethod
    def _event(track: _Track, phase: EventPhase, now: _Now, score: float) -> AnomalyEvent:
        return AnomalyEvent(
            track.event_id,
            phase,
            track.iso_code,
            track.name,
            score,
            track.threshold,
            math.nan if track.severity is None else track.severity.value,
            track.onset_ns,
            now.stamp_ns,
            now.seam_position_m,
            alarm=track.alarm,
            alarm_threshold=track.alarm_limit if math.isfinite(track.alarm_limit) else math.nan,
        )
