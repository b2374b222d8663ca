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


def test_ends_of_the_arc_that_no_row_shows_get_no_label() -> None:
    times = np.arange(0, 20, 0.1)
    current = np.where((times > 5) & (times < 15), 200.0, 0.0)
    silent = (times > 13) & (times < 17)  # the arc went out meanwhile
    phases = find_phases(times[~silent], current[~silent])
    assert phases is not None and phases.unseen == "extinction"
    found = {a.label: (a.start_s, a.end_s) for a in label_phases(phases, 20.0, "telemetry")}
    assert set(found) == {"IDLE", "ARC_INITIATION", "MATERIAL_DEPOSITION", "COOLING"}
    assert found["COOLING"][0] == pytest.approx(17.0) and found["MATERIAL_DEPOSITION"][1] < 13.0
    silent = (times > 4) & (times < 7)
    phases = find_phases(times[~silent], current[~silent])
    assert phases is not None and phases.unseen == "ignition"
    found = {a.label: (a.start_s, a.end_s) for a in label_phases(phases, 20.0, "telemetry")}
    assert found["IDLE"][1] == pytest.approx(4.0) and "ARC_INITIATION" not in found
    slow = find_phases(times[::10], current[::10])
    assert slow is not None and not slow.unseen, "a row a second is this welder's pace"
    inside = find_phases(times[60:140], current[60:140])
    assert inside is not None and inside.unseen == "ignition and extinction"
