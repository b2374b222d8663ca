"""One rate of false alarms for all kinds together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nominal_blocks import BLOCK_S, CODES, welds
from scipy.special import logit

from msstan_core.calibration.conformal import block_maxima
from msstan_core.calibration.joint import (
    JointThresholds,
    NominalScores,
    TooFewBlocks,
    calibrate_jointly,
    fit_tail,
    joint_maxima,
    least_joint_blocks,
    probability_above,
)
from msstan_core.decision.anomaly import NOVELTY_CODE, AnomalyConfig

#: Every tick may be an event: ticks here are a second apart.
AT_ONCE = AnomalyConfig(onset_s=0.0, alarm_onset_s=0.0)


def joint(nominal: list[NominalScores], rate_per_hour: float) -> JointThresholds:
    found = calibrate_jointly(nominal, CODES, rate_per_hour=rate_per_hour, novelty=True, config=AT_ONCE)
    assert isinstance(found, JointThresholds)
    return found


def alarms_per_hour(found: JointThresholds, fresh: list[NominalScores]) -> float:
    """Share of blocks in which any kind reaches its threshold, an hour."""
    kinds, maxima = joint_maxima(fresh, CODES, BLOCK_S, AT_ONCE.onset_s)
    thresholds = {**found.imperfections, NOVELTY_CODE: found.novelty}
    over = np.zeros(len(maxima), bool)
    for kind, column in zip(kinds, maxima.T, strict=True):
        score = column if kind == NOVELTY_CODE else 1 / (1 + np.exp(-column))
        over |= score.astype(np.float32) >= thresholds[kind]
    return float(over.mean()) * 3600 / BLOCK_S


def test_rate_of_all_kinds_together_holds_on_fresh_welds() -> None:
    rng = np.random.default_rng(0)
    for heavy in (None, 401):
        realised = [
            alarms_per_hour(joint(welds(80, rng, heavy=heavy), 12.0), welds(200, rng, heavy=heavy)) for _ in range(15)
        ]
        # Expected: k / (n + 1) = 2 of 61 blocks, 11.8 an hour; 15 draws of standard deviation 10.
        assert abs(np.mean(realised) - 11.8) < 4 * 10 / np.sqrt(15)


def test_kind_with_a_heavy_tail_does_not_blow_the_others_up() -> None:
    calm, wild = (joint(welds(600, np.random.default_rng(3), heavy=heavy), 3.0) for heavy in (None, 401))
    assert calm.imperfections[401] < 0.5 < 0.9 < wild.imperfections[401]
    for code in (2011, 602):
        assert logit(wild.imperfections[code]) < logit(calm.imperfections[code]) + 1.0
    assert sum(wild.alarmed.values()) >= 1


def test_fewer_blocks_suffice_than_for_each_kind_alone_and_too_few_are_said() -> None:
    assert least_joint_blocks(1.0) == 479
    rng = np.random.default_rng(0)
    found = joint(welds(480, rng), 1.0)
    assert found.alarm.guaranteed and found.alarm.blocks == 360 and found.fitted_blocks == 120
    assert found.upper95_per_hour == pytest.approx(3.0, abs=0.05), "one of 360 blocks may be three by chance"
    assert "at most 1 alarmed blocks an hour" in found.statements()[0] and "95 % confidence" in found.statements()[0]
    few = calibrate_jointly(welds(100, rng), CODES, rate_per_hour=1.0, config=AT_ONCE)
    assert isinstance(few, TooFewBlocks) and (few.blocks, few.least_blocks) == (100, 479)
    assert "100 clean blocks" in few.statement() and "479 are needed" in few.statement()
    assert isinstance(calibrate_jointly([], CODES), TooFewBlocks)


def test_kind_that_is_seldom_judged_gives_no_joint_thresholds_and_is_named() -> None:
    nominal = welds(200, np.random.default_rng(0))
    silent = [NominalScores(w.time_s, w.probabilities, np.full_like(w.novelty, np.nan)) for w in nominal]
    found = calibrate_jointly([*nominal[:2], *silent[2:]], CODES, rate_per_hour=12.0, novelty=True, config=AT_ONCE)
    assert isinstance(found, TooFewBlocks) and "novelty" in found.statement()
    without = joint(silent, 12.0)
    assert without.novelty is None and set(without.imperfections) == set(CODES)
    unasked = calibrate_jointly(nominal, CODES, rate_per_hour=12.0, config=AT_ONCE)
    assert isinstance(unasked, JointThresholds) and unasked.novelty is None, "only where it is asked to"


def test_probability_beyond_single_precision_never_counts() -> None:
    assert probability_above(20.0) > 1.0
    assert probability_above(-20.0) == 0.05, "such a probability says nothing"


@given(st.lists(st.floats(-12, 12), min_size=12, max_size=60), st.floats(0.0, 12.0))
@settings(max_examples=60, deadline=None)
def test_tail_is_monotone_and_read_back_as_it_was_measured(values: list[float], measure: float) -> None:
    tail = fit_tail(np.array(values))
    assert tail is not None and tail.scale > 0 and 0 <= tail.shape < 1
    measured = tail.measure(np.sort(values))
    assert (np.diff(measured) >= 0).all() and measured.min() >= 0
    score = tail.score(measure)
    assert score >= tail.begin
    if measure > -np.log(tail.share):
        assert tail.measure(np.array(score)) == pytest.approx(measure, rel=1e-6, abs=1e-6)


def test_exponential_tail_gives_exponential_measures() -> None:
    values = np.random.default_rng(0).exponential(2.0, 4000)
    tail = fit_tail(values)
    assert tail is not None and tail.shape < 0.1
    assert tail.measure(np.array(2.0 * np.log(1000.0))) == pytest.approx(np.log(1000.0), rel=0.1)


def test_kinds_share_their_blocks_even_where_one_was_not_judged() -> None:
    time_s = np.arange(1, 41) * 1.0
    scores = np.full((40, 2), np.nan, np.float32)
    scores[:, 0] = np.arange(40)
    scores[:10, 1] = 7.0
    maxima = block_maxima([(time_s, scores)], 10.0)
    assert len(maxima) == 3 and maxima[0, 1] == 7.0 and np.isneginf(maxima[2, 1])
    assert maxima[-1, 0] == 39.0
