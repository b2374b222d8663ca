"""Grouped folds of the comparison: material pairs never seen, or set-ups never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msstan_core.errors import InputError
from msstan_core.training.recording_features import Recording


def material_pair(recording: Recording) -> str:
    """A group of :func:`grouped_folds`: the metals that are joined."""
    return recording.material_pair


def set_up(recording: Recording) -> str:
    """The recording's own group: its configuration, else itself."""
    return recording.group


def grouped_folds(
    recordings: Sequence[Recording], group: Callable[[Recording], str], folds: int, *, keep_largest: bool
) -> list[frozenset[str]]:
    """Groups that each fold leaves out: dealt from the largest to the smallest, so that folds are alike in size.

    Args:
        recordings: all. group: of a recording. folds: how many.
        keep_largest: never leave out the largest group; without it little would be left to learn from.

    Raises:
        InputError: when there are fewer groups than folds.
    """
    ticks: dict[str, int] = {}
    for recording in recordings:
        ticks[group(recording)] = ticks.get(group(recording), 0) + len(recording.features.time_s)
    ordered = sorted(ticks, key=lambda name: (-ticks[name], name))[1 if keep_largest else 0 :]
    if len(ordered) < folds:
        raise InputError("data", f"has {len(ordered)} groups to leave out, folds asked for: {folds}", "lower --folds")
    dealt: list[set[str]] = [set() for _ in range(folds)]
    for index, name in enumerate(ordered):
        along = index % (2 * folds)  # there and back again, or the first fold would always get the larger one
        dealt[along if along < folds else 2 * folds - 1 - along].add(name)
    return [frozenset(names) for names in dealt]
