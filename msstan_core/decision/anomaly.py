"""Something is going wrong: known imperfections by their probabilities, the unknown by distance to nominal welds.

An anomaly is an event with one id, from onset to clearance. It begins only after its score has stayed above the
threshold for a while, and ends only after it has stayed below a lower one: a single bad tick moves nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.errors import InputError
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.vocabulary import IMPERFECTIONS

NOVELTY_NAME = "novelty"
#: ISO code field of a novelty event: no known imperfection.
NOVELTY_CODE = 0


class AnomalyConfig(BaseModel):
    """When a score becomes an event."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    imperfection_threshold: float = Field(0.5, gt=0, lt=1, description="probability from which an imperfection counts")
    clear_ratio: float = Field(0.7, gt=0, le=1, description="cleared below threshold times this (hysteresis)")
    onset_s: float = Field(0.3, ge=0, le=30, description="seconds above the threshold before an onset is said")
    clear_s: float = Field(0.5, ge=0, le=30, description="seconds below before it is cleared")


class NominalEmbeddings:
    """Mahalanobis distance to the embeddings of nominal welds.

    Args:
        mean: [d]. whitening: [d, k]; distance = |(x - mean) @ whitening| / sqrt(k), so that about 1 is typical.
    """

    def __init__(self, mean: NDArray[np.float32], whitening: NDArray[np.float32]) -> None:
        self._mean, self._whitening = mean, whitening

    @classmethod
    def fit(cls, embeddings: NDArray[np.float32], shrinkage: float = 0.05) -> NominalEmbeddings:
        """From [N, d] embeddings of nominal ticks; the covariance is shrunk towards its mean variance."""
        mean = embeddings.mean(axis=0)
        covariance = np.cov(embeddings, rowvar=False) + 1e-6 * np.eye(embeddings.shape[1])
        level = np.trace(covariance) / len(covariance)
        values, vectors = np.linalg.eigh((1 - shrinkage) * covariance + shrinkage * level * np.eye(len(covariance)))
        return cls(mean.astype(np.float32), (vectors / np.sqrt(values)).astype(np.float32))

    @classmethod
    def load(cls, path: Path) -> NominalEmbeddings:
        """Read ``nominal.npz``."""
        try:
            with np.load(path) as data:
                return cls(data["mean"], data["whitening"])
        except (OSError, KeyError, ValueError) as error:
            raise InputError(path, f"cannot be read ({error})", "train or export the model again") from None

    def save(self, path: Path) -> None:
        """Write ``nominal.npz``."""
        np.savez_compressed(path, mean=self._mean, whitening=self._whitening)

    def distance(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """[..., d] -> [...] distances; about 1 for nominal ticks."""
        centred = (embeddings - self._mean) @ self._whitening
        return np.asarray(np.linalg.norm(centred, axis=-1) / np.sqrt(self._whitening.shape[1]), np.float32)


@dataclass(slots=True)
class _Track:
    """One possible anomaly and what it is doing now."""

    iso_code: int
    name: str
    event_id: int = 0  #: 0: no event is open
    onset_ns: int = 0
    since_ns: int | None = None  #: since when the score has been on the other side


class AnomalyEvents:
    """Turns scores into onset, ongoing and cleared events with hysteresis and least durations.

    Args:
        config: thresholds and times.
    """

    def __init__(self, config: AnomalyConfig) -> None:
        self._config = config
        self._next_id = 1
        self._tracks = [_Track(i.iso_code, i.name) for i in IMPERFECTIONS] + [_Track(NOVELTY_CODE, NOVELTY_NAME)]

    def update(
        self, stamp_ns: int, probabilities: NDArray[np.float32], novelty: float, novelty_threshold: float
    ) -> tuple[AnomalyEvent, ...]:
        """One tick.

        Args:
            stamp_ns: of the tick. probabilities: [13], NaN where no statement can be made.
            novelty: distance, NaN when unknown. novelty_threshold: distance from which it is novel.

        Returns:
            Onsets, open events (ONGOING, every tick) and clearances of this tick.
        """
        thresholds = [self._config.imperfection_threshold] * len(IMPERFECTIONS) + [novelty_threshold]
        scores = [*map(float, probabilities), float(novelty)]
        events = (
            self._advance(track, stamp_ns, score, threshold)
            for track, score, threshold in zip(self._tracks, scores, thresholds, strict=True)
        )
        return tuple(event for event in events if event is not None)

    def clear_all(self, stamp_ns: int) -> tuple[AnomalyEvent, ...]:
        """Close every open event, for a reset: nothing may stay open for ever."""
        events = []
        for track in self._tracks:
            if track.event_id:
                events.append(self._event(track, EventPhase.CLEARED, stamp_ns, float("nan"), float("nan")))
            track.event_id, track.since_ns = 0, None
        return tuple(events)

    def _advance(self, track: _Track, stamp_ns: int, score: float, threshold: float) -> AnomalyEvent | None:
        if np.isnan(score):
            # Nothing is known: an open event stays open, a forming one starts over.
            track.since_ns = None
            return self._event(track, EventPhase.ONGOING, stamp_ns, score, threshold) if track.event_id else None
        limit = threshold * (self._config.clear_ratio if track.event_id else 1.0)
        crossed = score < limit if track.event_id else score >= limit
        if not crossed:
            track.since_ns = None
        elif track.since_ns is None:
            track.since_ns = stamp_ns
        wait_s = self._config.clear_s if track.event_id else self._config.onset_s
        held = track.since_ns is not None and stamp_ns - track.since_ns >= wait_s * NANOSECONDS_PER_SECOND
        if track.event_id:
            event = self._event(track, EventPhase.CLEARED if held else EventPhase.ONGOING, stamp_ns, score, threshold)
            if held:
                track.event_id, track.since_ns = 0, None
            return event
        if not held:
            return None
        track.event_id, track.onset_ns, track.since_ns = self._next_id, track.since_ns or stamp_ns, None
        self._next_id += 1
        return self._event(track, EventPhase.ONSET, stamp_ns, score, threshold)

    @staticmethod
    def _event(track: _Track, phase: EventPhase, stamp_ns: int, score: float, threshold: float) -> AnomalyEvent:
        return AnomalyEvent(
            track.event_id, phase, track.iso_code, track.name, score, threshold, float("nan"), track.onset_ns, stamp_ns
        )
