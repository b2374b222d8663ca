"""Scores of phases and their boundaries, against hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from msstan_core.training.metrics import boundary_errors, macro_f1, phase_macro_f1, shifted_phase_macro_f1
from msstan_core.vocabulary import ACTIONS, Action


def test_macro_f1_against_a_hand_computed_case() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    assert macro_f1(labels, predicted, 3) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_constant_delay_is_found_and_does_not_count_against_the_score() -> None:
    idle, deposition = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)
    time_s = np.arange(100) * 0.05
    labels = np.where((time_s >= 1) & (time_s < 3), deposition, idle)
    late = np.where((time_s >= 1.4) & (time_s < 3.4), deposition, idle)
    score, shift_s = shifted_phase_macro_f1(time_s, labels, late)
    assert (score, shift_s) == (1.0, pytest.approx(0.4))
    assert phase_macro_f1(labels, late) < 0.9
    longer = np.where((time_s >= 1) & (time_s < 4), deposition, idle)
    assert shifted_phase_macro_f1(time_s, labels, longer)[0] < 0.9, "a wrong length is no shift"


def test_extinction_counts_as_deposition_in_phases() -> None:
    deposition, extinction = ACTIONS.index(Action.MATERIAL_DEPOSITION), ACTIONS.index(Action.ARC_EXTINCTION)
    assert phase_macro_f1(np.array([deposition, extinction]), np.array([extinction, deposition])) == 1.0


def test_boundary_errors_are_predicted_minus_true() -> None:
    idle, start, deposition, cooling = (
        ACTIONS.index(a) for a in (Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING)
    )
    true = np.array([idle] * 10 + [start] * 5 + [deposition] * 20 + [cooling] * 10)
    found = np.array([idle] * 12 + [start] * 5 + [deposition] * 21 + [cooling] * 7)
    errors = boundary_errors(np.arange(45) * 0.1, true, found)
    assert (errors.arc_on_s, errors.stable_s, errors.arc_off_s) == pytest.approx((0.2, 0.2, 0.3))


def test_a_recording_without_a_phase_has_no_score() -> None:
    fill = np.full(20, ACTIONS.index(Action.CRATER_FILL))
    score, shift_s = shifted_phase_macro_f1(np.arange(20) * 0.1, fill, fill)
    assert np.isnan(score) and shift_s == 0.0
