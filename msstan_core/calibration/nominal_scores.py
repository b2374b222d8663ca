"""What a finished model says of nominal welds, tick by tick: bags of a cell, or welds simulated before the monitor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from itertools import combinations, count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msstan_core.alignment import ticks_of
from msstan_core.calibration.joint import NominalScores
from msstan_core.calibration.kept_scores import kept_or_made, scores_folder
from msstan_core.decision.pipeline import Monitor
from msstan_core.decision.result import Decision
from msstan_core.errors import InputError
from msstan_core.inference.model_card import ModelCard, subset_name
from msstan_core.inference.model_package import load_package
from msstan_core.observation import NANOSECONDS_PER_SECOND, SECONDS_PER_HOUR, Tick, forward_s
from msstan_core.parallel import in_order
from msstan_core.recordings.annotations import Annotation, imperfection_track
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.nominal_times import counts_as_nominal, nominal_times
from msstan_core.sensor_settings import DEFAULT_SENSORS, SensorSettings
from msstan_core.simulation import WeldCell
from msstan_core.simulation.material_pairs import Pair
from msstan_core.simulation.nominal import nominal_weld
from msstan_core.simulation.watching import START_NS, ticks_of_cell, with_sensors
from msstan_core.vocabulary import ISO_CODES, MODALITIES, SENSORS, Modality

#: One weld before monitors with different sensors: name of the set of modalities -> scores.
BySubset = dict[str, NominalScores]


def monitors_of(monitor: Monitor, subsets: bool) -> dict[str, Monitor]:
    """Name of the set of modalities -> a monitor with these: those of ``monitor``, with ``subsets`` every set of fewer.

    The first is ``monitor``, the others are its siblings.
    """
    mine = monitor.info.modalities
    ordered = [m for m in MODALITIES if m in mine]
    sizes = range(len(ordered) - 1, 0, -1) if subsets else ()
    fewer = [frozenset(some) for size in sizes for some in combinations(ordered, size)]
    return {subset_name(mine): monitor} | {subset_name(some): monitor.sibling(some) for some in fewer}


def scores_of(monitors: Mapping[str, Monitor], ticks: Iterable[Tick], start_ns: int) -> BySubset:
    """Let the monitors (see :func:`monitors_of`) answer these ticks, from their beginning.

    ``start_ns``: where the time counts from. Where not all of a monitor's modalities are valid its scores are NaN:
    limits of these say nothing of a tick with fewer.
    """
    for monitor in monitors.values():
        monitor.reset()
    (everything, whole), *others = monitors.items()
    said: dict[str, list[_Scored]] = {name: [] for name in monitors}
    for tick in ticks:
        said[everything].append(_Scored.of(whole.step(tick)))
        for name, monitor in others:
            said[name].append(_Scored.of(monitor.step_after(whole, tick)))
    return {name: _whole(said[name], monitor.info.modalities, start_ns) for name, monitor in monitors.items()}


class _Scored(NamedTuple):
    """What limits are set by of one decision: an hour of whole ones would not fit in memory."""

    stamp_ns: int
    valid: NDArray[np.bool_]  #: [4]
    probabilities: NDArray[np.float32]  #: [13] of the imperfections
    novelty: float

    @classmethod
    def of(cls, decision: Decision) -> _Scored:
        return cls(decision.stamp_ns, decision.valid, decision.imperfection_probabilities, decision.anomaly_score)


def _whole(said: list[_Scored], modalities: frozenset[Modality], start_ns: int) -> NominalScores:
    valid = np.array([s.valid for s in said], np.bool_).reshape(-1, len(MODALITIES))
    whole = (valid == np.array([m in modalities for m in MODALITIES])).all(axis=1)
    probabilities = np.array([s.probabilities for s in said], np.float32).reshape(-1, len(ISO_CODES))
    return NominalScores(
        np.array([(s.stamp_ns - start_ns) / NANOSECONDS_PER_SECOND for s in said], np.float64),
        np.where(whole[:, None], probabilities, np.float32(np.nan)),
        np.where(whole, np.array([s.novelty for s in said], np.float32), np.float32(np.nan)),
    )


def scores_of_bag(
    monitors: Mapping[str, Monitor],
    bag: Path,
    sensors: SensorSettings = DEFAULT_SENSORS,
    complain: Callable[[str], None] = lambda line: None,
) -> BySubset:
    """Scores at the nominal ticks of a bag; elsewhere (labelled imperfections, a verdict that is not good) NaN.

    Args:
        monitors: the whole one first. bag: to read. sensors: how its samples are read.
        complain: told what was refused of it.

    Raises:
        InputError: when the bag cannot be read, or most of its ticks lack a modality of the first monitor.
    """
    with BagReader(bag, namespace=sensors.namespace, scaling=sensors.scaling) as reader:
        ticks, annotations, attributes = (
            ticks_of(reader.samples(frozenset(MODALITIES)), sensors.alignment),
            reader.annotations,
            reader.attributes,
        )
        had: Counter[str] = Counter()
        found = scores_of(monitors, _counted(ticks, had), reader.start_ns)
    _refuse_fewer_sensors(bag, next(iter(monitors)), had, reader.rejections)
    for line in reader.rejections:
        complain(f"{bag}: {line}")
    if not counts_as_nominal(attributes):
        complain(f"{bag}: its verdict is {attributes['verdict']!r}, not 'good': none of it counts as nominal")
    return {name: _nominal(scores, annotations, attributes) for name, scores in found.items()}


def _counted(ticks: Iterable[Tick], had: Counter[str]) -> Iterator[Tick]:
    for tick in ticks:
        had[subset_name(m for m in MODALITIES if tick.has(m))] += 1
        yield tick


def _refuse_fewer_sensors(bag: Path, wanted: str, had: Counter[str], rejections: list[str]) -> None:
    usual = had.most_common(1)[0][0] if had else wanted
    lacking = set(wanted.split("+")) - set(usual.split("+"))
    if lacking:
        raise InputError(
            bag,
            "; ".join([f"most ticks have no {', '.join(sorted(lacking))}", *rejections]),
            f"calibrate for the sensors that there are: --modalities {usual.replace('+', ',') or 'camera'}",
        )


def _nominal(scores: NominalScores, annotations: list[Annotation], attributes: dict[str, str]) -> NominalScores:
    defective = np.asarray((imperfection_track(annotations, scores.time_s) > 0).any(axis=1))
    keep = nominal_times(scores.time_s, defective, attributes)
    probabilities = np.where(keep[:, None], scores.probabilities, np.float32(np.nan))
    return NominalScores(scores.time_s, probabilities, np.where(keep, scores.novelty, np.float32(np.nan)))


@dataclass(frozen=True, slots=True)
class NominalWelds:
    """Which simulated welds: seeds from ``seed`` on, of these material pairs (None: all)."""

    seed: int
    pairs: tuple[Pair, ...] | None = None
    subsets: bool = False  #: before monitors with every set of fewer modalities, too
    modalities: frozenset[Modality] = frozenset(MODALITIES)  #: that the monitors may use

    def folder(self, keep: Path, card: ModelCard) -> Path:
        """Where in ``keep`` it is kept what a model's network said of them."""
        return scores_folder(keep, card, self.pairs, self.subsets, subset_name(card.modalities & self.modalities))


