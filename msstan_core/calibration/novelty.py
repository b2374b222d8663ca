"""After training: fit a novelty detector on nominal welds and give it a threshold with a known false-alarm rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.calibration.conformal import AlarmThreshold, Scored, block_maxima, sustained, threshold_for_rate
from msstan_core.decision.anomaly import AnomalyConfig
from msstan_core.decision.novelty import NearestNominal, NominalEmbeddings, NoveltyDetector
from msstan_core.decision.ranking import separation

#: Length of a block, s: longer than the embeddings remember (64 ticks), so that blocks are nearly independent.
BLOCK_S = 10.0
#: Ticks that a detector is fitted on at most; evenly spread over the recordings.
MOST_TICKS = 20_000

Fit = Callable[[NDArray[np.float32], Sequence[str], int], NoveltyDetector]
#: In order of preference where there are no labelled imperfections to choose by.
DETECTORS: dict[str, Fit] = {
    NearestNominal.kind: lambda embeddings, groups, seed: NearestNominal.fit(embeddings, groups, seed=seed),
    NominalEmbeddings.kind: lambda embeddings, groups, seed: NominalEmbeddings.fit(embeddings),
}


@dataclass(frozen=True, slots=True)
class WeldTicks:
    """Ticks of one recording, all nominal or all with an imperfection, while the arc burns."""

    group: str  #: set-up; those of one group never stand on both sides of a split
    time_s: NDArray[np.float64]  #: [N] ascending
    embeddings: NDArray[np.float32]  #: [N, d]


@dataclass(frozen=True, slots=True)
class CalibratedNovelty:
    """A detector, its threshold, and why both can be believed."""

    detector: NoveltyDetector
    alarm: AlarmThreshold
    judged_on_unseen: bool  #: False: the network was trained on the welds behind the threshold, which is too low then
    auc: dict[str, float]  #: by detector, on ticks with labelled imperfections; empty without any

    def statement(self) -> str:
        """For a model card: detector, threshold, promise."""
        text = f"novelty ({self.detector.kind}): {self.alarm.statement()}{self._separation()}"
        return text if self.judged_on_unseen else f"{text}; measured on welds the network was trained on: too low"

    def _separation(self) -> str:
        if not self.auc:
            return ""
        return "; AUC on labelled imperfections " + ", ".join(f"{k} {v:.3f}" for k, v in self.auc.items())


def calibrate_novelty(
    nominal: Sequence[WeldTicks],
    held_out: Sequence[WeldTicks],
    *,
    defective: Sequence[WeldTicks] = (),
    rate_per_hour: float = 1.0,
    block_s: float = BLOCK_S,
    onset_s: float | None = None,
    seed: int = 0,
) -> CalibratedNovelty | None:
    """Choose, fit and calibrate a novelty detector.

    Args:
        nominal: welds that the network was trained on. held_out: nominal welds of groups that it was not.
        defective: ticks with a labelled imperfection, of held-out welds: where there are some, the detector with the
            larger AUC against ``held_out`` is taken, otherwise the first of DETECTORS.
        rate_per_hour: false alarms an hour of arc time. block_s: see :data:`BLOCK_S`.
        onset_s: least duration of an event; default: that of :class:`AnomalyConfig`.
        seed: of the choice of ticks.

    Returns:
        None when there is too little nominal data for a detector or for any threshold.
    """
    nominal = [weld for weld in nominal if len(weld.time_s)]
    held_out = [weld for weld in held_out if len(weld.time_s)]
    if not nominal or sum(len(w.time_s) for w in nominal) < 2 * nominal[0].embeddings.shape[1]:
        return None
    detectors = {kind: _fit(kind, nominal, seed) for kind in DETECTORS}
    auc = {}
    if held_out and any(len(w.time_s) for w in defective):
        auc = {kind: separation(*_both(detector, held_out, defective)) for kind, detector in detectors.items()}
    kind = max(auc, key=lambda name: auc[name]) if auc else next(iter(DETECTORS))
    scored = _scores(detectors[kind], held_out) if held_out else _scores_across_groups(kind, nominal, seed)
    alarm = _alarm(scored, rate_per_hour, block_s, onset_s)
    if not math.isfinite(alarm.threshold):
        return None
    return CalibratedNovelty(detectors[kind], alarm, bool(held_out), auc)


def novelty_alarm(
    detector: NoveltyDetector,
    nominal: Sequence[WeldTicks],
    *,
    rate_per_hour: float = 1.0,
    block_s: float = BLOCK_S,
    onset_s: float | None = None,
) -> AlarmThreshold:
    """The threshold of a fitted detector on other nominal welds; arguments as of :func:`calibrate_novelty`."""
    return _alarm(_scores(detector, [w for w in nominal if len(w.time_s)]), rate_per_hour, block_s, onset_s)


def _alarm(scored: Sequence[Scored], rate_per_hour: float, block_s: float, onset_s: float | None) -> AlarmThreshold:
    hold_s = AnomalyConfig().onset_s if onset_s is None else onset_s
    maxima = block_maxima(((t, sustained(t, s, hold_s)) for t, s in scored), block_s)
    return threshold_for_rate(maxima, block_s, rate_per_hour)


def _fit(kind: str, welds: Sequence[WeldTicks], seed: int) -> NoveltyDetector:
    share = max(1, math.ceil(sum(len(w.time_s) for w in welds) / MOST_TICKS))
    embeddings = np.concatenate([w.embeddings[::share] for w in welds])
    groups = [w.group for w in welds for _ in range(len(w.embeddings[::share]))]
    return DETECTORS[kind](embeddings, groups, seed)


def _scores(detector: NoveltyDetector, welds: Sequence[WeldTicks]) -> list[Scored]:
    return [(w.time_s, detector.distance(w.embeddings)) for w in welds]


def _scores_across_groups(kind: str, welds: Sequence[WeldTicks], seed: int) -> list[Scored]:
    """Each weld judged by a detector that was fitted without its group; by the full one where there is one group."""
    out: list[Scored] = []
    for group in sorted({w.group for w in welds}):
        own = [w for w in welds if w.group == group]
        others = [w for w in welds if w.group != group]
        out += _scores(_fit(kind, others or own, seed), own)
    return out


def _both(
    detector: NoveltyDetector, nominal: Sequence[WeldTicks], strange: Sequence[WeldTicks]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return (
        np.concatenate([s for _, s in _scores(detector, nominal)]),
        np.concatenate([s for _, s in _scores(detector, [w for w in strange if len(w.time_s)])]),
    )
