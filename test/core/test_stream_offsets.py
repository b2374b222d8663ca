"""Streams are brought together by the arc, whatever their rates, and an honest uncertainty comes with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msstan_core.recordings.offsets import (
    ArcSignal,
    OffsetEstimate,
    arc_from_brightness,
    arc_from_current,
    arc_from_sound,
    estimate_offset,
)


def burning(times: np.ndarray, arcs: list[tuple[float, float]]) -> np.ndarray:
    """1 while one of the arcs burns, [N]."""
    return np.any([(times >= a) & (times < b) for a, b in arcs], axis=0).astype(float)


def sampled(arcs: list[tuple[float, float]], rate_hz: float, length_s: float, clock_offset_s: float = 0.0) -> ArcSignal:
    """A perfect sensor of arcs whose own clock lags by ``clock_offset_s``."""
    times = np.arange(0, length_s, 1 / rate_hz)
    return ArcSignal(times, burning(times + clock_offset_s, arcs))


def found(estimate: OffsetEstimate | None) -> OffsetEstimate:
    assert estimate is not None
    return estimate


@settings(deadline=None, max_examples=60)
@given(
    offset_s=st.floats(-4, 4),
    start_s=st.floats(5, 9),
    length_s=st.floats(2, 25),
    rate_hz=st.sampled_from([9.0, 25.0, 31.0]),
)
def test_known_shift_of_one_arc_is_found_to_the_sampling(
    offset_s: float, start_s: float, length_s: float, rate_hz: float
) -> None:
    arcs = [(start_s, start_s + length_s)]
    estimate = found(estimate_offset(sampled(arcs, 50, 40), sampled(arcs, rate_hz, 40, clock_offset_s=offset_s)))
    assert estimate.offset_s == pytest.approx(offset_s, abs=0.5 / rate_hz + 0.5 / 50 + 1e-6)
    assert estimate.rate == 1.0


@settings(deadline=None, max_examples=40)
@given(
    offset_s=st.floats(-3, 3),
    breaks=st.lists(st.tuples(st.floats(0.4, 3), st.floats(0.3, 1)), min_size=2, max_size=8),
)
def test_arc_that_breaks_and_restarts_is_matched_by_its_pattern(
    offset_s: float, breaks: list[tuple[float, float]]
) -> None:
    arcs, now = [], 6.0
    for burns_s, pauses_s in breaks:
        arcs.append((now, now + burns_s))
        now += burns_s + pauses_s
    estimate = found(estimate_offset(sampled(arcs, 50, 45), sampled(arcs, 9, 45, clock_offset_s=offset_s)))
    assert estimate.offset_s == pytest.approx(offset_s, abs=0.1)


@settings(deadline=None, max_examples=40)
@given(
    offset_s=st.floats(-3, 3),
    clanks=st.lists(st.tuples(st.floats(18, 35), st.floats(0.02, 0.6)), max_size=5),
)
def test_noise_after_the_weld_does_not_move_the_offset(offset_s: float, clanks: list[tuple[float, float]]) -> None:
    weld = [(6.0, 16.0)]
    noisy = weld + [(a, a + d) for a, d in clanks]
    estimate = found(estimate_offset(sampled(noisy, 50, 38), sampled(weld, 9, 38, clock_offset_s=offset_s)))
    assert estimate.offset_s == pytest.approx(offset_s, abs=0.1)


@settings(deadline=None, max_examples=40)
@given(offset_s=st.floats(-3, 3), cut_s=st.floats(11, 12.5))
def test_stream_that_stops_during_the_arc_is_placed_by_the_edge_it_has(offset_s: float, cut_s: float) -> None:
    weld = [(6.0, 16.0)]
    estimate = found(estimate_offset(sampled(weld, 50, 30), sampled(weld, 25, cut_s, clock_offset_s=offset_s)))
    assert estimate.offset_s == pytest.approx(offset_s, abs=0.1)
    assert estimate.method == "1 edge"
    assert estimate.uncertainty_s > 0.02  # with one edge the correlation's width is all there is


@settings(deadline=None, max_examples=40)
@given(offset_s=st.floats(-3, 3), error=st.floats(-0.04, 0.04), length_s=st.floats(8, 25))
def test_wrong_frame_rate_is_found_where_it_shows(offset_s: float, error: float, length_s: float) -> None:
    assume(abs(error) * length_s > 0.15)
    reference = sampled([(6.0, 6.0 + length_s)], 50, 40)
    times = np.arange(0, 38, 1 / 30)  # the camera's nominal times; a nominal second lasts 1 + error seconds
    other = ArcSignal(times, burning(offset_s + times * (1 + error), [(6.0, 6.0 + length_s)]))
    estimate = found(estimate_offset(reference, other, fit_rate=True))
    true = offset_s + (1 + error) * np.array([0.0, 30.0])
    assert estimate.rate == pytest.approx(1 + error, abs=0.06 / length_s)
    np.testing.assert_allclose(estimate.to_reference([0.0, 30.0]), true, atol=0.06 * 30 / length_s + 0.05)


def test_right_frame_rate_is_left_alone() -> None:
    arcs = [(6.0, 17.0)]
    estimate = found(estimate_offset(sampled(arcs, 50, 30), sampled(arcs, 31, 25, 1.3), fit_rate=True))
    assert estimate.rate == 1.0


def test_both_ways_agree() -> None:
    a, b = sampled([(6.0, 17.0)], 50, 30), sampled([(6.0, 17.0)], 9, 25, 1.7)
    there, back = found(estimate_offset(a, b)), found(estimate_offset(b, a))
    assert there.offset_s == pytest.approx(-back.offset_s, abs=1e-6)


def test_disagreeing_edges_widen_the_uncertainty() -> None:
    reference = sampled([(6.0, 16.0)], 50, 30)
    agreeing = found(estimate_offset(reference, sampled([(6.0, 16.0)], 50, 30, 1.0)))
    disagreeing = found(estimate_offset(reference, sampled([(6.2, 15.8)], 50, 30, 1.0)))
    assert agreeing.uncertainty_s < 0.03
    assert 0.2 <= disagreeing.uncertainty_s < 0.5
    assert disagreeing.offset_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_stream_without_an_edge_gives_no_estimate(level: float) -> None:
    flat = ArcSignal(np.arange(100) / 10, np.full(100, level))
    assert estimate_offset(sampled([(3.0, 6.0)], 50, 10), flat) is None
    assert estimate_offset(flat, sampled([(3.0, 6.0)], 50, 10)) is None


def test_arc_begins_at_the_first_strike_in_both_streams() -> None:
    heard = sampled([(4.0, 4.05), (4.35, 4.4), (4.7, 16.0)], 50, 25)
    measured = sampled([(5.2, 5.33), (5.7, 17.2)], 9, 25)
    assert [e.time_s for e in heard.edges()] == pytest.approx([4.0, 16.0], abs=0.02)
    assert found(estimate_offset(heard, measured)).offset_s == pytest.approx(-1.2, abs=0.1)


def test_strikes_at_the_very_end_of_a_recording_are_no_arc() -> None:
    assert len(sampled([(4.0, 9.0), (9.6, 9.7), (9.9, 10.0)], 50, 10).edges()) == 3


def test_single_knock_before_the_weld_is_no_strike() -> None:
    edges = sampled([(2.0, 2.05), (5.0, 16.0)], 50, 25).edges()
    assert [e.time_s for e in edges] == pytest.approx([5.0, 16.0], abs=0.02)


def test_empty_streams_give_no_estimate() -> None:
    empty = arc_from_sound(np.zeros(10), 16_000)
    assert estimate_offset(empty, empty) is None
    assert arc_from_brightness([], []).edges() == []


def test_current_edges_lie_at_20_amperes() -> None:
    times = np.arange(0, 10, 0.1)
    current = np.where((times >= 3) & (times <= 7), 200.0, 4.0)  # a few amperes of offset are no arc
    current[10] = math.nan
    edges = arc_from_current(times, current).edges()
    assert [e.rises for e in edges] == [True, False]
    assert edges[0].time_s == pytest.approx(3.0, abs=0.1)
    assert edges[1].time_s == pytest.approx(7.0, abs=0.1)


def weld_sound(
    rng: np.random.Generator, start_s: float, end_s: float, length_s: float, rate: int = 16_000
) -> np.ndarray:
    """Shop noise, gas hiss around the weld, ignition pops, arc noise, a clank afterwards."""
    times = np.arange(int(length_s * rate)) / rate
    sound = rng.normal(0, 0.0005, len(times))
    hiss = (times > start_s - 1.5) & (times < end_s + 1.0)
    sound[hiss] += rng.normal(0, 0.0015, hiss.sum())
    arc = (times >= start_s + 0.2) & (times < end_s)
    sound[arc] += rng.normal(0, 0.02, arc.sum()) * (1 + 0.5 * np.sin(2 * np.pi * 70 * times[arc]))
    for pop in (start_s, start_s + 0.11):
        burst = (times >= pop) & (times < pop + 0.02)
        sound[burst] += rng.normal(0, 0.06, burst.sum())
    clank = (times >= end_s + 3) & (times < end_s + 3.1)
    sound[clank] += rng.normal(0, 0.05, clank.sum())
    return sound


@pytest.mark.parametrize("seed", range(4))
def test_sound_with_hiss_pops_and_clanks_shows_the_arc(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start_s, end_s = 4 + rng.uniform(0, 1), 15 + rng.uniform(0, 1)
    edges = arc_from_sound(weld_sound(rng, start_s, end_s, 25), 16_000).edges()
    assert [e.rises for e in edges] == [True, False]
    assert edges[0].time_s == pytest.approx(start_s, abs=0.03)
    assert edges[1].time_s == pytest.approx(end_s, abs=0.03)


@pytest.mark.parametrize("rate", [100, 1000, 1250, 4000, 96_000])
def test_any_sample_rate_is_analysed_or_left_alone(rate: int) -> None:
    edges = arc_from_sound(weld_sound(np.random.default_rng(0), 4.0, 9.0, 12, rate), rate).edges()
    assert [e.rises for e in edges] == ([True, False] if rate >= 1250 else [])


def test_steady_noise_is_no_arc() -> None:
    assert arc_from_sound(np.random.default_rng(1).normal(0, 0.01, 16_000 * 5), 16_000).edges() == []


def test_short_circuits_do_not_break_the_arc_and_glow_is_no_arc() -> None:
    rng = np.random.default_rng(3)
    times = np.arange(0, 20, 1 / 30)
    brightness = 10 + rng.normal(0, 0.01, len(times))
    arc = (times >= 5) & (times < 15)
    brightness[arc] += rng.uniform(15, 40, arc.sum())
    brightness[arc & (rng.random(len(times)) < 0.2)] = 12.0  # short circuits
    brightness[np.searchsorted(times, [5.0, 15.0 - 1 / 30])] = 35.0
    glow = times >= 15
    brightness[glow] += 4 * np.exp(-(times[glow] - 15) / 0.5)
    edges = arc_from_brightness(times, brightness).edges()
    assert [e.rises for e in edges] == [True, False]
    assert edges[0].time_s == pytest.approx(5.0, abs=0.04)
    assert edges[1].time_s == pytest.approx(15.0, abs=0.04)
