"""Temperatures and their change, from thermal images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.preprocessing.thermal_statistics import (
    FLICKER_SCALE_C,
    ISOTHERM_WIDTH_C,
    ISOTHERMS_C,
    LEAST_FRAMES,
    SLOPE_SCALE_C_S,
    STATISTICS_COUNT,
    ThermalStatistics,
)

PERIOD_NS = 40_000_000


def plate(hottest_c: float) -> np.ndarray:
    """[20, 20] degC: one tenth of the view at ``hottest_c``, the rest at 20."""
    image = np.full((20, 20), 20.0, np.float32)
    image[:2] = hottest_c
    return image


def after(hottest: list[float]) -> np.ndarray:
    statistics = ThermalStatistics()
    return [statistics.update(i * PERIOD_NS, plate(h)) for i, h in enumerate(hottest)][-1]


def test_levels_and_isotherm_shares_against_hand_computed_values() -> None:
    s = after([1300.0])
    assert s.shape == (STATISTICS_COUNT,)
    assert s[:4] == pytest.approx([1.3, 1.3, (0.1 * 1300 + 0.9 * 20) / 1000, 0.02])
    assert s[4 : 4 + len(ISOTHERMS_C)] == pytest.approx([0.1 if level < 1300 else 0.0 for level in ISOTHERMS_C])
    assert (s[4 + len(ISOTHERMS_C) :] == 0).all(), "one frame tells no change"


def test_cooling_is_a_slope_and_an_arc_is_flicker() -> None:
    change = slice(4 + len(ISOTHERMS_C), None)
    cooling = after([1200.0 - 10.0 * i for i in range(10)])[change]  # 250 degC/s
    assert cooling[0] == pytest.approx(-250.0 / SLOPE_SCALE_C_S)
    assert cooling[3] == pytest.approx(10.0 / FLICKER_SCALE_C)
    arc = after([1500.0 + 200.0 * (i % 2) for i in range(11)])[change]
    assert arc[0] == pytest.approx(0.0)
    assert arc[3] == pytest.approx(200.0 / FLICKER_SCALE_C)
    assert cooling[-1] == arc[-1] == 1.0


def test_the_same_frame_again_changes_nothing() -> None:
    """A camera clock of 30 Hz meets each thermal frame of 25 Hz more than once."""
    once, twice = ThermalStatistics(), ThermalStatistics()
    for i in range(8):
        a = once.update(i * PERIOD_NS, plate(900.0 + 7 * i))
        twice.update(i * PERIOD_NS, plate(900.0 + 7 * i))
        b = twice.update(i * PERIOD_NS, plate(900.0 + 7 * i))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("jump_ns", [-10 * PERIOD_NS, 100 * PERIOD_NS])
def test_a_jump_of_time_forgets_the_past(jump_ns: int) -> None:
    statistics = ThermalStatistics()
    for i in range(20):
        statistics.update(i * PERIOD_NS, plate(1000.0))
    s = statistics.update(20 * PERIOD_NS + jump_ns, plate(20.0))
    assert s[-1] == 0.0
    assert LEAST_FRAMES > 1


def test_noise_of_any_size_stays_bounded() -> None:
    assert np.abs(after([20.0, 1e6, -1e6, 1e6])).max() <= 5.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 3500, width=32), min_size=1, max_size=40))
def test_shares_inside_isotherms_have_soft_edges(celsius: list[float]) -> None:
    image = np.array(celsius, np.float32)[None]
    found = ThermalStatistics().update(0, image)[4 : 4 + len(ISOTHERMS_C)]
    expected = [np.clip((image - level) / ISOTHERM_WIDTH_C + 0.5, 0.0, 1.0).mean() for level in ISOTHERMS_C]
    np.testing.assert_allclose(found, expected, atol=1e-4)
