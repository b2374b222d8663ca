"""Splits that never put recordings of one group on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from msstan_core.errors import InputError
from msstan_core.recordings.bag_folders import DescribedBag

#: Recordings with their features, or what is known of them before.
_Bag = TypeVar("_Bag", bound=DescribedBag)


def hold_out_groups(recordings: Sequence[_Bag], share: float, seed: int) -> tuple[list[_Bag], list[_Bag]]:
    """Hold out about ``share`` of the groups, from real and simulated recordings alike.

    Returns:
        (kept, held out). With fewer than four groups of a kind none of that kind is held out.
    """
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    for simulated in (False, True):
        groups = sorted({r.group for r in recordings if r.simulated is simulated})
        if share > 0 and len(groups) >= 4:
            held.update(rng.permutation(groups)[: max(1, round(share * len(groups)))])
    return [r for r in recordings if r.group not in held], [r for r in recordings if r.group in held]


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
