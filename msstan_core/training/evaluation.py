"""A model against annotated bags, through the same monitor that runs live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from msstan_core.decision.calibration import expected_calibration_error
from msstan_core.decision.pipeline import Monitor
from msstan_core.recordings.annotations import action_track
from msstan_core.recordings.bag import BagReader
from msstan_core.training.metrics import boundary_errors, macro_f1, phase_macro_f1, switches
from msstan_core.training.recording_features import UNLABELLED, ticks_of_bag
from msstan_core.vocabulary import ACTIONS, ARC_ON, Modality

_ARC = [ACTIONS.index(a) for a in ARC_ON]


@dataclass(frozen=True, slots=True)
class BagScore:
    """How one bag was recognised."""

    bag: str
    group: str
    ticks: int  #: labelled ticks
    accuracy: float
    arc_accuracy: float  #: arc burning or not
    macro_f1: float  #: over the actions that occur
    phase_macro_f1: float  #: over the four phases of the public reference labels
    boundary_s: tuple[float, float, float]  #: arc on, stable, arc off: predicted minus labelled
    switches: int
    true_switches: int
    ece: float  #: of the published (filtered) probability
    tick_ms: float  #: median

    def as_dict(self) -> dict[str, object]:
        """For a result file."""
        return asdict(self)


def score_bag(monitor: Monitor, bag: Path, modalities: frozenset[Modality]) -> BagScore | None:
    """Replay one bag; None when it has no labels.

    Raises:
        InputError: when the bag cannot be read.
    """
    monitor.reset()
    with BagReader(bag) as reader:
        annotations = reader.annotations
        decisions = [monitor.step(tick) for tick in ticks_of_bag(reader, modalities)]
        time_s = np.array([reader.seconds(d.stamp_ns) for d in decisions])
        group = reader.attributes.get("group", bag.name)
    labels = action_track(annotations, time_s).astype(np.int64) - 1
    known = labels != UNLABELLED
    if not known.any():
        return None
    predicted = np.array([int(d.action) - 1 for d in decisions])
    confidence = np.nan_to_num(np.array([d.action_probability for d in decisions]))
    errors = boundary_errors(time_s[known], labels[known], predicted[known])
    return BagScore(
        bag=bag.name,
        group=group,
        ticks=int(known.sum()),
        accuracy=float((predicted == labels)[known].mean()),
        arc_accuracy=float((np.isin(predicted, _ARC) == np.isin(labels, _ARC))[known].mean()),
        macro_f1=macro_f1(labels[known], predicted[known], len(ACTIONS)),
        phase_macro_f1=phase_macro_f1(labels, predicted),
        boundary_s=(errors.arc_on_s, errors.stable_s, errors.arc_off_s),
        switches=switches(predicted[known]),
        true_switches=switches(labels[known]),
        ece=expected_calibration_error(confidence[known], (predicted == labels)[known]),
        tick_ms=float(np.median([d.inference_ms for d in decisions])),
    )


def summarise(scores: Sequence[BagScore]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over bags of every figure."""

    def over_bags(values: Sequence[float]) -> dict[str, float]:
        return {"mean": round(float(np.nanmean(values)), 4), "std": round(float(np.nanstd(values)), 4)}

    return {
        "accuracy": over_bags([s.accuracy for s in scores]),
        "arc_accuracy": over_bags([s.arc_accuracy for s in scores]),
        "macro_f1": over_bags([s.macro_f1 for s in scores]),
        "phase_macro_f1": over_bags([s.phase_macro_f1 for s in scores]),
        "boundary_error_s": over_bags([float(np.nanmean(np.abs(s.boundary_s))) for s in scores]),
        "arc_off_delay_s": over_bags([s.boundary_s[2] for s in scores]),
        "switches_per_true": over_bags([s.switches / max(s.true_switches, 1) for s in scores]),
        "ece": over_bags([s.ece for s in scores]),
        "tick_ms": over_bags([s.tick_ms for s in scores]),
    }
