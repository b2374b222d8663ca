"""The envelope of a procedure: whatever is wished and however long it takes, nothing leaves it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lap_procedure import lap

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Parameter, Values, values
from msstan_core.advisory.wps import Wps


@st.composite
def procedures(draw: st.DrawFn) -> Wps:
    """Arc procedures with any windows: wide, narrow, one-sided, and slow or fast rates."""

    def section(nominal: float, least_rate: float) -> dict[str, float]:
        below, above = draw(st.floats(0, 0.4)), draw(st.floats(0, 0.4))
        rate = nominal * draw(st.floats(least_rate, 2.0))
        return {"nominal": nominal, "min": nominal * (1 - below), "max": nominal * (1 + above), "max_rate_per_s": rate}

    heat = 0.8 * 20.0 * 180.0 / 0.008
    names = ["voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s", "stick_out_m"]
    return lap(
        current_a=section(180.0, 0.1),
        voltage_v=section(20.0, 0.1),
        wire_feed_speed_m_s=section(0.075, 0.1),
        travel_speed_m_s=section(0.008, 0.1),
        stick_out_m=section(0.015, 0.1),
        adjustable=draw(st.lists(st.sampled_from(names), unique=True, min_size=1)),
        heat_input_j_m={
            "min": heat * (1 - draw(st.floats(0.021, 0.5))),
            "max": heat * (1 + draw(st.floats(0.021, 0.8))),
        },
    )


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
WISHES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


def assert_inside(wps: Wps, deltas: Values) -> None:
    """By the procedure's own words, not by the envelope's."""
    value: dict[Parameter, float] = {}
    for p in PARAMETERS:
        section = wps.range_of(p)
        if section is None or not wps.adjusts(p):
            assert deltas[p] == 0.0
            value[p] = section.nominal if section else math.nan
            continue
        value[p] = section.nominal + deltas[p]
        assert section.min <= value[p] <= section.max
    if wps.heat_input_j_m is not None and wps.current_a is not None:
        wire = wps.wire_feed_speed_m_s
        current = value[Parameter.CURRENT]
        if wire is not None and wps.adjusts(Parameter.WIRE_FEED_SPEED):
            current *= value[Parameter.WIRE_FEED_SPEED] / wire.nominal
            assert wps.current_a.min * (1 - 1e-9) <= current <= wps.current_a.max * (1 + 1e-9)
        heat = 0.8 * value[Parameter.VOLTAGE] * current / value[Parameter.TRAVEL_SPEED]
        assert wps.heat_input_j_m.min * (1 - 1e-9) <= heat <= wps.heat_input_j_m.max * (1 + 1e-9)


def scaled(wish: Values, envelope: Envelope) -> Values:
    """A wish of ordinary size: the strategy's huge numbers all clamp to the same corners."""
    return values(
        math.fmod(w, 1.0) * 2 * max(high, -low) if math.isfinite(w) else w
        for w, low, high in zip(wish, envelope.low, envelope.high, strict=True)
    )


@settings(max_examples=300, deadline=None)
@given(procedures(), WISHES, st.booleans())
def test_whatever_is_wished_the_clamped_deltas_are_inside(wps: Wps, wish: Values, ordinary: bool) -> None:
    envelope = Envelope(wps)
    clamped = envelope.clamp(scaled(wish, envelope) if ordinary else wish)
    assert_inside(wps, clamped)
    assert envelope.contains(clamped)


@settings(max_examples=200, deadline=None)
@given(procedures(), st.lists(st.tuples(WISHES, st.floats(-1, 1)), max_size=30))
def test_every_step_is_inside_and_no_faster_than_the_rates(wps: Wps, steps: list[tuple[Values, float]]) -> None:
    envelope, now = Envelope(wps), ZERO
    for wish, elapsed_s in steps:
        after = envelope.advance(now, envelope.clamp(scaled(wish, envelope)), elapsed_s)
        assert_inside(wps, after)
        for p in PARAMETERS:
            assert abs(after[p] - now[p]) <= envelope.rate[p] * max(elapsed_s, 0.0) * (1 + 1e-9) + 1e-15
        now = after


