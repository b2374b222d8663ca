"""Simulated welds before a monitor, and what it said of them.

Cell and monitor run in one process, without a bag between them: what costs time is the drawing of the images.
What the network said is kept, so that other thresholds for it are counted in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.kept_scores import kept_or_made, scores_folder
from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents
from msstan_core.decision.event_log import EventLog, LoggedEvent
from msstan_core.decision.live_calibration import SubsetCalibration
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.model_card import ModelCard
from msstan_core.inference.model_package import load_package
from msstan_core.observation import NANOSECONDS_PER_SECOND, SECONDS_PER_HOUR
from msstan_core.parallel import in_order
from msstan_core.simulation import Scenario, WeldCell
from msstan_core.simulation.material_pairs import Pair
from msstan_core.simulation.nominal import nominal_weld
from msstan_core.simulation.randomisation import randomised
from msstan_core.simulation.watching import START_NS, ticks_of_cell, with_sensors
from msstan_core.vocabulary import ARC_ON, ISO_CODES, MODALITIES

_ARC = frozenset(action.name for action in ARC_ON)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the monitor; s from the weld's beginning."""

    iso_code: int  #: 0: novelty
    said_s: float  #: when it was first suspected
    end_s: float
    alarm_s: float | None = None  #: when it became an alarm; None: it stayed a suspicion

    @property
    def alarm(self) -> bool:
        """Whether it became an alarm."""
        return self.alarm_s is not None


@dataclass(frozen=True, slots=True)
class WatchedWeld:
    """What was true in one simulated weld, and what the monitor said."""

    name: str
    materials: str
    faulty: bool  #: whether disturbances were left in
    seconds: float
    arc_s: float
    spans: tuple[tuple[int, float, float], ...]  #: ISO code, from and to of every true imperfection, s
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a monitor made of every tick of one weld, before any threshold."""

    time_s: NDArray[np.float64]  #: [N] from the weld's beginning
    probabilities: NDArray[np.float32]  #: [N, 13] of the imperfections
    novelty: NDArray[np.float32]  #: [N] distance
    valid: NDArray[np.bool_]  #: [N, 4] which modalities entered


def scores_of(monitor: Monitor, scenario: Scenario, sensors: Sequence[str], faulty: bool) -> tuple[WatchedWeld, Scores]:
    """Weld one part before the monitor, which is reset first; of the scenario only these sections are simulated."""
    monitor.reset()
    cell = WeldCell(with_sensors(scenario, sensors), START_NS)
    said = [monitor.step(tick) for tick in ticks_of_cell(cell)]
    truth = cell.annotations
    weld = WatchedWeld(
        name=scenario.name,
        materials=f"{scenario.joint.material_a} + {scenario.joint.material_b}",
        faulty=faulty,
        seconds=cell.time_s,
        arc_s=sum(a.end_s - a.start_s for a in truth if a.kind == "action" and a.label in _ARC),
        spans=tuple((a.iso_code, a.start_s, a.end_s) for a in truth if a.kind == "imperfection"),
        events=(),
    )
    return weld, Scores(
        np.array([(d.stamp_ns - START_NS) / NANOSECONDS_PER_SECOND for d in said], np.float64),
        np.array([d.imperfection_probabilities for d in said], np.float32).reshape(-1, len(ISO_CODES)),
        np.array([d.anomaly_score for d in said], np.float32),
        np.array([d.valid for d in said], np.bool_).reshape(-1, len(MODALITIES)),
    )


def events_of(scores: Scores, card: ModelCard, config: AnomalyConfig) -> tuple[Event, ...]:
    """The events that a monitor with this card and configuration makes of the scores."""
    calibrations = SubsetCalibration(card, config.imperfection_threshold)
    events, log = AnomalyEvents(config, card.imperfection_thresholds), EventLog()
    for time_s, probabilities, novelty, valid in zip(
        scores.time_s, scores.probabilities, map(float, scores.novelty), scores.valid, strict=True
    ):
        now, limits = round(time_s * NANOSECONDS_PER_SECOND), calibrations.of(valid)
        log.add(
            events.update(
                now,
                probabilities,
                novelty,
                limits.novelty_threshold,
                thresholds=limits.imperfection_thresholds,
                alarm_thresholds=limits.alarm_thresholds,
            )
        )

    def event(e: LoggedEvent) -> Event:
        alarm_s = None if e.alarm_ns is None else e.alarm_ns / NANOSECONDS_PER_SECOND
        return Event(e.iso_code, e.said_ns / NANOSECONDS_PER_SECOND, e.end_ns / NANOSECONDS_PER_SECOND, alarm_s)

    return tuple(map(event, log.entries))


@dataclass(frozen=True, slots=True)
class Parts:
    """What is welded, and what the monitor is given of it."""

    pairs: tuple[Pair, ...] | None  #: material pairs, equally often; None: all, as often as they are met
    sensors: tuple[str, ...]  #: sections of the scenario that are simulated
    seed: int  #: of the first weld; the next ones follow

    def folder(self, keep: Path, card: ModelCard) -> Path:
        """Where in ``keep`` it is kept what a model's network said of them."""
        return scores_folder(keep, card, self.pairs, sorted(self.sensors))


