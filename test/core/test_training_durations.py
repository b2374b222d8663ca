"""How long actions last, as far as recordings show it."""

from __future__ import annotations

import pytest
from training_examples import fake

from msstan_core.training.durations import MOST_STAGES, fit_durations
from msstan_core.vocabulary import ACTIONS, Action


def test_durations_leave_out_stays_that_the_recording_cuts_off() -> None:
    idle, deposition = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)
    data = [fake("a", labels=[idle] * 10 + [deposition] * 40), fake("b", labels=[idle] * 20 + [deposition] * 20)]
    durations, _ = fit_durations(data)
    assert durations["IDLE"] == pytest.approx(1.5)
    assert durations["MATERIAL_DEPOSITION"] == pytest.approx(3.9 + 1.9, abs=0.1), "no stay was completed: a lower bound"


def test_the_edge_of_a_label_is_no_end_of_an_action() -> None:
    deposition, nothing = ACTIONS.index(Action.MATERIAL_DEPOSITION), -1
    partly = [fake("a", labels=[nothing] * 50 + [deposition] * 10 + [nothing] * 50) for _ in range(6)]
    means, stages = fit_durations(partly)
    assert means["MATERIAL_DEPOSITION"] == pytest.approx(6.0, abs=0.1) and stages["MATERIAL_DEPOSITION"] == 1
    idle = ACTIONS.index(Action.IDLE)
    whole = [fake("a", labels=[idle] * 10 + [deposition] * 10 + [idle] * 10) for _ in range(6)]
    assert fit_durations(whole)[0]["MATERIAL_DEPOSITION"] == pytest.approx(1.0, abs=0.05)


def test_stages_follow_the_shortest_stays_seen_whole() -> None:
    idle, initiation, cooling = (ACTIONS.index(a) for a in (Action.IDLE, Action.ARC_INITIATION, Action.COOLING))
    steady = [fake("a", labels=[idle] * 10 + [initiation] * 20 + [cooling] * 20) for _ in range(8)]
    assert fit_durations(steady)[1] == {"IDLE": 1, "ARC_INITIATION": MOST_STAGES, "COOLING": 1}
    lengths = (2, 8, 14, 20, 26, 32)  # a tenth below 5 of 17: 25 % by one stage, 12 % by two, 6 % by three
    spread = [fake("a", labels=[idle] * 10 + [initiation] * n + [cooling] * (40 - n)) for n in lengths]
    assert fit_durations(spread)[1]["ARC_INITIATION"] == 3
    assert fit_durations(spread[:3])[1]["ARC_INITIATION"] == 1, "three stays say nothing of a spread"


def test_a_hole_of_the_recording_is_no_time_of_an_action() -> None:
    idle, deposition = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)
    recording = fake("a", labels=[idle] * 10 + [deposition] * 40)
    recording.features.time_s[30:] += 3000.0
    means, _ = fit_durations([recording])
    assert means["MATERIAL_DEPOSITION"] == pytest.approx(1.9 + 1.9, abs=0.1) and means["IDLE"] == pytest.approx(1.0)
