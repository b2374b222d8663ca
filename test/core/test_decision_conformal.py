"""Thresholds that keep a chosen number of false alarms an hour, on streams as correlated as a weld's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.calibration.conformal import (
    block_maxima,
    least_blocks,
    realised_rate,
    sustained,
    threshold_for_rate,
    threshold_of_groups,
)
from msstan_core.decision.anomaly import AnomalyConfig, AnomalyEvents
from msstan_core.decision.result import EventPhase
from msstan_core.errors import InputError
from msstan_core.observation import forward_s
from msstan_core.vocabulary import IMPERFECTIONS

PERIOD_S = 0.04
NO_PROBABILITIES = np.full(len(IMPERFECTIONS), np.nan, np.float32)


def correlated(hours: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A nominal score with a memory of a second."""
    from scipy.signal import lfilter

    ticks = int(hours * 3600 / PERIOD_S)
    noise = np.random.default_rng(seed).normal(size=ticks)
    keep = math.exp(-PERIOD_S)
    score = lfilter([math.sqrt(1 - keep**2)], [1, -keep], noise)
    return np.arange(ticks) * PERIOD_S, score.astype(np.float32)


def test_one_alarm_an_hour_needs_359_clean_blocks_of_ten_seconds() -> None:
    assert least_blocks(1.0, 10.0) == 359
    maxima = np.random.default_rng(0).normal(size=359)
    assert threshold_for_rate(maxima, 10.0, 1.0).guaranteed
    assert not threshold_for_rate(maxima[:-1], 10.0, 1.0).guaranteed


def test_chosen_rate_holds_on_streams_that_are_correlated_and_new() -> None:
    """A threshold per tick at the same nominal rate gives many times as many alarms."""
    chosen, alarms, naive = 6.0, [], []
    for seed in range(12):
        time_s, score = correlated(2.0, seed)
        threshold = threshold_for_rate(block_maxima([(time_s, score)], 10.0), 10.0, chosen).threshold
        new = block_maxima([correlated(2.0, 1000 + seed)], 10.0)
        alarms.append((new >= threshold).sum() / 2.0)
        per_tick = np.quantile(score, 1 - chosen * PERIOD_S / 3600 * 10)  # a tenth of the rate even
        naive.append((new >= per_tick).sum() / 2.0)
    assert np.mean(alarms) == pytest.approx(chosen, rel=0.35)
    assert np.mean(naive) > 2 * chosen


def test_too_few_blocks_are_said_not_hidden() -> None:
    alarm = threshold_for_rate(np.linspace(1, 2, 25), 10.0, 1.0)
    assert not alarm.guaranteed
    assert alarm.threshold > 2.0, "an extrapolated threshold is not below what nominal welds reached"
    assert alarm.supported_rate_per_hour == pytest.approx(360 / 26)
    assert "WITHOUT a guarantee" in alarm.statement() and "359" in alarm.statement()
    nothing = threshold_for_rate(np.ones(3), 10.0, 1.0)
    assert math.isinf(nothing.threshold) and "no threshold" in nothing.statement()


def test_extrapolation_is_about_right_where_the_truth_is_known() -> None:
    rates = []
    for seed in range(20):
        maxima = block_maxima([correlated(0.4, seed)], 10.0)
        threshold = threshold_for_rate(maxima, 10.0, 1.0).threshold
        rates.append((block_maxima([correlated(4.0, 500 + seed)], 10.0) >= threshold).sum() / 4.0)
    assert 0.1 < np.mean(rates) < 4.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=400), st.floats(0.5, 300))
def test_no_more_than_the_allowed_share_of_the_clean_blocks_alarm(values: list[float], rate: float) -> None:
    alarm = threshold_for_rate(values, 10.0, rate)
    share = (np.array(values) >= alarm.threshold).sum() / (len(values) + 1)
    assert share <= rate * 10.0 / 3600 + 1e-9
    assert alarm.guaranteed == (len(values) >= alarm.least_blocks)


def test_sustained_score_crosses_exactly_when_an_event_opens() -> None:
    rng = np.random.default_rng(3)
    time_s, score = correlated(0.05, 7)
    score[rng.random(len(score)) < 0.01] = np.nan
    config = AnomalyConfig(onset_s=0.2, clear_s=0.0, clear_ratio=1.0)
    for threshold in (0.3, 0.8, 1.5):
        events = AnomalyEvents(config)
        first = None
        for t, value in zip(time_s, score, strict=True):
            seen = events.update(round(t * 1e9), NO_PROBABILITIES, float(value), threshold)
            if any(e.phase is EventPhase.ONSET for e in seen):
                first = float(t)
                break
        crossing = np.flatnonzero(sustained(time_s, score, 0.2) >= threshold)
        assert first == (float(time_s[crossing[0]]) if len(crossing) else None)


