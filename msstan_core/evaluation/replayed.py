"""One annotated bag, replayed through the monitor that runs live: what it said beside what is true."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msstan_core.alignment import ticks_of
from msstan_core.decision.event_log import EventLog
from msstan_core.decision.pipeline import Monitor
from msstan_core.evaluation.attribution import (
    Attribution,
    TemporalReader,
    key_ticks,
    share_on_background,
    share_on_key_ticks,
)
from msstan_core.evaluation.weld_region import weld_region
from msstan_core.observation import SECONDS_PER_HOUR, WeldContext, forward_s
from msstan_core.recordings.annotations import UNLABELLED, action_track, imperfection_track, imperfections_complete
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.bag_folders import DescribedBag
from msstan_core.recordings.rejections import unused_imperfections
from msstan_core.sensor_settings import DEFAULT_SENSORS, SensorSettings
from msstan_core.vocabulary import Modality, material_pair


@dataclass(frozen=True, slots=True)
class TimedSpan:
    """A labelled imperfection, or an event that reports one; s from the bag's first stamp."""

    iso_code: int
    start_s: float
    end_s: float
    known_s: float  #: when it was said; equals ``start_s`` for labels
    alarm_s: float = math.nan  #: when the event became an alarm; NaN: it stayed a suspicion, or is a label
    severity: float = math.nan  #: 0..1; NaN: not judged


@dataclass(frozen=True, slots=True)
class ReplayedBag:
    """N ticks of one bag."""

    bag: str
    group: str
    process: str  #: name of the Process
    materials: str  #: as vocabulary.material_pair names them
    time_s: NDArray[np.float64]  #: [N] from the bag's first stamp
    labels: NDArray[np.int64]  #: [N] index into ACTIONS, UNLABELLED where there is no label
    predicted: NDArray[np.int64]  #: [N] index into ACTIONS, -1 where the monitor says UNKNOWN
    probabilities: NDArray[np.float32]  #: [N, 9] published; NaN where UNKNOWN
    network_probabilities: NDArray[np.float32]  #: [N, 9] calibrated, before the action filter
    imperfections: NDArray[np.float32]  #: [N, 13] 0 or 1, NaN where the labels do not claim to be complete
    imperfection_probabilities: NDArray[np.float32]  #: [N, 13] NaN where no statement is made
    imperfection_thresholds: NDArray[np.float32]  #: [N, 13] from which each counts, with the sensors of the tick
    labelled_spans: tuple[TimedSpan, ...]  #: imperfections that are there
    events: tuple[TimedSpan, ...]  #: imperfections that were reported; novelty left out
    embeddings: NDArray[np.float32]  #: [N, d]
    attribution: Attribution  #: where the attention goes
    tick_ms: float  #: median wall time
    rejections: tuple[str, ...] = ()  #: what of the bag was not used, in lines

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """[N] ticks with an action label."""
        return np.asarray(self.labels != UNLABELLED)

    @property
    def hours_complete(self) -> float:
        """Time in which the absence of an imperfection is known, h."""
        if np.isnan(self.imperfections).all():
            return 0.0
        return forward_s(self.time_s) / SECONDS_PER_HOUR


def replay_bag(
    monitor: Monitor,
    bag: Path,
    modalities: frozenset[Modality],
    reader_in_time: TemporalReader,
    sensors: SensorSettings = DEFAULT_SENSORS,
) -> ReplayedBag | None:
    """Replay one bag; None when it has no action labels.

    Args:
        monitor: is reset first. bag: to read. modalities: what is read of it. reader_in_time: of the monitor's model.
        sensors: how the bag's samples are read.

    Raises:
        InputError: when the bag cannot be read.
    """
    monitor.reset()
    log, context = EventLog(), WeldContext()
    decisions = []
    looked_back = []
    with BagReader(bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader:
        annotations = reader.annotations
        for tick in ticks_of(reader.samples(modalities), sensors.alignment):
            decision = monitor.step(tick)
            log.add(decision.events)
            decisions.append(decision)
            looked_back.append(reader_in_time.weights(monitor.engine))
            context = tick.context
        if not decisions:
            return None
        time_s = np.array([reader.seconds(d.stamp_ns) for d in decisions])
        events = tuple(
            TimedSpan(
                e.iso_code,
                reader.seconds(e.onset_ns),
                reader.seconds(e.end_ns),
                reader.seconds(e.said_ns),
                math.nan if e.alarm_ns is None else reader.seconds(e.alarm_ns),
                e.severity,
            )
            for e in log.entries
            if e.iso_code
        )
        attributes, rejections = reader.attributes, reader.rejections
    labels = action_track(annotations, time_s)
    if not (labels != UNLABELLED).any():
        return None
    complete = imperfections_complete(attributes)
    rejections += unused_imperfections(annotations, complete)
    spans = [a for a in annotations if a.kind == "imperfection"]
    labelled = [TimedSpan(a.iso_code, a.start_s, a.end_s, a.start_s, severity=a.severity) for a in spans]
    maps = [d.attention for d in decisions]
    shape = next((own.shape for own in maps if own is not None), None)
    region = None if shape is None else weld_region(attributes, shape)
    key = key_ticks(time_s, labels, [span.start_s for span in spans])
    return ReplayedBag(
        bag=bag.name,
        group=DescribedBag(bag, attributes).group,
        process=context.process.name,
        materials=material_pair(context.material_a.name, context.material_b.name),
        time_s=time_s,
        labels=labels,
        predicted=np.array([int(d.action) - 1 for d in decisions]),
        probabilities=np.stack([d.action_probabilities for d in decisions]),
        network_probabilities=np.stack([d.raw_action_probabilities for d in decisions]),
        imperfections=imperfection_track(annotations, time_s, complete=complete),
        imperfection_probabilities=np.stack([d.imperfection_probabilities for d in decisions]),
        imperfection_thresholds=np.stack([monitor.imperfection_thresholds(d.valid) for d in decisions]),
        labelled_spans=tuple(labelled) if complete else (),
        events=events,
        embeddings=np.stack([d.embedding for d in decisions if d.embedding is not None]),
        attribution=Attribution(*share_on_key_ticks(looked_back, key), *share_on_background(maps, region, labels)),
        tick_ms=float(np.median([d.inference_ms for d in decisions])),
        rejections=tuple(f"{bag}: {line}" for line in rejections),
    )
