"""Which welds a closed-loop study is made of: imperfection, seed, and who advises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msstan_core.closed_loop.welds import FAULTS
from msstan_core.errors import InputError

#: Who advises: nobody, the monitor, or who knows the truth.
ARMS = ("none", "monitor", "oracle")
#: The arms of the study over DDS: the first two in one process, the last with every part a process of its own.
LIVE_ARMS = ("none", "monitor", "live")
#: The rules were written while looking at the welds of smaller seeds (with the oracle, never with the monitor).
FIRST_SEED = 100


@dataclass(frozen=True, slots=True)
class Task:
    """One weld in one arm."""

    imperfection: int
    seed: int
    arm: str


def tasks(imperfections: Sequence[int], seeds: Iterable[int], arms: Sequence[str] = ARMS) -> list[Task]:
    """Seed by seed, so that an interrupted study is balanced."""
    return [Task(code, seed, arm) for seed in seeds for code in imperfections for arm in arms]


def chosen_imperfections(text: str | None) -> list[int]:
    """``"402,0"`` -> codes of the study; None: all. Raises InputError naming the possible ones."""
    if text is None:
        return list(FAULTS)
    try:
        codes = [int(part) for part in text.split(",")]
    except ValueError:
        codes = [-1]
    for code in codes:
        if code not in FAULTS:
            raise InputError("--imperfections", f"{text!r} is not possible", f"some of {','.join(map(str, FAULTS))}")
    return codes
