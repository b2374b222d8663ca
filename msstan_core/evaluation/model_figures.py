"""All figures of one model over its replays: together, by action, imperfection, material pair and process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msstan_core.decision.pipeline import Monitor
from msstan_core.evaluation.actions import (
    action_figures,
    confusion_matrix,
    figures_by_action,
    labelled_ticks,
    reliability,
)
from msstan_core.evaluation.attribution import TemporalReader, attribution_figures
from msstan_core.evaluation.bag_scores import score_bag, summarise
from msstan_core.evaluation.imperfections import figures_by_imperfection, imperfection_figures
from msstan_core.evaluation.replayed import ReplayedBag, replay_bag
from msstan_core.evaluation.spread import over_bags
from msstan_core.inference.model_card import ModelCard
from msstan_core.inference.model_package import load_package
from msstan_core.sensor_settings import DEFAULT_SENSORS, SensorSettings
from msstan_core.vocabulary import Modality


def replay_all(
    model_dir: Path,
    bags: Sequence[Path],
    modalities: frozenset[Modality],
    done: Callable[[Path], None],
    sensors: SensorSettings = DEFAULT_SENSORS,
) -> tuple[ModelCard, list[ReplayedBag]]:
    """Replay bags through one model; those without action labels are left out.

    Args:
        model_dir: model folder. bags: to replay. modalities: what the monitor may use. done: called after each bag.
        sensors: how the bags' samples are read.

    Raises:
        InputError: when the model or a bag cannot be read.
    """
    monitor = Monitor.load(model_dir, modalities=modalities)
    reader = TemporalReader.of(load_package(model_dir))
    replays = []
    for bag in bags:
        replayed = replay_bag(monitor, bag, modalities, reader, sensors)
        if replayed is not None:
            replays.append(replayed)
        done(bag)
    return monitor.info.card, replays


def pooled_figures(bags: Sequence[ReplayedBag], card: ModelCard, *, ranked: bool = True) -> dict[str, float]:
    """Figures over all ticks of these bags together; ``ranked`` False leaves out AUC and mAP."""
    by_imperfection = figures_by_imperfection(bags, card.trained_imperfections)
    return {
        **action_figures(bags, ranked=ranked),
        **imperfection_figures(by_imperfection, ranked=ranked),
        **attribution_figures(bags),
    }


def metrics_of(bags: Sequence[ReplayedBag], card: ModelCard, *, ranked: bool = True) -> dict[str, dict[str, float]]:
    """The result file's ``metrics`` of one model: name -> {"mean", "std"}.

    Figures named in :func:`~msstan_core.evaluation.bag_scores.summarise` are means over bags with their standard
    deviation. The others are taken over all ticks together, with the standard error over resampled bags.
    """
    return {
        **summarise([score_bag(bag) for bag in bags]),
        **over_bags(bags, lambda drawn: pooled_figures(drawn, card, ranked=ranked)),
    }


def details_of(bags: Sequence[ReplayedBag], card: ModelCard) -> dict[str, Any]:
    """The result file's ``details`` of one model."""
    ticks = labelled_ticks(bags)
    bins = reliability(ticks.probabilities, ticks.labels)

    def by(key: Callable[[ReplayedBag], str]) -> dict[str, Any]:
        out = {}
        for name in sorted({key(bag) for bag in bags}):
            own = [bag for bag in bags if key(bag) == name]
            out[name] = {
                "bags": len(own),
                "ticks": int(sum(bag.labelled.sum() for bag in own)),
                **pooled_figures(own, card),
            }
        return out

    return {
        "by_action": figures_by_action(bags),
        "by_imperfection": figures_by_imperfection(bags, card.trained_imperfections),
        "by_material": by(lambda bag: bag.materials),
        "by_process": by(lambda bag: bag.process),
        "confusion": confusion_matrix(ticks).tolist(),
        "reliability": {name: value.tolist() for name, value in bins._asdict().items()},
        "bags": [score_bag(bag).as_dict() for bag in bags],
    }
