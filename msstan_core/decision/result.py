"""What leaves the monitor at every tick, before it becomes a ROS message or a CSV row."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from msstan_core.vocabulary import Action


class EventPhase(IntEnum):
    """Life of an anomaly event; numbers as on the wire."""

    UNKNOWN = 0
    ONSET = 1
    ONGOING = 2
    CLEARED = 3


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """A box in the camera image, as fractions of its width and height from the top left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an event rests on: for people who look into it, no proof of a cause."""

    modality_weights: tuple[float, float, float, float]  #: share of each modality, vocabulary.MODALITIES order
    #: where the network looked when the event's score was highest so far; None: no fresh camera then, or no clear focus
    region: ImageRegion | None = None


@dataclass(frozen=True, slots=True)
class AnomalyEvent:
    """One anomaly as it begins, lasts or ends. ``event_id`` stays the same from onset to clearance."""

    event_id: int
    phase: EventPhase
    iso_code: int  #: ISO 6520-1 reference number; 0: novelty, no known imperfection
    name: str
    score: float  #: probability of the imperfection, or novelty distance
    threshold: float  #: the value of ``score`` from which it counts
    severity: float  #: 0..1, NaN when not estimated
    onset_stamp_ns: int
    stamp_ns: int
    #: from the arc's start, at ``stamp_ns`` (at the onset for ONSET); NaN when unknown
    seam_position_m: float = float("nan")
    evidence: Evidence | None = None  #: None: of an event that a reset closes
    #: Whether the score has held at ``alarm_threshold`` in this event: from then on an alarm, until then a suspicion.
    alarm: bool = False
    alarm_threshold: float = float("nan")  #: NaN: no rate of false alarms is promised, and no alarm is raised


@dataclass(frozen=True, slots=True)
class Decision:
    """The monitor's answer to one tick."""

    stamp_ns: int  #: of its tick: the newest sample's acquisition plus its sensor's offset
    frame_id: str
    action: Action  #: UNKNOWN when no modality is valid
    action_probability: float  #: of ``action``; NaN when UNKNOWN
    action_probabilities: NDArray[
        np.float32
    ]  #: [9] in vocabulary.ACTIONS order, calibrated and smoothed; NaN when unknown
    raw_action_probabilities: NDArray[np.float32]  #: [9] calibrated, not smoothed
    imperfection_probabilities: NDArray[np.float32]  #: [13] in vocabulary.IMPERFECTIONS order; NaN: head not trained
    anomaly_score: float  #: novelty distance; NaN when not available
    anomaly_threshold: float  #: novelty from this value on
    modality_weights: NDArray[np.float32]  #: [4] fusion attention, sums to 1; all 0 when nothing is valid
    valid: NDArray[np.bool_]  #: [4] which modalities entered
    age_s: NDArray[np.float32]  #: [4] sample age at the tick; NaN: never seen
    attention: NDArray[np.float32] | None  #: [h, w] spatial attention over the camera image, sums to 1
    events: tuple[AnomalyEvent, ...] = field(default=())
    #: what the alarms among ``events`` keep to with the sensors of this tick; NaN: no alarm can be raised
    false_alarms_per_hour: float = float("nan")
    inference_ms: float = float("nan")  #: preprocessing + network + decision, wall time
    looked: bool = True  #: False where the camera frame was skipped and an earlier one stood in for it (41)
    model_revision: int = 1
    degraded: tuple[str, ...] = field(default=())  #: in words: what fell silent or could not be used
    embedding: NDArray[np.float32] | None = None  #: [d] what novelty is measured in; meaningless when nothing is valid
