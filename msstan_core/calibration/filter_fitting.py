"""Whether the action filter helps, and how much a tick counts in it: chosen on held-out groups, not for their noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.action_filter import ActionFilter
from msstan_core.inference.model_card import SmoothingCard
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.metrics import PHASES, macro_f1, shifted_phase_macro_f1
from msstan_core.training.network_runs import NetworkRun, decided, filtered_beliefs
from msstan_core.vocabulary import ACTIONS, Action

EMISSION_POWERS = (0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)
#: The network's own answer, in tables of scores.
UNFILTERED = "unfiltered"
#: What is taken unless the held-out groups clearly say otherwise (docs/decisions.md).
USUAL_POWER = 0.12
#: Actions that every set of labels tells apart; labels with more are judged by all of them.
_PHASE_ACTIONS = {ACTIONS.index(action) for action in (*PHASES, Action.ARC_EXTINCTION)}
#: Points of macro-F1 that a second of delay costs when the filter's tempering is chosen.
DELAY_COST_PER_S = 0.05


def choose_smoothing(
    runs: Sequence[NetworkRun],
    probabilities: Sequence[NDArray[np.float32]],
    durations: SmoothingCard,
    prior: NDArray[np.float32],
    trained: NDArray[np.bool_],
) -> tuple[SmoothingCard, dict[str, float]]:
    """The emission power for these recordings, and whether the filter is better than the network's own answer.

    A network that remembers has done part of the filter's work; where it hears all sensors, filtering its answers once
    more may only delay them. The filter stays unless the groups clearly say otherwise.

    Args:
        runs: held-out recordings. probabilities: [N, 9] of each, calibrated. durations: to filter with.
        prior, trained: see :class:`~msstan_core.decision.action_filter.ActionFilter`.

    Returns:
        (``durations`` with the power and ``filtered``, power or "unfiltered" -> mean score over groups).
    """
    groups = sorted({run.recording.group for run in runs})
    usual = durations.model_copy(update={"emission_power": USUAL_POWER, "filtered": True})
    candidates = {str(p): usual.model_copy(update={"emission_power": p}) for p in EMISSION_POWERS}
    candidates[UNFILTERED] = usual.model_copy(update={"filtered": False})
    scores = np.full((len(candidates), len(groups)), np.nan)
    for row, card in enumerate(candidates.values()):
        action_filter = ActionFilter.from_card(card, prior, trained)
        judged: dict[str, list[float]] = {group: [] for group in groups}
        for run, p in zip(runs, probabilities, strict=True):
            judged[run.recording.group].append(_judge(run, decided(run, filtered_beliefs(action_filter, run, p))))
        scores[row] = [float(np.nanmean(judged[g])) if np.isfinite(judged[g]).any() else np.nan for g in groups]
    scores = scores[:, np.isfinite(scores).all(axis=0)]
    if not scores.size:
        return usual, dict.fromkeys(candidates, math.nan)
    power = EMISSION_POWERS[within_one_standard_error(scores[: len(EMISSION_POWERS)])]
    chosen = candidates[str(power)]
    if clearly_better(scores[-1], scores[EMISSION_POWERS.index(power)]):
        chosen = chosen.model_copy(update={"filtered": False})
    return chosen, dict(zip(candidates, map(float, scores.mean(axis=1)), strict=True))


def clearly_better(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether scores [groups] are higher by more than a standard error of the difference; a single group never says."""
    ahead = one - other
    return len(ahead) > 1 and bool(ahead.mean() > ahead.std(ddof=1) / math.sqrt(len(ahead)))


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
    clear = [clearly_better(scores[best], row) for row in scores]
    distance = [abs(math.log(power / USUAL_POWER)) for power in EMISSION_POWERS]
    return min((i for i, behind in enumerate(clear) if not behind), key=lambda i: distance[i])


def _judge(run: NetworkRun, actions: NDArray[np.int64]) -> float:
    """How good a filter is.

    Where the labels name phases only: their macro-F1 up to the clock's offset, less a price for delay. Where they name
    more actions, which no sensor's clock is behind: the mean of the macro-F1 of all of them, in which rare ones count
    as much as others, and of the share of ticks that is right.
    """
    labels = run.recording.features.action
    known = labels != UNLABELLED
    if not set(np.unique(labels[known]).tolist()) <= _PHASE_ACTIONS:
        right = float((actions[known] == labels[known]).mean())
        return (macro_f1(labels[known], actions[known], len(ACTIONS)) + right) / 2
    score, shift_s = shifted_phase_macro_f1(run.time_s, labels, actions)
    return score - DELAY_COST_PER_S * max(shift_s, 0.0)
