"""Telemetry relative to the weld's own beginning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.observation import NANOSECONDS_PER_SECOND, TELEMETRY_CHANNELS, TelemetryWindow
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.process_drift import DRIFT_COUNT, ProcessDrift
from msstan_core.preprocessing.process_quantities import LARGEST, QUANTITIES, quantities
from msstan_core.preprocessing.telemetry_features import FEATURE_COUNT
from msstan_core.vocabulary import Process

STEADY = (180.0, 22.0, 0.12, 0.008, 15.0)
TRAVEL = TELEMETRY_CHANNELS.index("travel_speed_m_s")
HEAT_INPUT = QUANTITIES - 1


def window(*row: float) -> TelemetryWindow:
    return TelemetryWindow(np.zeros(1, np.int64), np.array([row], np.float32))


def followed(drift: ProcessDrift, rows: list[tuple[float, ...]], begin_s: float = 0.0, step_s: float = 0.1):
    for index, row in enumerate(rows):
        stamp_ns = round((begin_s + index * step_s) * NANOSECONDS_PER_SECOND)
        last = drift.update(stamp_ns, window(*row), quantities(window(*row), Process.GMAW))
    return last


def test_a_weld_that_stays_as_it_began_has_not_drifted() -> None:
    last = followed(ProcessDrift(), [STEADY] * 60)
    assert last == pytest.approx([0.0] * (2 * QUANTITIES) + [1.0, 1.0], abs=1e-5)


def test_twice_the_travel_speed_reads_as_log_two_and_half_the_heat_input() -> None:
    drift = ProcessDrift()
    followed(drift, [STEADY] * 40)
    faster = (*STEADY[:TRAVEL], 2 * STEADY[TRAVEL], STEADY[-1])
    last = followed(drift, [faster], begin_s=4.0)
    assert last[TRAVEL] == pytest.approx(np.log(2.0), abs=1e-5)
    assert last[HEAT_INPUT] == pytest.approx(-np.log(2.0), abs=1e-5)
    assert last[0] == pytest.approx(0.0, abs=1e-5)


def test_the_beginning_stays_the_reference_while_the_running_mean_follows() -> None:
    drift = ProcessDrift()
    followed(drift, [STEADY] * 30)
    faster = (*STEADY[:TRAVEL], 2 * STEADY[TRAVEL], STEADY[-1])
    last = followed(drift, [faster] * 100, begin_s=3.0)
    assert last[TRAVEL] == pytest.approx(np.log(2.0), abs=1e-5)
    assert 0.0 < last[QUANTITIES + TRAVEL] < 0.3 * np.log(2.0)


def test_nothing_is_said_before_the_arc_is_stable_or_when_it_is_out() -> None:
    drift = ProcessDrift()
    assert not followed(drift, [STEADY] * 9).any()
    assert not followed(drift, [(0.0, 60.0, 0.0, 0.0, 15.0)], begin_s=5.0).any()


def test_another_weld_has_its_own_beginning_and_a_short_gap_does_not() -> None:
    hotter = (2 * STEADY[0], *STEADY[1:])
    out = (0.0, *STEADY[1:])
    for gap_ticks, expected in ((5, np.log(2.0)), (25, 0.0)):
        drift = ProcessDrift()
        followed(drift, [STEADY] * 30 + [out] * gap_ticks)
        last = followed(drift, [hotter] * 40, begin_s=3.0 + 0.1 * gap_ticks)
        assert last[0] == pytest.approx(expected, abs=1e-4)


def test_time_that_jumps_back_starts_over() -> None:
    drift = ProcessDrift()
    followed(drift, [STEADY] * 40, begin_s=100.0)
    assert not followed(drift, [STEADY], begin_s=1.0).any()


def test_a_laser_without_current_is_followed_by_its_travel() -> None:
    nan = float("nan")
    drift = ProcessDrift()
    followed(drift, [(nan, nan, 0.0, 0.03, 15.0)] * 40)
    last = followed(drift, [(nan, nan, 0.0, 0.06, 15.0)], begin_s=4.0)
    assert last[TRAVEL] == pytest.approx(np.log(2.0), abs=1e-5)
    assert last[0] == 0.0


@given(
    st.lists(
        st.tuples(*[st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6, width=32)) for _ in TELEMETRY_CHANNELS]),
        min_size=1,
        max_size=40,
    )
)
def test_whatever_the_welder_reports_the_drift_is_finite_and_bounded(rows: list[tuple[float, ...]]) -> None:
    last = followed(ProcessDrift(), rows, step_s=0.3)
    assert last.shape == (DRIFT_COUNT,)
    assert np.isfinite(last).all()
    assert np.abs(last).max() <= LARGEST


def test_models_of_before_read_telemetry_without_drift() -> None:
    assert InputSpec().telemetry_count == FEATURE_COUNT
    assert InputSpec(telemetry_drift=True).telemetry_count == FEATURE_COUNT + DRIFT_COUNT
