"""Calibration for every set of sensors a cell may have: the network is sure of less when it is given less.

A model that was trained with modalities dropped answers with any of them, but one temperature does not fit all: with
the camera gone its probabilities must come down. Each subset of modalities is therefore calibrated on held-out
recordings with the others withheld, the thresholds of novelty and imperfections likewise. So is how much a tick counts
in the action filter: what a microphone alone says is wrong for longer than what all sensors say together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.action_scales import FittedScale, fit_across_groups
from msstan_core.calibration.anomaly_fitting import HeldOutRun, imperfection_thresholds, nominal_welds
from msstan_core.calibration.filter_fitting import choose_smoothing
from msstan_core.calibration.logit_lines import after, along, fit_logit_lines
from msstan_core.calibration.novelty import novelty_alarm
from msstan_core.decision.action_filter import ActionFilter
from msstan_core.decision.novelty import NoveltyDetector
from msstan_core.decision.probabilities import action_probabilities
from msstan_core.inference.model_card import SmoothingCard, SubsetCard, subset_name
from msstan_core.model.ms_stan import MsStan
from msstan_core.training.network_runs import (
    NetworkRun,
    decided,
    filtered_beliefs,
    present,
    reduced_to,
    run_on,
    spread_over_groups,
)
from msstan_core.training.recording_features import Recording
from msstan_core.vocabulary import MODALITIES, Modality

#: Recordings judged for each subset at most: fifteen subsets share the time that finishing may take.
MOST_RECORDINGS = 48
#: A subset that fewer recordings hold is not calibrated for itself.
FEWEST_RECORDINGS = 3
_LEAST_BELIEF = 1e-9


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is known with everything there; a missing modality never lowers any of it."""

    detector: NoveltyDetector | None
    novelty: float
    lines: dict[int, tuple[float, float]]  #: of the imperfections' logits
    imperfections: dict[int, float]
    codes: tuple[int, ...]  #: trained imperfections
    rate_per_hour: float


@dataclass(frozen=True, slots=True)
class FittedActions:
    """Scales of the network's logits and of the filter's belief that is published, and the filter's tempering."""

    network: FittedScale
    smoothing: SmoothingCard
    smoothing_scores: dict[str, float]  #: by emission power, and unfiltered
    published: FittedScale
    beliefs: list[NDArray[np.float32]]  #: of each recording [N, 9], before the published temperature

    def figures(self, recordings: int) -> dict[str, float]:
        """For the card."""
        named = {
            "recordings": float(recordings),
            "ticks": float(self.network.ticks),
            "accuracy": self.published.accuracy,
            "confidence": self.published.confidence,
            "ece_before": self.network.ece_before,
            "ece_after": self.network.ece_after,
            "published_ece_before": self.published.ece_before,
            "published_ece_after": self.published.ece_after,
        }
        return {name: round(value, 4) for name, value in named.items() if math.isfinite(value)}


def fit_actions(
    runs: Sequence[NetworkRun],
    trained: NDArray[np.bool_],
    durations: SmoothingCard,
    prior: NDArray[np.float32],
) -> FittedActions:
    """Scales and smoothing for some runs.

    Without telemetry only real recordings say how an answer is steadied, and where there are too few it is steadied as
    usual: sound and images are more regular in simulation than in any shop.

    Args:
        runs: over held-out recordings. trained: [9]. durations: to filter with. prior: [9] share of each action as
            the training weighted it.
    """
    labels, groups = [run.labels for run in runs], [run.recording.group for run in runs]
    network = fit_across_groups([run.action_logits for run in runs], labels, groups, trained)
    probabilities = [action_probabilities(run.action_logits, network.scale, trained) for run in runs]
    prior = network.scale.prior_of(prior)
    wired = any(Modality.TELEMETRY in present(run.recording) for run in runs)
    asked = [i for i, run in enumerate(runs) if wired or not run.recording.simulated]
    smoothing, scores = choose_smoothing(
        [runs[i] for i in asked], [probabilities[i] for i in asked], durations, prior, trained
    )
    fresh = ActionFilter.from_card(smoothing, prior, trained)
    beliefs = [filtered_beliefs(fresh, run, p) for run, p in zip(runs, probabilities, strict=True)]
    logarithms = [np.log(np.maximum(belief, _LEAST_BELIEF)) for belief in beliefs]
    published = fit_across_groups(logarithms, labels, groups, trained, offsets=False)
    return FittedActions(network, smoothing, scores, published, beliefs)


def calibrate_subsets(
    model: MsStan,
    held_out: Sequence[Recording],
    trained: NDArray[np.bool_],
    durations: SmoothingCard,
    prior: NDArray[np.float32],
    thresholds: Thresholds,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda subset: None,
) -> dict[str, SubsetCard]:
    """A card for each subset of modalities that enough held-out recordings hold.

    Args:
        model: trained. held_out: recordings of groups that training has not seen.
        trained, durations, prior: see :func:`fit_actions`. thresholds: those with everything there.
        seed: of the choice of recordings. progress: called with the name of each subset before it is judged.
    """
    sensors = [present(recording) for recording in held_out]
    everything = frozenset[Modality]().union(*sensors)
    cards = {}
    for subset in _subsets(everything):
        holding = [r for r, there in zip(held_out, sensors, strict=True) if subset <= there]
        if len(holding) < FEWEST_RECORDINGS:
            continue
        progress(subset_name(subset))
        runs = [run_on(model, reduced_to(r, subset)) for r in spread_over_groups(holding, MOST_RECORDINGS, seed)]
        card = _card(runs, fit_actions(runs, trained, durations, prior), thresholds)
        if subset == everything:  # what was fitted on all held-out recordings holds: it rests on more than these few
            card = card.model_copy(update={"imperfection_lines": {}, "imperfection_thresholds": {}})
        cards[subset_name(subset)] = card
    return cards


def _card(runs: Sequence[NetworkRun], fitted: FittedActions, thresholds: Thresholds) -> SubsetCard:
    novelty = None
    if thresholds.detector is not None:
        held = [HeldOutRun(run, decided(run, belief)) for run, belief in zip(runs, fitted.beliefs, strict=True)]
        rate = thresholds.rate_per_hour
        own = novelty_alarm(thresholds.detector, nominal_welds(held), rate_per_hour=rate).threshold
        novelty = max(thresholds.novelty, own) if np.isfinite(own) else None
    runs = [along(thresholds.lines, run) for run in runs]
    lines = {code: line.pair for code, line in fit_logit_lines(runs, thresholds.codes).items()}
    found = imperfection_thresholds([along(lines, run) for run in runs], thresholds.codes, thresholds.rate_per_hour)
    imperfections = {code: max(own.probability, thresholds.imperfections.get(code, 0.0)) for code, own in found.items()}
    return SubsetCard(
        temperature=fitted.network.scale.temperature,
        action_offsets=fitted.network.scale.offsets,
        published_temperature=fitted.published.scale.temperature,
        emission_power=fitted.smoothing.emission_power,
        filtered=fitted.smoothing.filtered,
        novelty_threshold=novelty,
        imperfection_lines={code: after(thresholds.lines.get(code, (1.0, 0.0)), own) for code, own in lines.items()},
        imperfection_thresholds=imperfections,
        figures=fitted.figures(len(runs)),
    )


def _subsets(modalities: frozenset[Modality]) -> list[frozenset[Modality]]:
    """All but the empty one, the largest first."""
    ordered = [m for m in MODALITIES if m in modalities]
    sizes = range(len(ordered), 0, -1)
    return [frozenset(chosen) for size in sizes for chosen in combinations(ordered, size)]