@settings(max_examples=200, deadline=None)
@given(procedures(), WISHES)
def test_from_anywhere_inside_zero_is_reached_within_the_stated_time(wps: Wps, wish: Values) -> None:
    envelope, step_s = Envelope(wps), 0.02
    now = envelope.clamp(scaled(wish, envelope))
    for _ in range(math.ceil(envelope.return_time_s / step_s) + 2):
        now = envelope.advance(now, ZERO, step_s)
        assert_inside(wps, now)
    assert now == ZERO


@settings(max_examples=300, deadline=None)
@given(procedures(), st.tuples(*[st.sampled_from([-1.0, 0.0, 1.0])] * 5), st.floats(0, 1))
def test_a_straight_return_stays_in_the_heat_input_window(wps: Wps, corner: Values, share: float) -> None:
    """A follower without advice returns in proportion; the reserve covers the bulge on that line."""
    envelope = Envelope(wps)
    ends = zip(corner, envelope.low, envelope.high, strict=True)
    start = envelope.clamp(values(high if c > 0 else low if c < 0 else 0.0 for c, low, high in ends))
    assert_inside(wps, values(share * d for d in start))


def test_the_reserve_is_needed_where_voltage_and_wire_pull_apart() -> None:
    """Voltage up and wire down at the upper end of the window: half way back the product is above both ends."""
    envelope = Envelope(
        lap(
            voltage_v={"nominal": 20.0, "min": 20.0, "max": 26.0, "max_rate_per_s": 4.0},
            wire_feed_speed_m_s={"nominal": 0.075, "min": 0.055, "max": 0.09, "max_rate_per_s": 0.03},
            current_a={"nominal": 180.0, "min": 130.0, "max": 215.0, "max_rate_per_s": 80.0},
            heat_input_j_m={"min": 300e3, "max": 370e3},
        )
    )
    start = envelope.clamp(values((0.0, 6.0, -0.018, 0.0, 0.0)))
    ends = max(envelope.heat_input_j_m(start), envelope.heat_input_j_m(ZERO))
    assert envelope.heat_input_j_m(values(0.5 * d for d in start)) > ends
    assert_inside(envelope.wps, values(0.5 * d for d in start))


def test_a_step_of_no_time_or_impossible_time_moves_nothing() -> None:
    envelope = Envelope(lap())
    for elapsed in (0.0, -1.0, math.nan, math.inf):
        assert envelope.advance(ZERO, envelope.high, elapsed) == ZERO


def test_the_heat_input_window_holds_back_what_each_limit_alone_would_allow() -> None:
    envelope = Envelope(lap())
    hottest = values((0.0, envelope.high[1], envelope.high[2], envelope.low[3], 0.0))
    assert envelope.outside(hottest) == () and not envelope.contains(hottest)
    assert envelope.heat_input_j_m(envelope.clamp(hottest)) == pytest.approx(470e3 * 0.98, rel=1e-6)


def test_the_wire_feed_may_not_take_the_current_out_of_its_range() -> None:
    envelope = Envelope(lap(current_a={"nominal": 180.0, "min": 171.0, "max": 189.0, "max_rate_per_s": 50.0}))
    assert envelope.high[Parameter.WIRE_FEED_SPEED] == pytest.approx(0.05 * 0.075)
    assert envelope.low[Parameter.WIRE_FEED_SPEED] == pytest.approx(-0.05 * 0.075)


def test_two_parameters_make_room_for_each_other_in_a_narrow_window() -> None:
    """Hotter arc and faster travel together keep the heat input; one after the other neither could move far."""
    wps = lap(heat_input_j_m={"min": 340e3, "max": 380e3})
    envelope = Envelope(wps)
    target = envelope.clamp(values((0.0, 2.0, 0.0, 0.0008, 0.0)))
    now = ZERO
    for _ in range(200):
        now = envelope.advance(now, target, 0.01)
    assert now == pytest.approx(target)
