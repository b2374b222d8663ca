"""How much one tick's evidence counts in the action filter: chosen on held-out recordings, and not for their noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.smoothing import ActionFilter
from msstan_core.inference.model_package import SmoothingCard
from msstan_core.training.metrics import PHASES, macro_f1, shifted_phase_macro_f1
from msstan_core.training.network_runs import NetworkRun, decided, filtered_beliefs
from msstan_core.training.recording_features import UNLABELLED
from msstan_core.vocabulary import ACTIONS, Action

EMISSION_POWERS = (0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)
#: What is taken unless the held-out groups clearly say otherwise (docs/decisions.md).
USUAL_POWER = 0.08
#: Actions that every set of labels tells apart; labels with more are judged by all of them.
_PHASE_ACTIONS = {ACTIONS.index(action) for action in (*PHASES, Action.ARC_EXTINCTION)}
#: Points of macro-F1 that a second of delay costs when the filter's tempering is chosen.
DELAY_COST_PER_S = 0.05


def choose_emission_power(
    runs: Sequence[NetworkRun],
    probabilities: Sequence[NDArray[np.float32]],
    candidate: SmoothingCard,
    prior: NDArray[np.float32],
    trained: NDArray[np.bool_],
) -> tuple[float, dict[float, float]]:
    """The emission power for these recordings.

    Args:
        runs: held-out recordings. probabilities: [N, 9] of each, calibrated. candidate: durations to filter with.
        prior, trained: see :class:`~msstan_core.decision.smoothing.ActionFilter`.

    Returns:
        (power, power -> mean score over groups).
    """
    groups = sorted({run.recording.group for run in runs})
    scores = np.full((len(EMISSION_POWERS), len(groups)), np.nan)
    for row, power in enumerate(EMISSION_POWERS):
        card = candidate.model_copy(update={"emission_power": power})
        action_filter = ActionFilter.from_card(card, prior, trained)
        judged: dict[str, list[float]] = {group: [] for group in groups}
        for run, p in zip(runs, probabilities, strict=True):
            judged[run.recording.group].append(_judge(run, decided(run, filtered_beliefs(action_filter, run, p))))
        scores[row] = [float(np.nanmean(judged[g])) if np.isfinite(judged[g]).any() else np.nan for g in groups]
    scores = scores[:, np.isfinite(scores).all(axis=0)]
    chosen = within_one_standard_error(scores) if scores.size else EMISSION_POWERS.index(USUAL_POWER)
    means = scores.mean(axis=1) if scores.size else np.full(len(EMISSION_POWERS), np.nan)
    return EMISSION_POWERS[chosen], dict(zip(EMISSION_POWERS, map(float, means), strict=True))


def within_one_standard_error(scores: NDArray[np.float64]) -> int:
    """The power nearest to the usual one whose score is not clearly below the best (Breiman et al. 1984, 3.4.3).

    Args:
        scores: [powers, groups]; the difference to the best power is judged group by group.

    Returns:
        Index of the power; the usual one where there is a single group, which says nothing of the spread.
    """
    count = scores.shape[1]
    if count < 2:
        return EMISSION_POWERS.index(USUAL_POWER)
    best = int(scores.mean(axis=1).argmax())
    behind = scores[best] - scores
    clear = behind.mean(axis=1) > behind.std(axis=1, ddof=1) / math.sqrt(count)
    clear[best] = False
    distance = [abs(math.log(power / USUAL_POWER)) for power in EMISSION_POWERS]
    return min(map(int, np.flatnonzero(~clear)), key=lambda i: distance[i])


def _judge(run: NetworkRun, actions: NDArray[np.int64]) -> float:
    """How good a filter is.

    Where the labels name phases only: their macro-F1 up to the clock's offset, less a price for delay. Where they name
    more actions, which no sensor's clock is behind: the macro-F1 of all of them.
    """
    labels = run.recording.features.action
    known = labels != UNLABELLED
    if not set(np.unique(labels[known]).tolist()) <= _PHASE_ACTIONS:
        return macro_f1(labels[known], actions[known], len(ACTIONS))
    score, shift_s = shifted_phase_macro_f1(run.time_s, labels, actions)
    return score - DELAY_COST_PER_S * max(shift_s, 0.0)
