"""Alarm limits set by nominal welds of the very kind that is watched, as a cell sets them by its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.joint import NominalScores
from msstan_core.calibration.nominal_scores import BySubset
from msstan_core.calibration.recalibration import recalibrated
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.errors import InputError
from msstan_core.inference.model_card import AlarmLimits, ModelCard, subset_name
from msstan_core.studies.watched_welds import Scores, WatchedWeld, events_of
from msstan_core.vocabulary import MODALITIES, Modality

Watched = tuple[WatchedWeld, Scores]


class OwnLimits(NamedTuple):
    """Welds judged by limits that other welds of their kind have set."""

    welds: list[WatchedWeld]  #: all, with their events
    upper95_per_hour: float  #: promised with 95 % confidence, by the less certain of both halves


def judged_by_other_half(card: ModelCard, watched: Sequence[Watched], rate_per_hour: float) -> OwnLimits:
    """Every second weld is judged by limits from the nominal ones of the others, and the other way round.

    Args:
        card: of the model. watched: nominal and faulty welds with their scores, all with the same sensors.
        rate_per_hour: of false alarms.

    Raises:
        InputError: where half of the nominal welds cannot promise the rate.
    """
    halves = [watched[0::2], watched[1::2]]
    judged: list[WatchedWeld] = []
    promised = []
    for half, others in zip(halves, reversed(halves), strict=True):
        limited, limits = _limited_by(card, others, rate_per_hour)
        promised.append(limits.upper95_per_hour)
        judged += [replace(weld, events=events_of(scores, limited, AnomalyConfig())) for weld, scores in half]
    return OwnLimits(judged, max(promised))


def _limited_by(card: ModelCard, half: Sequence[Watched], rate_per_hour: float) -> tuple[ModelCard, AlarmLimits]:
    clean = [scores for weld, scores in half if not weld.faulty and not weld.spans]
    sensors = _sensors(card, clean)
    seen: list[BySubset] = [{subset_name(sensors): _nominal(scores, sensors)} for scores in clean]
    try:
        limited = recalibrated(card, seen, rate_per_hour, "the other half").card
    except InputError as error:
        raise InputError("--own-limits", f"half of the welds is too little: {error}", "weld more --hours") from None
    limits = limited.limits_with(sensors)
    assert limits is not None
    return limited, limits


def _sensors(card: ModelCard, watched: Sequence[Scores]) -> frozenset[Modality]:
    """The modalities of the model that any tick had."""
    return card.modalities & {
        m for n, m in enumerate(MODALITIES) if any(scores.valid[:, n].any() for scores in watched)
    }


def _nominal(scores: Scores, sensors: frozenset[Modality]) -> NominalScores:
    """Scores as limits are set by them: of the ticks that have all these sensors."""
    wanted = [n for n, m in enumerate(MODALITIES) if m in sensors]
    whole: NDArray[np.bool_] = np.asarray(scores.valid[:, wanted].all(axis=1))
    return NominalScores(
        scores.time_s,
        np.where(whole[:, None], scores.probabilities, np.float32(np.nan)),
        np.where(whole, scores.novelty, np.float32(np.nan)),
    )
