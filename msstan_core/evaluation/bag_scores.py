"""How each bag was recognised, and the spread over bags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from msstan_core.calibration.action_scales import expected_calibration_error
from msstan_core.evaluation.replayed import ReplayedBag
from msstan_core.evaluation.spread import finite_mean, finite_std
from msstan_core.training.metrics import boundary_errors, macro_f1, phase_macro_f1, switches
from msstan_core.vocabulary import ACTIONS, ARC_ON

_ARC = [ACTIONS.index(a) for a in ARC_ON]


@dataclass(frozen=True, slots=True)
class BagScore:
    """How one bag was recognised."""

    bag: str
    group: str
    process: str
    materials: str
    ticks: int  #: labelled ticks
    accuracy: float
    arc_accuracy: float  #: arc burning or not
    macro_f1: float  #: over the actions that occur
    phase_macro_f1: float  #: over the four phases of the public reference labels
    boundary_s: tuple[float, float, float]  #: arc on, stable, arc off: predicted minus labelled
    boundaries_missed: float  #: share of those in the labels that are not in what was said
    switches: int
    true_switches: int
    ece: float  #: of the published (filtered) probability
    tick_ms: float  #: median

    def as_dict(self) -> dict[str, object]:
        """For a result file."""
        return asdict(self)


def score_bag(replayed: ReplayedBag) -> BagScore:
    """Figures of one replay."""
    known = replayed.labelled
    labels, predicted = replayed.labels[known], replayed.predicted[known]
    confidence = np.nan_to_num(replayed.probabilities[known]).max(axis=1)
    errors = boundary_errors(replayed.time_s[known], labels, predicted)
    labelled = boundary_errors(replayed.time_s[known], labels, labels)
    missed = [
        math.isnan(error)
        for error, at in zip(errors.absolute(), labelled.absolute(), strict=True)
        if not math.isnan(at)
    ]
    return BagScore(
        bag=replayed.bag,
        group=replayed.group,
        process=replayed.process,
        materials=replayed.materials,
        ticks=int(known.sum()),
        accuracy=float((predicted == labels).mean()),
        arc_accuracy=float((np.isin(predicted, _ARC) == np.isin(labels, _ARC)).mean()),
        macro_f1=macro_f1(labels, predicted, len(ACTIONS)),
        phase_macro_f1=phase_macro_f1(replayed.labels, replayed.predicted),
        boundary_s=(errors.arc_on_s, errors.stable_s, errors.arc_off_s),
        boundaries_missed=finite_mean(missed),
        switches=switches(predicted),
        true_switches=switches(labels),
        ece=expected_calibration_error(confidence, predicted == labels),
        tick_ms=replayed.tick_ms,
    )


def summarise(scores: Sequence[BagScore]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation over bags of every figure; boundaries are predicted minus labelled."""

    def over_bags(values: Sequence[float]) -> dict[str, float]:
        return {"mean": finite_mean(values), "std": finite_std(values)}

    return {
        "accuracy": over_bags([s.accuracy for s in scores]),
        "arc_accuracy": over_bags([s.arc_accuracy for s in scores]),
        "macro_f1": over_bags([s.macro_f1 for s in scores]),
        "phase_macro_f1": over_bags([s.phase_macro_f1 for s in scores]),
        "boundary_error_s": over_bags([finite_mean(np.abs(s.boundary_s)) for s in scores]),
        "boundaries_missed": over_bags([s.boundaries_missed for s in scores]),
        "arc_on_delay_s": over_bags([s.boundary_s[0] for s in scores]),
        "stable_delay_s": over_bags([s.boundary_s[1] for s in scores]),
        "arc_off_delay_s": over_bags([s.boundary_s[2] for s in scores]),
        "switches_per_true": over_bags([s.switches / max(s.true_switches, 1) for s in scores]),
        "ece_per_bag": over_bags([s.ece for s in scores]),
        "tick_ms": over_bags([s.tick_ms for s in scores]),
    }
