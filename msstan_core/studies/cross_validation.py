"""Leave-one-configuration-out evaluation of action recognition: what a model does on a set-up it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from msstan_core.calibration.action_scales import expected_calibration_error
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.fold_streams import Stream, said
from msstan_core.training.metrics import (
    BOUNDARIES,
    boundary_errors,
    phase_macro_f1,
    shifted_phase_macro_f1,
    switches,
)


@dataclass(frozen=True, slots=True)
class RecordingScore:
    """How one left-out recording was recognised."""

    seed: int
    group: str
    recording: str
    macro_f1: float  #: over the four phases, after the action filter, at the best common shift of the labels
    shift_s: float  #: that shift: filter delay plus what is left of the clocks' offset
    macro_f1_unshifted: float  #: the same with the labels where they are
    macro_f1_raw: float  #: at the best shift, before the filter
    boundary_s: tuple[float, float, float]  #: signed errors in the order of BOUNDARIES
    switches: int
    ece: float  #: of the network's calibrated probabilities, before the filter


def score_of(stream: Stream) -> RecordingScore:
    """Judge a left-out recording, smoothed as the held-out groups of its network's training side chose."""
    labels, time_s = stream.labels, stream.time_s
    known = labels != UNLABELLED
    raw = np.where(known, np.nan_to_num(stream.probabilities).argmax(axis=1), UNLABELLED)
    actions = said(stream)
    errors = boundary_errors(time_s, labels, actions)
    macro_f1, shift_s = shifted_phase_macro_f1(time_s, labels, actions)
    return RecordingScore(
        seed=stream.seed,
        group=stream.group,
        recording=stream.name,
        macro_f1=macro_f1,
        shift_s=shift_s,
        macro_f1_unshifted=phase_macro_f1(labels, actions),
        macro_f1_raw=shifted_phase_macro_f1(time_s, labels, raw)[0],
        boundary_s=(errors.arc_on_s, errors.stable_s, errors.arc_off_s),
        switches=switches(actions),
        ece=expected_calibration_error(stream.probabilities[known].max(axis=1), (raw == labels)[known]),
    )


def summary(scores: Sequence[RecordingScore]) -> dict[str, dict[str, float]]:
    """Mean over recordings, then mean and standard deviation over seeds, of every figure."""
    seeds = sorted({s.seed for s in scores})

    def over_seeds(figure: Callable[[RecordingScore], float]) -> dict[str, float]:
        means = [float(np.nanmean([figure(s) for s in scores if s.seed == seed])) for seed in seeds]
        return {"mean": round(float(np.mean(means)), 4), "std": round(float(np.std(means)), 4)}

    out = {
        "macro_f1": over_seeds(lambda s: s.macro_f1),
        "macro_f1_unshifted": over_seeds(lambda s: s.macro_f1_unshifted),
        "shift_s": over_seeds(lambda s: s.shift_s),
        "macro_f1_raw": over_seeds(lambda s: s.macro_f1_raw),
        "boundary_error_s": over_seeds(lambda s: float(np.nanmean(np.abs(s.boundary_s)))),
        "switches": over_seeds(lambda s: s.switches),
        "ece": over_seeds(lambda s: s.ece),
    }
    for index, name in enumerate(BOUNDARIES):
        out[f"{name}_error_s"] = over_seeds(lambda s, i=index: abs(s.boundary_s[i]))  # type: ignore[misc]
    by_group = {g: [s.macro_f1 for s in scores if s.group == g] for g in sorted({s.group for s in scores})}
    group_means = [float(np.mean(values)) for values in by_group.values()]
    out["macro_f1_over_configurations"] = {
        "mean": round(float(np.mean(group_means)), 4),
        "std": round(float(np.std(group_means)), 4),
    }
    return out
