"""Telemetry relative to what it was some seconds ago, and the timers beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.observation import NANOSECONDS_PER_SECOND, TELEMETRY_CHANNELS, TelemetryWindow
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.process_history import HISTORY_COUNT, LAGS_S, ProcessHistory
from msstan_core.preprocessing.process_quantities import LARGEST, LONGEST_GAP_S, QUANTITIES, quantities
from msstan_core.preprocessing.telemetry_features import FEATURE_COUNT
from msstan_core.vocabulary import Process

STEADY = (180.0, 22.0, 0.12, 0.008, 15.0)
OUT = (0.0, 0.0, 0.0, 0.0, 15.0)
TRAVEL = TELEMETRY_CHANNELS.index("travel_speed_m_s")
BURNING, OFF, TRAVELLING, STANDING, BURNT = range(len(LAGS_S) * QUANTITIES, HISTORY_COUNT)


def followed(history: ProcessHistory, rows: list[tuple[float, ...]], begin_s: float = 0.0, step_s: float = 0.1):
    for index, row in enumerate(rows):
        window = TelemetryWindow(np.zeros(1, np.int64), np.array([row], np.float32))
        stamp_ns = round((begin_s + index * step_s) * NANOSECONDS_PER_SECOND)
        last = history.update(stamp_ns, window, quantities(window, Process.GMAW))
    return last


def ratios(last: np.ndarray) -> np.ndarray:
    """[lags, quantities]"""
    return last[: len(LAGS_S) * QUANTITIES].reshape(len(LAGS_S), QUANTITIES)


def seconds(value: float) -> float:
    return float(np.expm1(3.0 * value))


def test_what_stays_the_same_has_no_ratios_and_counts_its_seconds() -> None:
    last = followed(ProcessHistory(), [STEADY] * 101)
    assert ratios(last) == pytest.approx(np.zeros((len(LAGS_S), QUANTITIES)), abs=1e-6)
    assert seconds(last[BURNING]) == pytest.approx(10.0, abs=1e-3)
    assert seconds(last[TRAVELLING]) == pytest.approx(10.0, abs=1e-3)
    assert (last[OFF], last[STANDING], last[BURNT]) == (0.0, 0.0, 1.0)


def test_a_step_of_the_current_shows_over_every_lag_that_reaches_behind_it() -> None:
    history = ProcessHistory()
    followed(history, [STEADY] * 80)
    raised = (1.2 * STEADY[0], *STEADY[1:])
    last = ratios(followed(history, [raised] * 11, begin_s=8.0))  # a second ago
    reaches = np.array(LAGS_S) > 1.0
    assert last[reaches, 0] == pytest.approx(np.log(1.2), abs=1e-5)
    assert last[~reaches, 0] == pytest.approx(0.0, abs=1e-5)
    assert last[:, TRAVEL] == pytest.approx(0.0, abs=1e-5)


def test_before_there_is_a_past_the_oldest_stands_for_it() -> None:
    last = ratios(followed(ProcessHistory(), [STEADY, STEADY, (2 * STEADY[0], *STEADY[1:])]))
    assert last[:, 0] == pytest.approx(np.log(2.0), abs=1e-5)


def test_an_arc_that_goes_out_falls_to_the_floor_and_starts_the_other_timer() -> None:
    history = ProcessHistory()
    followed(history, [STEADY] * 50)
    last = followed(history, [OUT] * 20, begin_s=5.0)
    assert ratios(last)[-1, 0] == -LARGEST
    assert last[BURNING] == 0.0
    assert seconds(last[OFF]) == pytest.approx(2.0, abs=1e-3)
    assert seconds(last[STANDING]) == pytest.approx(2.0, abs=1e-3)
    assert last[BURNT] == 1.0


@pytest.mark.parametrize(("break_ticks", "expected_s"), [(2, 6.0), (9, 1.0)])
def test_a_short_break_of_the_arc_is_not_its_end(break_ticks: int, expected_s: float) -> None:
    history = ProcessHistory()
    followed(history, [STEADY] * 51 + [OUT] * break_ticks)
    last = followed(history, [STEADY] * 10, begin_s=5.1 + 0.1 * break_ticks)
    assert seconds(last[BURNING]) == pytest.approx(expected_s, abs=0.05)


def test_a_cell_that_never_struck_an_arc_says_so() -> None:
    last = followed(ProcessHistory(), [OUT] * 30)
    assert (last[BURNT], last[OFF], last[BURNING]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("begin_s", [1.0, 107.0 + LONGEST_GAP_S])
def test_time_that_jumps_back_or_far_ahead_starts_over(begin_s: float) -> None:
    history = ProcessHistory()
    followed(history, [STEADY] * 40, begin_s=100.0)
    last = followed(history, [OUT], begin_s=begin_s)
    assert not ratios(last).any()
    assert last[BURNT] == 0.0


def test_a_channel_that_is_not_measured_has_no_ratio() -> None:
    nan = float("nan")
    history = ProcessHistory()
    followed(history, [(nan, nan, 0.0, 0.03, 15.0)] * 40)
    last = followed(history, [(nan, nan, 0.0, 0.06, 15.0)], begin_s=4.0)
    assert ratios(last)[:, TRAVEL] == pytest.approx(np.log(2.0), abs=1e-5)
    assert not ratios(last)[:, 0].any()
    assert seconds(last[BURNING]) == pytest.approx(4.0, abs=1e-3)


@given(
    st.lists(
        st.tuples(
            st.floats(-2.0, 12.0),
            *[st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6, width=32)) for _ in TELEMETRY_CHANNELS],
        ),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_the_welder_reports_and_however_time_goes_it_is_finite_and_bounded(
    ticks: list[tuple[float, ...]],
) -> None:
    history, time_s = ProcessHistory(), 100.0
    for step_s, *row in ticks:
        time_s += step_s
        last = followed(history, [tuple(row)], begin_s=time_s)
        assert last.shape == (HISTORY_COUNT,)
        assert np.isfinite(last).all()
        assert np.abs(last).max() <= LARGEST


def test_models_of_before_read_telemetry_without_history() -> None:
    assert InputSpec().telemetry_count == FEATURE_COUNT
    assert InputSpec(telemetry_history=True).telemetry_count == FEATURE_COUNT + HISTORY_COUNT
