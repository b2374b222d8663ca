"""Phases of a weld as its current shows them."""

from __future__ import annotations

import numpy as np
import pytest

from msstan_core.recordings.phases import find_phases, label_phases
from msstan_core.vocabulary import Action


def test_current_that_never_settles_starts_after_a_second() -> None:
    times = np.arange(0, 10, 0.1)
    current = np.where((times > 2) & (times < 8), np.where(np.arange(100) % 2, 300.0, 100.0), 0.0)
    phases = find_phases(times, current)
    assert phases is not None
    assert phases.settled_s == pytest.approx(phases.start_s + 1.0)


def test_short_breaks_stay_deposition_and_long_ones_are_unlabelled() -> None:
    times = np.arange(0, 30, 0.1)
    current = np.where((times > 5) & (times < 25), 200.0, 0.0)
    current[(times > 10) & (times < 11.5)] = 0.0
    current[(times > 15) & (times < 18)] = 0.0
    phases = find_phases(times, current)
    assert phases is not None
    labels = label_phases(phases, 30.0, "telemetry")
    deposition = [(a.start_s, a.end_s) for a in labels if a.action is Action.MATERIAL_DEPOSITION]
    assert len(deposition) == 2
    assert deposition[0][1] == pytest.approx(15.0, abs=0.11)
    assert deposition[1][0] == pytest.approx(18.0, abs=0.11)
