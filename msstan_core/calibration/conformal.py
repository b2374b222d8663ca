"""How high a threshold must be so that a chosen number of false alarms an hour holds on nominal welds not yet seen.

Consecutive ticks share most of their noise: a threshold calibrated per tick gives bursts of alarms, far more than its
nominal rate. What is calibrated here is the maximum of the score over blocks of several seconds, which are nearly
independent, by split conformal prediction (Vovk et al. 2005; Angelopoulos and Bates 2023). The promise is exact when
the blocks to come are exchangeable with the clean ones; :func:`threshold_of_groups` asks for less, namely that whole
groups (configurations, welds) are exchangeable, and therefore needs many groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msstan_core.errors import InputError
from msstan_core.observation import LONGEST_TICK_GAP_S, SECONDS_PER_HOUR

#: Below this many clean blocks nothing at all can be said about the tail of their maxima.
FEWEST_BLOCKS = 10

#: Between the ticks before and after a clock was set back, s: nothing holds that long.
_PARTED_S = 3600.0

#: One recording's scores: (time_s [N] ascending, score [N] or [N, K] of K kinds, NaN where nothing was judged).
Scored = tuple[NDArray[np.float64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class AlarmThreshold:
    """A threshold and what it promises."""

    threshold: float  #: alarm from this score on; infinite where there is nothing to go by
    rate_per_hour: float  #: false alarms an hour of judged time that were chosen
    block_s: float
    blocks: int  #: clean blocks behind the threshold
    least_blocks: int  #: clean blocks that the chosen rate needs
    guaranteed: bool  #: False: extrapolated, because there are too few clean blocks
    supported_rate_per_hour: float  #: the lowest rate that this many clean blocks can guarantee

    def statement(self) -> str:
        """The promise in words."""
        evidence = f"{self.blocks} clean blocks of {self.block_s:g} s"
        if self.guaranteed:
            return (
                f"at most {self.rate_per_hour:g} alarmed blocks an hour of nominal welding on average, "
                f"from {evidence}; holds while welds are like those"
            )
        if not math.isfinite(self.threshold):
            return f"no threshold: {evidence} say nothing, {FEWEST_BLOCKS} are the fewest, {self.least_blocks} needed"
        return (
            f"aims at {self.rate_per_hour:g} false alarms an hour WITHOUT a guarantee: {evidence} support "
            f"{self.supported_rate_per_hour:.3g} an hour at best, {self.least_blocks} blocks are needed; extrapolated"
        )


def sustained(time_s: NDArray[np.float64], score: NDArray[np.float32], hold_s: float) -> NDArray[np.float32]:
    """The height that the score has kept for ``hold_s``: an event with that least duration opens where this crosses.

    Args:
        time_s: [N] ascending, but where a clock was set back: nothing holds across that.
        score: [N], NaN where nothing was judged. hold_s: least duration of an onset, s.

    Returns:
        [N] the smallest score from ``hold_s`` ago until now; NaN where that stretch is not judged throughout.
    """
    step = np.diff(time_s, prepend=time_s[:1])
    if (step < 0).any():
        time_s = np.cumsum(np.where(step < 0, _PARTED_S, step))
    begin = np.searchsorted(time_s, time_s - hold_s + 1e-9, side="right") - 1
    out = np.full(len(score), np.nan, np.float32)
    for i, first in enumerate(begin):
        if first >= 0 and time_s[i] - time_s[first] <= hold_s + LONGEST_TICK_GAP_S:
            out[i] = score[first : i + 1].min()  # NaN in the stretch gives NaN
    return out


def block_maxima(recordings: Iterable[Scored], block_s: float) -> NDArray[np.float64]:
    """The largest score in each ``block_s`` of judged time.

    The judged time of all recordings is strung together, as the arc-on time of a shift is. What is left over at the end
    joins the last block: the end of a weld is where scores are high, and leaving it out would flatter. A clock that was
    set back takes no judged time away.

    Args:
        recordings: scores [N], or [N, K] of K kinds, which share their blocks: a tick is judged where any kind is.
        block_s: s.

    Returns:
        [blocks] or [blocks, K]; one block at least where anything was judged at all. -inf where one kind of several was
        not judged in a block.
    """
    values: list[NDArray[np.float64]] = []
    steps: list[NDArray[np.float64]] = []
    for time_s, score in recordings:
        step = np.diff(time_s, prepend=time_s[:1])
        judged = np.isfinite(score) if score.ndim == 1 else np.isfinite(score).any(axis=1)
        values.append(np.asarray(score, np.float64)[judged])
        steps.append(np.clip(step, 0.0, LONGEST_TICK_GAP_S)[judged])
    all_values: NDArray[np.float64] = np.concatenate(values) if values else np.empty(0)
    if len(all_values) == 0:
        return all_values
    elapsed = np.cumsum(np.concatenate(steps))
    blocks = max(1, int(elapsed[-1] / block_s + 1e-9))
    index = np.minimum((elapsed / block_s).astype(int), blocks - 1)
    out = np.full((blocks, *all_values.shape[1:]), -np.inf)
    np.maximum.at(out, index, np.where(np.isfinite(all_values), all_values, -np.inf))
    filled = np.isfinite(out) if out.ndim == 1 else np.isfinite(out).any(axis=1)
    return np.asarray(out[filled])


def least_blocks(rate_per_hour: float, block_s: float) -> int:
    """Clean blocks that a rate needs: 359 for one alarm an hour with blocks of 10 s."""
    return max(1, math.ceil(1.0 / _share(rate_per_hour, block_s) - 1e-9) - 1)


def threshold_for_rate(maxima: ArrayLike, block_s: float, rate_per_hour: float) -> AlarmThreshold:
    """The threshold that at most ``rate_per_hour`` nominal blocks an hour reach.

    With n clean maxima, a share a of the blocks may alarm: the threshold lies just above the k-th largest maximum,
    k = floor(a (n + 1)), and P(next maximum > it) <= k / (n + 1) <= a. With k = 0 there are too few, and the threshold
    is extrapolated along an exponential tail (the upper half of the maxima), never below the largest; the result then
    says that it promises nothing.

    Args:
        maxima: [n] of clean blocks, from :func:`block_maxima`. block_s: their length.
        rate_per_hour: chosen, of judged time.

    Raises:
        InputError: when rate or block length make no sense together.
    """
    share = _share(rate_per_hour, block_s)
    ordered = np.sort(np.asarray(maxima, np.float64))
    count = len(ordered)
    allowed = math.floor(share * (count + 1) + 1e-9)
    if allowed >= 1:
        threshold = float(np.nextafter(ordered[count - allowed], np.inf))
    elif count >= FEWEST_BLOCKS:
        threshold = _extrapolated(ordered, share)
    else:
        threshold = math.inf
    return AlarmThreshold(
        threshold=threshold,
        rate_per_hour=rate_per_hour,
        block_s=block_s,
        blocks=count,
        least_blocks=least_blocks(rate_per_hour, block_s),
        guaranteed=allowed >= 1,
        supported_rate_per_hour=SECONDS_PER_HOUR / block_s / (count + 1),
    )


def _share(rate_per_hour: float, block_s: float) -> float:
    """Share of the blocks that may alarm."""
    share = rate_per_hour * block_s / SECONDS_PER_HOUR
    if not (block_s > 0 and 0 < share < 1):
        raise InputError(
            "false-alarm rate",
            f"{rate_per_hour:g} an hour with blocks of {block_s:g} s lets {share:.3g} of the blocks alarm",
            "choose a rate above 0 and blocks short enough that this share is below 1",
        )
    return share


def _extrapolated(ordered: NDArray[np.float64], share: float) -> float:
    """Where an exponential tail fitted to the upper half of the maxima falls to ``share``."""
    middle = float(np.median(ordered))
    above = ordered[ordered > middle]
    scale = float((above - middle).mean()) if len(above) else 0.0
    weight = max(len(above) / len(ordered), share)
    return float(np.nextafter(max(middle + scale * math.log(weight / share), ordered[-1]), np.inf))


def threshold_of_groups(scores: ArrayLike, groups: Sequence[object], share: float) -> tuple[float, int]:
    """The threshold that at most ``share`` of the nominal welds of a group not yet seen exceed.

    Hierarchical conformal prediction (Lee, Barber and Willett 2023): every group weighs the same however many welds it
    has, and one group that could be anything stands for the one to come.

    Args:
        scores: [n] clean, one a weld. groups: [n] configuration of each. share: in (0, 1).

    Returns:
        (threshold, least number of groups that this share needs); the threshold is infinite with fewer.
    """
    if not 0 < share < 1:
        raise InputError("share of false alarms", f"is {share:g}", "choose one above 0 and below 1")
    needed = math.ceil(1.0 / share - 1e-9) - 1
    values = np.asarray(scores, np.float64)
    names, index, sizes = np.unique(np.asarray(groups, dtype=str), return_inverse=True, return_counts=True)
    if len(names) < max(needed, 1):
        return math.inf, needed
    weights = 1.0 / ((len(names) + 1) * sizes[index])
    order = np.argsort(values, kind="stable")
    covered = np.cumsum(weights[order])
    first = int(np.searchsorted(covered, 1.0 - share - 1e-12))
    return float(np.nextafter(values[order[min(first, len(values) - 1)]], np.inf)), needed


@dataclass(frozen=True, slots=True)
class AlarmRate:
    """A realised rate with its exact 95 % bounds (Garwood 1936), events counted as independent."""

    alarms: int
    hours: float
    lower95: float  #: two-sided 95 % interval, an hour
    upper95: float

    @property
    def per_hour(self) -> float:
        """Alarms an hour; NaN without any hours."""
        return self.alarms / self.hours if self.hours > 0 else math.nan


def realised_rate(alarms: int, hours: float) -> AlarmRate:
    """Interval of a Poisson rate from ``alarms`` in ``hours``; unbounded above without any hours."""
    from scipy.stats import chi2

    if hours <= 0:
        return AlarmRate(alarms, hours, 0.0, math.inf)
    lower = chi2.ppf(0.025, 2 * alarms) / 2 if alarms else 0.0
    return AlarmRate(alarms, hours, float(lower / hours), float(chi2.ppf(0.975, 2 * alarms + 2) / 2 / hours))
