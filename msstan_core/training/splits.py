"""Splits that never put recordings of one group on both sides."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

import numpy as np

from msstan_core.errors import InputError
from msstan_core.recordings.bag_folders import DescribedBag
from msstan_core.training.network_runs import fully_sensed
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import UNKNOWN_PAIR, Material

#: Recordings with their features, or what is known of them before.
_Bag = TypeVar("_Bag", bound=DescribedBag)


def hold_out_groups(
    recordings: Sequence[_Bag], share: float, seed: int, learnt: Collection[str] = ()
) -> tuple[list[_Bag], list[_Bag]]:
    """Hold out about ``share`` of the groups, from real and simulated recordings alike.

    Args:
        recordings: all. share: of the groups of each kind. seed: of the draw.
        learnt: groups that the weights to begin with have learnt from: they are never held out.

    Returns:
        (kept, held out). With fewer than four groups of a kind none of that kind is held out, and never all.
    """
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    for simulated in (False, True):
        groups = sorted({r.group for r in recordings if r.simulated is simulated})
        if share > 0 and len(groups) >= 4:
            count = min(max(1, round(share * len(groups))), len(groups) - 1)
            held.update([group for group in rng.permutation(groups) if group not in learnt][:count])
    return [r for r in recordings if r.group not in held], [r for r in recordings if r.group in held]


def hold_out_fully_sensed(
    recordings: Sequence[Recording], share: float, seed: int, learnt: Collection[str] = ()
) -> tuple[list[Recording], list[Recording]]:
    """(kept, held out) as :func:`hold_out_groups`; simulated welds with fewer sensors than others only teach.

    What the model is worth is a question about cells with all of them. Such a weld of a group that is held out is on
    neither side.
    """
    judged = fully_sensed(recordings)
    kept, held_out = hold_out_groups(judged, share, seed, learnt)
    paths, apart = {r.path for r in judged}, {r.group for r in held_out}
    kept += [r for r in recordings if r.path not in paths and r.group not in apart]
    return kept, held_out


def leave_one_group_out(recordings: Sequence[_Bag]) -> Iterator[tuple[str, list[_Bag], list[_Bag]]]:
    """(group, training, test) for every group of real recordings; simulated recordings are always in training.

    Raises:
        InputError: when there are fewer than two groups of real recordings.
    """
    groups = sorted({r.group for r in recordings if not r.simulated})
    if len(groups) < 2:
        raise InputError("data", f"has {len(groups)} group of real recordings", "leave-one-group-out needs two or more")
    for group in groups:
        yield group, [r for r in recordings if r.group != group], [r for r in recordings if r.group == group]


def parse_metals(text: str, option: str) -> frozenset[str]:
    """``"copper,magnesium"`` -> names.

    Args:
        text: names with commas. option: that it was given for, for the message.

    Raises:
        InputError: naming the known ones.
    """
    known = [m.name.lower() for m in Material if m is not Material.UNKNOWN]
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in known:
            raise InputError(option, f"knows no metal {name!r}", f"one of {', '.join(known)}; several with commas")
    if not names:
        raise InputError(option, "names no metal", f"one of {', '.join(known)}; several with commas")
    return frozenset(names)


def without_metals(recordings: Sequence[_Bag], unseen: Collection[str], option: str) -> list[_Bag]:
    """Those in which none of the unseen metals is joined.

    Raises:
        InputError: naming a recording whose metals are not known, or the option, when none is left.
    """
    for recording in recordings:
        if recording.material_pair == UNKNOWN_PAIR:
            raise InputError(
                recording.path,
                f"does not say its metals, which {option} asks for",
                "write material_a into its metadata",
            )
    kept = [r for r in recordings if not set(r.material_pair.split("+")) & set(unseen)]
    if recordings and not kept:
        raise InputError(option, "leaves no recording for training", f"the data has {_pairs(recordings)}")
    return kept


def leave_metals_out(recordings: Sequence[_Bag], unseen: Collection[str], option: str) -> tuple[list[_Bag], list[_Bag]]:
    """(training, test): every joint with one of the unseen metals is in the test set, and no other.

    Raises:
        InputError: naming the option, when one side is empty.
    """
    training = without_metals(recordings, unseen, option)
    test = [r for r in recordings if set(r.material_pair.split("+")) & set(unseen)]
    if not test:
        raise InputError(option, "leaves no recording for test", f"the data has {_pairs(recordings)}")
    return training, test


def _pairs(recordings: Sequence[DescribedBag]) -> str:
    return ", ".join(sorted({r.material_pair for r in recordings}))
