"""One rate of false alarms for all kinds together, from as little clean welding as one rate needs.

Thirteen thresholds with a share of the rate each need thirteen times the clean blocks. Here every kind's maximum over a
block is first turned into what it means, how seldom a clean block reaches it (a tail measure, comparable across kinds),
and one conformal quantile is put on the largest of them. Read back through each kind's tail it is one threshold a kind.
Tails are fitted on every FIT_EVERYth block and the quantile is taken from the others: split conformal prediction, so
that the rate is kept however badly a tail fits. A bad fit only divides the alarms unevenly among the kinds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import beta

from msstan_core.calibration.conformal import (
    FEWEST_BLOCKS,
    AlarmThreshold,
    block_maxima,
    least_blocks,
    sustained,
    threshold_for_rate,
)
from msstan_core.calibration.imperfections import LOWEST
from msstan_core.calibration.novelty import BLOCK_S
from msstan_core.decision.anomaly import NOVELTY_CODE, NOVELTY_NAME, AnomalyConfig
from msstan_core.observation import SECONDS_PER_HOUR
from msstan_core.vocabulary import ISO_CODES

#: Every such block is for the tails, the others for the quantile.
FIT_EVERY = 4
#: A tail begins where this share of a kind's clean blocks lies above.
TAIL_SHARE = 1.0 / 3.0
#: Logits beyond this are one and the same: single precision knows no probability nearer to 1.
LARGEST_LOGIT = 16.6


@dataclass(frozen=True, slots=True)
class NominalScores:
    """What a monitor said at every tick of one nominal weld."""

    time_s: NDArray[np.float64]  #: [N] ascending
    probabilities: NDArray[np.float32]  #: [N, 13] of the imperfections, NaN where nothing was judged
    novelty: NDArray[np.float32]  #: [N] distance, NaN where nothing was judged


@dataclass(frozen=True, slots=True)
class Tail:
    """How seldom a clean block reaches a score: generalised Pareto above ``begin`` (Pickands 1975)."""

    begin: float
    share: float  #: of the clean blocks that lie above ``begin``
    scale: float
    shape: float  #: 0: exponential; larger: heavier

    def measure(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """[...] scores -> [...] minus the logarithm of the share of clean blocks that reach them.

        Rises with the score from ``begin`` on; below, and where nothing was judged (-inf), it stays as at ``begin``.
        """
        excess = np.maximum(score - self.begin, 0.0) / self.scale
        risen = np.log1p(self.shape * excess) / self.shape if self.shape > 0 else excess
        return np.asarray(risen - math.log(self.share))

    def score(self, measure: float) -> float:
        """The score with this measure; ``begin`` where the measure is no larger than there."""
        risen = max(measure + math.log(self.share), 0.0)
        return self.begin + self.scale * (math.expm1(self.shape * risen) / self.shape if self.shape > 0 else risen)


def fit_tail(maxima: NDArray[np.float64]) -> Tail | None:
    """The tail of a kind's block maxima by probability-weighted moments (Hosking and Wallis 1987).

    It is taken for heavier than exponential only by what its shape exceeds one standard error, and never for lighter: a
    shape that is chance would move the threshold of that kind by multiples.

    Args:
        maxima: [n] of clean blocks, -inf where nothing was judged.

    Returns:
        None where fewer than FEWEST_BLOCKS blocks were judged.
    """
    judged = np.sort(maxima[np.isfinite(maxima)])
    if len(judged) < FEWEST_BLOCKS:
        return None
    begin = float(np.quantile(judged, 1.0 - TAIL_SHARE))
    above = judged[judged > begin] - begin
    count = len(above)
    if count == 0:  # the upper third is one value
        return Tail(begin, 1.0 / len(maxima), 1.0, 0.0)
    mean = float(above.mean())
    weighted = float((above * (1.0 - (np.arange(1, count + 1) - 0.35) / count)).mean())
    shape = 2.0 - mean / max(mean - 2.0 * weighted, 1e-9)
    # Standard error of the shape at an exponential tail: sqrt(4 / 3 / n).
    shape = min(shape - math.sqrt(4.0 / 3.0 / count), 0.9)
    share = count / len(maxima)
    # With the shape given, the mean excess is scale / (1 - shape).
    return Tail(begin, share, mean * (1.0 - shape), shape) if shape > 0 else Tail(begin, share, mean, 0.0)


@dataclass(frozen=True, slots=True)
class JointThresholds:
    """Thresholds that keep to one rate together, and what stands behind them."""

    imperfections: dict[int, float]  #: ISO code -> probability from which it counts; above 1: it never does
    novelty: float | None  #: distance; None: novelty was not judged, or is to raise no alarm
    alarm: AlarmThreshold  #: in units of the tail measure
    fitted_blocks: int  #: clean blocks behind the tails
    alarmed: dict[int, int]  #: ISO code, 0 for novelty -> blocks of those behind the quantile that alarm

    @property
    def upper95_per_hour(self) -> float:
        """Alarmed blocks an hour that are not exceeded with 95 % confidence over draws of clean blocks (Vovk 2012)."""
        alarm = self.alarm
        allowed = max(1, math.floor(alarm.rate_per_hour * alarm.block_s / SECONDS_PER_HOUR * (alarm.blocks + 1) + 1e-9))
        return float(beta.ppf(0.95, allowed, alarm.blocks + 1 - allowed)) * SECONDS_PER_HOUR / alarm.block_s

    def statements(self) -> list[str]:
        """What stands behind the thresholds, in words, for a model card."""
        kinds = {code: f"imperfection {code}: from {p:.3g}" for code, p in self.imperfections.items()}
        if self.novelty is not None:
            kinds[NOVELTY_CODE] = f"{NOVELTY_NAME}: from {self.novelty:.3g}"
        return [
            f"all imperfections{'' if self.novelty is None else ' and novelty'} together: {self.alarm.statement()} "
            f"({self.fitted_blocks} more made the kinds comparable); with 95 % confidence at most "
            f"{self.upper95_per_hour:.2g} an hour",
            *(f"{text}, jointly; reached in {self.alarmed.get(code, 0)} of them" for code, text in kinds.items()),
        ]


@dataclass(frozen=True, slots=True)
class TooFewBlocks:
    """Why there are no joint thresholds."""

    blocks: int  #: clean blocks there are
    least_blocks: int  #: clean blocks that the rate needs
    rate_per_hour: float
    block_s: float
    unjudged: tuple[int, ...] = ()  #: ISO codes, 0 for novelty, judged in too few blocks to know their tail

    def statement(self) -> str:
        """In words, for a model card."""
        if self.unjudged:
            names = ", ".join(NOVELTY_NAME if kind == NOVELTY_CODE else str(kind) for kind in self.unjudged)
            return f"no joint thresholds: {names} judged in fewer than {FIT_EVERY * FEWEST_BLOCKS} clean blocks"
        return (
            f"no joint thresholds: {self.blocks} clean blocks of {self.block_s:g} s cannot promise "
            f"{self.rate_per_hour:g} false alarms an hour of all kinds together, {self.least_blocks} are needed"
        )


def least_joint_blocks(rate_per_hour: float, block_s: float = BLOCK_S) -> int:
    """Clean blocks that a joint rate needs: 479 (80 minutes) for one alarm an hour with blocks of 10 s."""
    return max(_all_blocks(least_blocks(rate_per_hour, block_s)), FIT_EVERY * FEWEST_BLOCKS)


def least_joint_hours(rate_per_hour: float, block_s: float = BLOCK_S) -> float:
    """Hours of clean welding that a joint rate needs at least: 1.33 for one alarm an hour."""
    return least_joint_blocks(rate_per_hour, block_s) * block_s / SECONDS_PER_HOUR


def calibrate_jointly(
    nominal: Sequence[NominalScores],
    suspected: Sequence[int],
    *,
    rate_per_hour: float = 1.0,
    block_s: float = BLOCK_S,
    novelty: bool = False,
    config: AnomalyConfig | None = None,
) -> JointThresholds | TooFewBlocks:
    """Alarm thresholds of the suspected imperfections, and of novelty if it is to raise alarms, for one rate together.

    Args:
        nominal: welds that neither network nor novelty detector have learnt from.
        suspected: ISO codes that are suspected at all.
        rate_per_hour: alarmed blocks an hour of judged time, all kinds together.
        block_s: see :mod:`msstan_core.calibration.conformal`. novelty: whether it is to raise alarms.
        config: how long an alarm's score must hold.

    Returns:
        TooFewBlocks where the clean blocks cannot promise the rate: see :func:`least_joint_blocks`.
    """
    onset_s = (config or AnomalyConfig()).alarm_onset_s
    kinds, maxima = joint_maxima(nominal, suspected, block_s, onset_s, novelty=novelty)
    needed = least_joint_blocks(rate_per_hour, block_s)
    if len(maxima) < needed:
        return TooFewBlocks(len(maxima), needed, rate_per_hour, block_s)
    fit = np.arange(len(maxima)) % FIT_EVERY == 0
    tails = {kind: fit_tail(own) for kind, own in zip(kinds, maxima[fit].T, strict=True)}
    known = {kind: tail for kind, tail in tails.items() if tail is not None}
    if len(known) < len(kinds):
        unjudged = tuple(kind for kind, tail in tails.items() if tail is None)
        return TooFewBlocks(len(maxima), needed, rate_per_hour, block_s, unjudged)
    measures = np.stack([known[kind].measure(own) for kind, own in zip(kinds, maxima[~fit].T, strict=True)], axis=1)
    alarm = threshold_for_rate(measures.max(axis=1), block_s, rate_per_hour)
    alarmed = (measures >= alarm.threshold).sum(axis=0)
    scores = {kind: tail.score(alarm.threshold) for kind, tail in known.items()}
    distance = scores.pop(NOVELTY_CODE, None)
    return JointThresholds(
        imperfections={kind: probability_above(score) for kind, score in scores.items()},
        novelty=None if distance is None else _above(distance),
        alarm=alarm,
        fitted_blocks=int(fit.sum()),
        alarmed={kind: int(count) for kind, count in zip(kinds, alarmed, strict=True)},
    )


def joint_maxima(
    nominal: Sequence[NominalScores], suspected: Sequence[int], block_s: float, onset_s: float, *, novelty: bool = True
) -> tuple[list[int], NDArray[np.float64]]:
    """The largest sustained score of each kind in each block; the blocks are the same for all kinds.

    Returns:
        kinds (ISO codes, 0 for novelty, which is left out where it was never judged or is not wanted), and
        [blocks, kinds] logits or distances, -inf where that kind was not judged in a block.
    """
    judged = novelty and any(np.isfinite(w.novelty).any() for w in nominal)
    kinds = [*suspected, NOVELTY_CODE] if judged else [*suspected]
    if not kinds:
        return [], np.empty((0, 0))

    def scores(weld: NominalScores) -> NDArray[np.float32]:
        columns = [
            weld.novelty if kind == NOVELTY_CODE else logits_of(weld.probabilities[:, ISO_CODES.index(kind)])
            for kind in kinds
        ]
        return np.stack([sustained(weld.time_s, column, onset_s) for column in columns], axis=1)

    return kinds, block_maxima([(w.time_s, scores(w)) for w in nominal if len(w.time_s)], block_s)


def logits_of(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """[N] -> [N], bounded by LARGEST_LOGIT; NaN stays."""
    bounded = np.clip(logit(probability.astype(np.float64)), -LARGEST_LOGIT, LARGEST_LOGIT)
    return np.asarray(bounded, np.float32)


def probability_above(score: float) -> float:
    """The least probability in single precision, as the monitor has it, that is surely above this logit."""
    return max(_above(float(expit(_above(score)))), LOWEST)


def _above(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def _all_blocks(calibrating: int) -> int:
    """Blocks of which ``calibrating`` are left after every FIT_EVERYth."""
    return calibrating + math.ceil(calibrating / (FIT_EVERY - 1))
