"""What a model was made of and what that leaves open, as its card says it: read off the recordings themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from msstan_core.errors import InputError
from msstan_core.inference.model_card import ModelCard
from msstan_core.observation import SECONDS_PER_HOUR
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ACTIONS, ISO_CODES, MODALITIES

#: An imperfection that fewer recordings show is not learnt from them.
FEWEST_RECORDINGS = 7


def labelled_imperfections(recordings: Sequence[Recording], fewest: int = FEWEST_RECORDINGS) -> tuple[int, ...]:
    """ISO codes that at least ``fewest`` recordings show, in the vocabulary's order."""
    shown: Counter[int] = Counter()
    for recording in recordings:
        shown.update(_imperfections(recording))
    return tuple(code for code in ISO_CODES if shown[code] >= fewest)


def imperfections_learnt(config: TrainingConfig, training: Sequence[Recording]) -> tuple[int, ...]:
    """ISO codes that the model is to answer about."""
    named = config.trained_imperfections
    return labelled_imperfections(training) if named == "labelled" else named


def refuse_unshown(config: TrainingConfig, training: Sequence[Recording]) -> None:
    """See that there is something to learn each imperfection from.

    Raises:
        InputError: where the configuration names one that no recording shows.
    """
    shown = labelled_imperfections(training, fewest=1)
    for code in imperfections_learnt(config, training):
        if code not in shown:
            raise InputError(
                f"trained_imperfections: {code}",
                "occurs in no recording that is trained on",
                "leave it out, or set trained_imperfections: labelled",
            )


def data_statements(training: Sequence[Recording], held_out: Sequence[Recording]) -> list[str]:
    """How many recordings of what kind were trained on, and on how many the rest was fitted."""
    statements = [f"trained on {_counted(training)}"]
    pairs = Counter(r.material_pair for r in training)
    if set(pairs) != {"unknown"}:
        named = ", ".join(f"{name} {count}" for name, count in sorted(pairs.items(), key=lambda row: (-row[1], row[0])))
        statements.append(f"metals of the recordings trained on: {named}")
    if held_out:
        statements.append(f"calibration and thresholds fitted on {_counted(held_out)}, none of them trained on")
    else:
        statements.append("calibration and thresholds fitted on the recordings trained on: expect them too confident")
    return statements


def no_imperfections(config: TrainingConfig) -> str:
    """Why a model answers about no imperfection."""
    if config.trained_imperfections == "labelled":
        return f"fewer than {FEWEST_RECORDINGS} recordings show any, labelled completely"
    return "the configuration names none"


def limit_statements(
    config: TrainingConfig, training: Sequence[Recording], trained_imperfections: Sequence[int]
) -> list[str]:
    """What the recordings cannot have taught, or only in simulation."""
    real, simulated = ([r for r in training if r.simulated is kind] for kind in (False, True))
    statements = []
    if not trained_imperfections:
        statements.append(f"No imperfection was learnt: {no_imperfections(config)}.")
    if real and simulated:
        for what, found in _FACETS:
            only = sorted(_union(simulated, found) - _union(real, found))
            if what == "Imperfections":
                only = [code for code in only if int(code) in trained_imperfections]
            if only:
                statements.append(f"{what} learnt on simulation only: {', '.join(only)}.")
    elif simulated:
        statements.append("Everything was learnt on simulation: nothing is known of how it does on real welds.")
    return statements


def beginning_statements(card: ModelCard, began_with: ModelCard) -> list[str]:
    """What a model lacks or leaves open because it began with the weights of another.

    Args:
        card: of the model. began_with: of the other.
    """
    statements = []
    if began_with.trained_groups is None and card.held_out_groups:
        statements.append(
            "The weights it began with do not say which recordings taught them: some of those it was calibrated on "
            "may have, and then it is too confident."
        )
    lost = [name for name in began_with.trained_actions if name not in card.trained_actions]
    lost += [str(code) for code in began_with.trained_imperfections if code not in card.trained_imperfections]
    if lost:
        statements.append(f"Answered by the model it began with, and no more: {', '.join(lost)}.")
    return statements


def _counted(recordings: Sequence[Recording]) -> str:
    parts = []
    for kind, name in ((False, "real"), (True, "simulated")):
        own = [r for r in recordings if r.simulated is kind]
        if own:
            hours = sum(_seconds(r) for r in own) / SECONDS_PER_HOUR
            parts.append(f"{len(own)} {name} recordings ({hours:.2f} h, {len({r.group for r in own})} groups)")
    return " and ".join(parts)


def _seconds(recording: Recording) -> float:
    time_s = recording.features.time_s
    return float(time_s[-1] - time_s[0]) if len(time_s) else 0.0


def _imperfections(recording: Recording) -> set[int]:
    present = np.nan_to_num(recording.features.imperfection).max(axis=0, initial=0.0) > 0
    return {code for code, there in zip(ISO_CODES, present, strict=True) if there}


def _actions(recording: Recording) -> set[str]:
    labels = np.unique(recording.features.action)
    return {ACTIONS[label].name for label in labels[labels != UNLABELLED]}


def _modalities(recording: Recording) -> set[str]:
    seen = recording.features.valid.max(axis=0, initial=0.0) > 0
    return {m.label for m in MODALITIES if seen[m]}


#: What a card says of which side, and how it is read off a recording.
_FACETS: tuple[tuple[str, Callable[[Recording], Iterable[str]]], ...] = (
    ("Actions", _actions),
    ("Imperfections", lambda recording: map(str, _imperfections(recording))),
    ("Sensors", _modalities),
)


def _union(recordings: Sequence[Recording], found: Callable[[Recording], Iterable[str]]) -> set[str]:
    return {name for recording in recordings for name in found(recording)}
