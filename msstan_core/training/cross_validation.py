"""Leave-one-configuration-out evaluation of action recognition: what a model does on a set-up it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from msstan_core.decision.calibration import action_probabilities, expected_calibration_error
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.finishing import filtered_actions, fit, run_network
from msstan_core.training.metrics import (
    BOUNDARIES,
    boundary_errors,
    phase_macro_f1,
    shifted_phase_macro_f1,
    switches,
)
from msstan_core.training.recording_features import UNLABELLED, Recording
from msstan_core.training.splits import hold_out_groups, leave_one_group_out
from msstan_core.training.trainer import train


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
    ece: float


def cross_validate(
    config: TrainingConfig,
    recordings: Sequence[Recording],
    seeds: int,
    *,
    only_groups: frozenset[str] | None = None,
    progress: Callable[[int, str, int, int], None] = lambda seed, group, step, steps: None,
) -> Iterator[RecordingScore]:
    """Train once per seed and left-out group; calibration and filter are fitted on groups of the training side only.

    Yields each score as soon as it is known: a long run that is interrupted keeps what it has.

    Args:
        config: its seed is the first one. recordings: all. seeds: how many.
        only_groups: leave out only these. progress: called with (seed, group, step, steps).
    """
    for seed in range(config.seed, config.seed + seeds):
        seeded = config.model_copy(update={"seed": seed})
        for group, training, test in leave_one_group_out(recordings):
            if only_groups is not None and group not in only_groups:
                continue
            kept, held_out = hold_out_groups(training, config.validation_share, seed)

            def step_done(step: int, steps: int, loss: float, seed: int = seed, group: str = group) -> None:
                progress(seed, group, step, steps)

            model = train(seeded, kept, progress=step_done)
            fitted = fit(model, kept, held_out)
            action_filter = fitted.filter(model.action_prior)
            for recording in test:
                logits = run_network(model.model, recording).action_logits.numpy()
                probabilities = action_probabilities(logits, fitted.temperature, fitted.trained)
                actions = filtered_actions(action_filter, recording, probabilities)
                labels = recording.features.action
                known = labels != UNLABELLED
                raw = probabilities.argmax(axis=1)
                time_s = recording.features.time_s
                errors = boundary_errors(time_s, labels, actions)
                macro_f1, shift_s = shifted_phase_macro_f1(time_s, labels, actions)
                yield RecordingScore(
                    seed=seed,
                    group=group,
                    recording=recording.attributes.get("run_id", recording.path.name),
                    macro_f1=macro_f1,
                    shift_s=shift_s,
                    macro_f1_unshifted=phase_macro_f1(labels, actions),
                    macro_f1_raw=shifted_phase_macro_f1(time_s, labels, raw)[0],
                    boundary_s=(errors.arc_on_s, errors.stable_s, errors.arc_off_s),
                    switches=switches(actions),
                    ece=expected_calibration_error(probabilities[known].max(axis=1), (raw == labels)[known]),
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
