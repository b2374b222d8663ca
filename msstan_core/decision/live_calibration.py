"""The calibration that holds for the modalities of the moment: with the camera gone, the model is sure of less."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.probabilities import ActionScale, LogitLines
from msstan_core.inference.model_card import AlarmLimits, ModelCard, subset_name
from msstan_core.vocabulary import ISO_CODES, MODALITIES, Modality


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits, beliefs and distances are read at one tick."""

    action_scale: ActionScale  #: of the action logits
    action_prior: NDArray[np.float32]  #: [9] that the action probabilities presume
    published_temperature: float  #: of the action filter's belief
    emission_power: float  #: what one tick's evidence counts in the action filter
    filtered: bool  #: whether that filter's belief is the answer, or the network's own
    novelty_threshold: float  #: distance from which a tick is novel
    imperfection_lines: LogitLines
    imperfection_thresholds: NDArray[np.float32]  #: [13] probability from which each counts
    alarm_thresholds: NDArray[np.float32]  #: [14] of the imperfections and of novelty; inf: no alarm
    false_alarms_per_hour: float  #: what the alarms keep to; NaN: nothing is promised


class SubsetCalibration:
    """Looks up what a model card says of the modalities that are valid.

    Args:
        card: of the model. imperfection_threshold: of imperfections without a calibrated one.
        promise_holds: whether alarms are raised as they were when their limits were calibrated.
    """

    def __init__(self, card: ModelCard, imperfection_threshold: float, *, promise_holds: bool = True) -> None:
        self._card = card
        self._usual = imperfection_threshold
        self._promise_holds = promise_holds
        self._known: dict[bytes, Calibration] = {}

    def of(self, valid: NDArray[np.bool_]) -> Calibration:
        """For the modalities with ``valid`` [4]; the card's own values where it has none for exactly these."""
        key = valid.tobytes()
        if key not in self._known:
            self._known[key] = self._read(frozenset(m for m in MODALITIES if valid[m]))
        return self._known[key]

    def _read(self, valid: frozenset[Modality]) -> Calibration:
        card, subset = self._card, self._card.subset(subset_name(valid))
        thresholds = dict(card.imperfection_thresholds)
        novelty = card.novelty_threshold if subset.novelty_threshold is None else subset.novelty_threshold
        thresholds.update(subset.imperfection_thresholds)
        each = np.array([thresholds.get(code, self._usual) for code in ISO_CODES], np.float32)
        limits = card.limits_with(valid)
        steadied = card.smoothing_with(subset)
        return Calibration(
            action_scale=subset.action_scale,
            action_prior=subset.action_scale.prior_of(np.array(card.action_prior, np.float32)),
            published_temperature=subset.published_temperature,
            emission_power=steadied.emission_power,
            filtered=steadied.filtered,
            novelty_threshold=novelty,
            imperfection_lines=LogitLines.of({**card.imperfection_lines, **subset.imperfection_lines}),
            imperfection_thresholds=each,
            alarm_thresholds=_alarm_thresholds(limits),
            false_alarms_per_hour=limits.false_alarms_per_hour if limits and self._promise_holds else math.nan,
        )


def _alarm_thresholds(limits: AlarmLimits | None) -> NDArray[np.float32]:
    """[14] of the imperfections, then of novelty; inf where nothing is promised."""
    if limits is None:
        return np.full(len(ISO_CODES) + 1, np.inf, np.float32)
    novelty = math.inf if limits.novelty_threshold is None else limits.novelty_threshold
    return np.array([*(limits.imperfection_thresholds.get(code, math.inf) for code in ISO_CODES), novelty], np.float32)