def test_a_pause_in_judging_breaks_what_is_sustained() -> None:
    time_s = np.array([0.0, 0.1, 0.2, 9.0, 9.1, 9.2])
    out = sustained(time_s, np.ones(6, np.float32), 0.2)
    assert np.isnan(out[:2]).all() and out[2] == 1.0
    assert np.isnan(out[3:5]).all() and out[5] == 1.0


def test_blocks_are_made_of_judged_time_over_all_recordings() -> None:
    time_s = np.arange(0, 6.0, 0.1)
    score = np.arange(60, dtype=np.float32)
    score[:30] = np.nan
    maxima = block_maxima([(time_s, score), (time_s, score + 100)], 2.0)
    assert len(maxima) == 3, "twice three seconds are judged"
    assert maxima[-1] == 159.0
    assert len(block_maxima([(time_s, np.full(60, np.nan, np.float32))], 2.0)) == 0


def test_what_is_left_over_joins_the_last_block() -> None:
    time_s = np.arange(0, 3.5, 0.1)
    score = np.zeros(35, np.float32)
    score[-1] = 9.0  # the end of a weld is where scores are high
    assert block_maxima([(time_s, score)], 2.0).tolist() == [9.0]


def test_a_clock_set_back_parts_what_is_sustained_and_takes_no_judged_time_away() -> None:
    time_s = np.concatenate([np.arange(0, 4.0, 0.1), np.arange(1.0, 5.0, 0.1)])
    score = np.ones(80, np.float32)
    out = sustained(time_s, score, 0.2)
    assert np.isnan(out[40:42]).all() and np.isfinite(out[2:40]).all() and np.isfinite(out[42:]).all()
    score[-1] = 9.0
    assert block_maxima([(time_s, score)], 2.0).tolist() == [1.0, 1.0, 9.0], "7.8 s"
    assert forward_s(time_s) == pytest.approx(7.8)
    assert forward_s(np.empty(0)) == 0.0
    assert forward_s(np.array([0.0, 0.5, 600.0, 600.5])) == pytest.approx(2.0), "of a hole a second counts"


def test_a_rate_that_lets_every_block_alarm_is_refused() -> None:
    with pytest.raises(InputError, match="share"):
        threshold_for_rate(np.ones(100), 60.0, 60.0)


def test_group_threshold_holds_for_welds_of_a_new_group() -> None:
    """Welds of one set-up share an offset: 20 welds of 12 set-ups are far from 240 independent ones."""
    rng = np.random.default_rng(1)

    def welds(groups: int) -> tuple[np.ndarray, np.ndarray]:
        names = np.repeat(np.arange(groups), 20)
        return rng.normal(size=groups)[names] * 2 + rng.normal(size=20 * groups), names

    by_group, pooled = [], []
    for _ in range(400):
        scores, names = welds(12)
        new, _ = welds(1)
        threshold, _ = threshold_of_groups(scores, names.tolist(), 0.1)
        by_group.append((new >= threshold).mean())
        pooled.append((new >= np.sort(scores)[-24]).mean())
    assert np.mean(by_group) <= 0.11
    assert np.mean(pooled) > np.mean(by_group)


def test_too_few_groups_give_no_threshold() -> None:
    threshold, needed = threshold_of_groups(np.ones(40), [i % 8 for i in range(40)], 0.1)
    assert math.isinf(threshold) and needed == 9
    assert math.isfinite(threshold_of_groups(np.ones(40), [i % 9 for i in range(40)], 0.1)[0])


def test_realised_rate_has_exact_bounds() -> None:
    none = realised_rate(0, 10.0)
    assert (none.per_hour, none.lower95) == (0.0, 0.0)
    assert none.upper95 == pytest.approx(0.3689, abs=1e-3)
    five = realised_rate(5, 10.0)
    assert (five.lower95, five.upper95) == pytest.approx((0.1623, 1.1668), abs=1e-3)
    assert math.isinf(realised_rate(0, 0.0).upper95)
