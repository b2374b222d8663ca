"""Timing in turns: every contestant runs in every round, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A contestant's share of one round, s: as many calls as fit, but at least one.
SLICE_S = 0.15
MOST_CALLS = 60
#: Calls before the counted ones of each round: the contestant before has emptied the caches.
WARM_UP_CALLS = 3
#: A contestant whose call takes longer than this runs in every third round only, and is not warmed up again, s.
SLOW_S = 0.4
SLOW_EVERY = 3

Milliseconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Something that is timed.

    Args:
        name: of its figures. call: what is timed; one call is one unit.
    """

    name: str
    call: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of every counted call, round by round."""

    rounds: tuple[Milliseconds, ...]

    @property
    def all(self) -> Milliseconds:
        """[N] of all rounds."""
        return np.concatenate(self.rounds)

    @property
    def median(self) -> float:
        """Of all calls, ms."""
        return float(np.median(self.all))

    def percentiles(self) -> dict[str, float]:
        """``{"p50", "p99", "calls"}``, ms."""
        return {**percentiles(self.all), "calls": len(self.all)}


def percentiles(values: NDArray[np.float64]) -> dict[str, float]:
    """``{"p50", "p99"}`` with the digits that mean something; NaN without values."""
    if len(values) == 0:
        return {"p50": float("nan"), "p99": float("nan")}
    return {"p50": rounded(float(np.median(values))), "p99": rounded(float(np.percentile(values, 99)))}


def rounded(value: float, digits: int = 4) -> float:
    """To so many significant digits."""
    return float(f"{value:.{digits}g}")


def in_turns(
    contestants: Sequence[Contestant], rounds: int, progress: Callable[[float], None] = lambda share: None
) -> dict[str, Timings]:
    """Time all contestants.

    Args:
        contestants: with different names. rounds: turns of each. progress: told the share done, 0 to 1.
    """
    expected = {c.name: _seconds_of_a_call(c) for c in contestants}
    found: dict[str, list[Milliseconds]] = {c.name: [] for c in contestants}
    for turn in range(rounds):
        for index, contestant in enumerate(contestants):
            slow = expected[contestant.name] > SLOW_S
            if not slow or turn % SLOW_EVERY == 0:
                calls = int(np.clip(SLICE_S / expected[contestant.name], 1, MOST_CALLS))
                found[contestant.name].append(_timed(contestant.call, calls, 0 if slow else WARM_UP_CALLS))
            progress((turn + (index + 1) / len(contestants)) / rounds)
    return {name: Timings(tuple(rows)) for name, rows in found.items()}


def ratio(one: Timings, other: Timings) -> dict[str, float]:
    """How many times as long ``one`` takes as ``other``: round by round, from the medians of each.

    Returns:
        ``{"p50", "mean", "std"}`` over the rounds that both were timed in.
    """
    pairs = [np.median(a) / np.median(b) for a, b in zip(_spread(one, other), _spread(other, one), strict=True)]
    values = np.array(pairs)
    return {
        "p50": rounded(float(np.median(values))),
        "mean": rounded(float(values.mean())),
        "std": rounded(float(values.std())),
    }


def _spread(one: Timings, other: Timings) -> list[Milliseconds]:
    """The rounds of ``one`` that ``other`` was timed in too; a slow one is timed in every SLOW_EVERY-th."""
    if len(one.rounds) > len(other.rounds):
        return list(one.rounds[::SLOW_EVERY])
    return list(one.rounds)


def _seconds_of_a_call(contestant: Contestant) -> float:
    """The shortest of some; the first ones are slow (lazy imports, allocations). A slow contestant is called twice."""
    contestant.call()
    shortest, began = float("inf"), time.perf_counter()
    while True:
        started = time.perf_counter()
        contestant.call()
        shortest = min(shortest, time.perf_counter() - started)
        if time.perf_counter() - began > SLICE_S:
            return max(shortest, 1e-6)


def _timed(call: Callable[[], object], calls: int, warm_up: int) -> Milliseconds:
    for _ in range(warm_up):
        call()
    out = np.empty(calls)
    for index in range(calls):
        started = time.perf_counter()
        call()
        out[index] = (time.perf_counter() - started) * 1e3
    return out


def medians(timings: Mapping[str, Timings]) -> dict[str, float]:
    """Name -> median in ms."""
    return {name: rounded(t.median) for name, t in timings.items()}
