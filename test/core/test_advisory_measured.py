"""Measured: what measured telemetry says of the cause."""

from __future__ import annotations

import math

import numpy as np
import pytest
from advised_weld import LAP, MORE_WIRE, Weld, moved, telemetry

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.measured import LEAST_DEVIATION, collect
from msstan_core.advisory.parameters import PARAMETERS, Parameter
from msstan_core.observation import TelemetryWindow


def test_the_median_of_the_newest_telemetry_counts_and_nan_means_unmeasured() -> None:
    stamps = np.arange(100, dtype=np.int64) * 10_000_000
    rows = np.full((100, 5), np.nan, np.float32)
    rows[:, 0] = np.where(np.arange(100) < 60, 100.0, 200.0)
    rows[95:, 3] = 0.01
    evidence = collect(TelemetryWindow(stamps, rows), 0.3, Envelope(LAP).nominal, Envelope(LAP).nominal)
    assert evidence.measured[Parameter.CURRENT] == pytest.approx(200.0)
    assert evidence.measured[Parameter.TRAVEL_SPEED] == pytest.approx(0.01)
    assert math.isnan(evidence.measured[Parameter.VOLTAGE]) and math.isnan(evidence.measured[Parameter.STICK_OUT])
    nothing = collect(None, 0.3, Envelope(LAP).nominal, Envelope(LAP).nominal)
    assert all(math.isnan(v) for v in nothing.measured) and nothing.arc_holds
    assert set(LEAST_DEVIATION) == set(PARAMETERS)


def broken(window: TelemetryWindow, share: float) -> TelemetryWindow:
    """The arc is out in the newest part of the rows."""
    rows = window.values.copy()
    first = round(len(rows) - share * 25)
    rows[first:, 0], rows[first:, 1] = 0.0, 38.0
    return TelemetryWindow(window.stamps_ns, rows)


def test_a_moments_arc_break_is_no_long_arc() -> None:
    advice = Weld().run(0.1, 402, window=broken(telemetry(wire_feed_speed_m_s=0.05), 0.2))[0]
    assert moved(advice) == MORE_WIRE


def test_an_arc_that_keeps_breaking_gets_no_advice_but_against_burn_through() -> None:
    window = broken(telemetry(), 0.6)
    assert Weld().run(1.0, 402, 501, 602, window=window) == []
    assert Weld().run(1.0, 510, window=window)