def welds(
    model_dir: Path,
    parts: Parts,
    hours: float,
    faulty: int,
    keep: Path,
    jobs: int = 1,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Iterator[tuple[WatchedWeld, Scores]]:
    """Nominal welds until their time reaches ``hours``, then ``faulty`` ones; welds kept from before are not repeated.

    Args:
        model_dir: model folder. parts: to weld. keep: folder; the scores of each weld, in a folder for each network,
            sensors and materials. jobs: processes. progress: called with what is being done and its share.

    Yields:
        Each weld with the events that the model's thresholds make of its scores, and these scores, in order of their
        seeds whatever ``jobs`` is. One that turns out to have imperfections without any disturbance does not count
        towards ``hours``.
    """
    work = partial(_events_of_weld, parts, parts.folder(keep, load_package(model_dir).card))
    done_s = 0.0
    for found, scores in in_order(work, ((seed, False) for seed in count(parts.seed)), jobs, _load, (model_dir,)):
        done_s += 0.0 if found.spans else found.seconds
        progress("nominal welds", min(done_s / (hours * SECONDS_PER_HOUR), 1.0))
        yield found, scores
        if done_s >= hours * SECONDS_PER_HOUR:
            break
    for done, both in enumerate(in_order(work, _disturbed(parts, faulty), jobs, _load, (model_dir,)), start=1):
        progress("faulty welds", done / faulty)
        yield both


def faulty_scores(
    model_dir: Path,
    parts: Parts,
    faulty: int,
    keep: Path,
    jobs: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[tuple[WatchedWeld, Scores]]:
    """What a model's network says of ``faulty`` disturbed welds; arguments as of :func:`welds`, and kept together."""
    work = partial(_kept_or_watched, parts, parts.folder(keep, load_package(model_dir).card))
    for done, found in enumerate(in_order(work, _disturbed(parts, faulty), jobs, _load, (model_dir,)), start=1):
        progress(done / faulty)
        yield found


def _disturbed(parts: Parts, faulty: int) -> Iterator[tuple[int, bool]]:
    return islice(((n, True) for n in count(parts.seed) if randomised(n, parts.pairs).disturbances), faulty)


#: Of this process.
_MONITOR: list[Monitor] = []


def _load(model_dir: Path) -> None:
    _MONITOR[:] = [Monitor.load(model_dir)]


def _events_of_weld(parts: Parts, folder: Path, weld: tuple[int, bool]) -> tuple[WatchedWeld, Scores]:
    found, scores = _kept_or_watched(parts, folder, weld)
    return replace(found, events=events_of(scores, _MONITOR[0].info.card, AnomalyConfig())), scores


def _kept_or_watched(parts: Parts, folder: Path, weld: tuple[int, bool]) -> tuple[WatchedWeld, Scores]:
    seed, faulty = weld
    path = folder / f"{'faulty' if faulty else 'nominal'}-{seed}.npz"
    kept = kept_or_made(path, partial(_watched, parts, seed, faulty))
    return _unpacked(str(kept["weld"])), Scores(*(kept[part.name] for part in fields(Scores)))


def _watched(parts: Parts, seed: int, faulty: bool) -> dict[str, NDArray[Any]]:
    scenario = randomised(seed, parts.pairs) if faulty else nominal_weld(seed, parts.pairs)
    found, scores = scores_of(_MONITOR[0], scenario, parts.sensors, faulty)
    arrays = {part.name: getattr(scores, part.name) for part in fields(Scores)}
    return {"weld": np.array(json.dumps(asdict(found))), **arrays}


def _unpacked(line: str) -> WatchedWeld:
    content = json.loads(line)
    spans = tuple((int(code), start, end) for code, start, end in content.pop("spans"))
    return WatchedWeld(**{**content, "spans": spans, "events": tuple(Event(**e) for e in content["events"])})
