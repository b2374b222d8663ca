"""How long the actions of a weld last, learnt from labels, for the action filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from msstan_core.decision.action_filter import LEAST_DURATION_S
from msstan_core.observation import LONGEST_TICK_GAP_S
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import ACTIONS, Action

#: More stages than this change little and cost a larger matrix at every tick.
MOST_STAGES = 8
#: Completed stays from which a spread is estimated; below, one stage: nothing is known of the spread.
LEAST_STAYS = 5
#: Share of the stays that count as short.
SHORT_SHARE = 0.1
#: How long a cell waits is up to people, not to the process: nothing in it is too short or overdue.
WAITING = frozenset({Action.IDLE, Action.COOLING})


def fit_durations(recordings: Sequence[Recording]) -> tuple[dict[str, float], dict[str, int]]:
    """Mean seconds of each action, and the Erlang stages that give its spread.

    The mean is total time over ends seen, so that a stay that the recording or its labels cut off is a lower bound. The
    stages are the fewest whose law makes stays as short as the shortest tenth no likelier than they were: what the
    filter needs to know is what is too short. Only stays seen whole count, and waiting has one stage.

    Returns:
        (action name -> mean s, action name -> stages in 1..MOST_STAGES), for the actions that occur.
    """
    total = np.zeros(len(ACTIONS))
    ends = np.zeros(len(ACTIONS), int)
    whole: list[list[float]] = [[] for _ in ACTIONS]
    for recording in recordings:
        for stay in _stays(recording):
            total[stay.action] += stay.seconds
            ends[stay.action] += stay.ended
            if stay.began and stay.ended:
                whole[stay.action].append(stay.seconds)
    means, stages = {}, {}
    for index in np.flatnonzero(total):
        name = ACTIONS[index].name
        means[name] = round(max(float(total[index]) / max(int(ends[index]), 1), LEAST_DURATION_S), 3)
        stages[name] = 1 if ACTIONS[index] in WAITING else _stages(whole[index])
    return means, stages


class _Stay(NamedTuple):
    """A stretch of one label."""

    action: int  #: index into ACTIONS
    seconds: float
    began: bool  #: its first moment is labelled as one: another action comes before it
    ended: bool  #: so is its last


def _stays(recording: Recording) -> Iterator[_Stay]:
    labels, time_s = recording.features.action, recording.features.time_s
    step_s = np.diff(time_s)
    parted = np.flatnonzero((step_s < 0) | (step_s > LONGEST_TICK_GAP_S)) + 1  # nothing is known of what lies between
    for part in zip(np.split(labels, parted), np.split(time_s, parted), strict=True):
        yield from _stays_of(*part)


def _stays_of(labels: NDArray[np.int64], time_s: NDArray[np.float64]) -> Iterator[_Stay]:
    edges = np.flatnonzero(np.diff(labels)) + 1
    for start, end in zip(np.r_[0, edges], np.r_[edges, len(labels) - 1], strict=True):
        if labels[start] != UNLABELLED:
            seconds = float(time_s[end] - time_s[start])
            began = start > 0 and labels[start - 1] != UNLABELLED
            ended = end < len(labels) - 1 and labels[end] != UNLABELLED
            yield _Stay(int(labels[start]), seconds, bool(began), bool(ended))


def _stages(seconds: Sequence[float]) -> int:
    if len(seconds) < LEAST_STAYS:
        return 1
    mean_s, short_s = float(np.mean(seconds)), float(np.quantile(seconds, SHORT_SHARE))
    for stages in range(1, MOST_STAGES):
        if gamma.cdf(short_s, stages, scale=mean_s / stages) <= SHORT_SHARE:
            return stages
    return MOST_STAGES