def simulated_scores(
    model_dir: Path,
    welds: NominalWelds,
    hours: float,
    keep: Path,
    jobs: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[BySubset]:
    """Scores of simulated nominal welds until their time reaches ``hours``; those kept from before are not repeated.

    Args:
        model_dir: model folder. welds: which. keep: folder, one file a weld. jobs: processes.
        progress: called with the share that is done.

    Yields:
        One weld's scores, in order of their seeds whatever ``jobs`` is. One that has imperfections without any
        disturbance is left out.
    """
    done_h = 0.0
    work = partial(_kept_or_welded, welds, welds.folder(keep, load_package(model_dir).card))
    for found in in_order(work, count(welds.seed), jobs, _load, (model_dir, welds)):
        if found is not None:
            done_h += duration_h(found)
            progress(min(done_h / hours, 1.0))
            yield found
        if done_h >= hours:
            return


def any_counts(scores: BySubset) -> bool:
    """Whether anything of a weld is nominal."""
    whole = next(iter(scores.values()))
    return bool(np.isfinite(whole.probabilities).any() or np.isfinite(whole.novelty).any())


def duration_h(scores: BySubset) -> float:
    """From the first to the last tick of one weld, h."""
    return forward_s(next(iter(scores.values())).time_s) / SECONDS_PER_HOUR


#: Of this process.
_MONITORS: dict[str, Monitor] = {}


def _load(model_dir: Path, welds: NominalWelds) -> None:
    _MONITORS.clear()
    _MONITORS.update(monitors_of(Monitor.load(model_dir, modalities=welds.modalities), welds.subsets))


def _kept_or_welded(welds: NominalWelds, folder: Path, seed: int) -> BySubset | None:
    """Scores of one weld; None where it has an imperfection all the same."""
    kept = kept_or_made(folder / f"{seed}.npz", partial(_welded, welds, seed))
    if not kept["clean"]:
        return None
    names = [key.partition("/")[2] for key in kept if key.startswith("time_s/")]
    return {name: NominalScores(*(kept[f"{part.name}/{name}"] for part in fields(NominalScores))) for name in names}


def _welded(welds: NominalWelds, seed: int) -> dict[str, NDArray[Any]]:
    cell = WeldCell(with_sensors(nominal_weld(seed, welds.pairs), SENSORS), START_NS)
    found = scores_of(_MONITORS, ticks_of_cell(cell), START_NS)
    clean = not any(a.kind == "imperfection" for a in cell.annotations)
    return {"clean": np.array(clean)} | {
        f"{part.name}/{name}": getattr(scores, part.name)
        for name, scores in found.items()
        for part in fields(NominalScores)
    }
