"""Scores of the comparison, against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched_welds import PHASES, TICKS, WELDS

from msstan_core.peers.peer import OUTPUTS
from msstan_core.studies.peer_scores import Reference, event_f1, pace_ticks, paced, score
from msstan_core.vocabulary import ACTIONS, Action


def test_perfect_answers_score_one() -> None:
    recordings = [w.recording for w in WELDS]
    known = Reference.of(recordings, 0.5)
    logits = []
    for recording in recordings:
        out = np.full((TICKS, OUTPUTS), -20.0, np.float32)
        out[np.arange(TICKS), recording.features.action] = 20
        out[:, len(ACTIONS) :] = np.where(recording.features.imperfection > 0, 20, -20)
        logits.append(out)
    figures = score(recordings, logits, known)
    for name in ("accuracy", "macro_f1", "action_map", "event_f1", "imperfection_map", "imperfection_f1"):
        assert figures[name] == 1.0, name
    assert figures["ece"] < 1e-3


def test_flicker_costs_events_but_hardly_accuracy() -> None:
    truth = np.repeat(PHASES, 30)
    flickering = truth.copy()
    flickering[5::10] = ACTIONS.index(Action.CRATER_FILL)
    assert (flickering == truth).mean() == 0.9
    assert event_f1([truth], [truth]) == 1.0
    assert event_f1([truth], [flickering]) < 0.2


def test_half_a_segment_counts_and_less_does_not() -> None:
    truth = np.array([0] * 10 + [1] * 10)
    assert event_f1([truth], [np.array([0] * 10 + [1] * 5 + [2] * 5)]) == pytest.approx(2 * 2 / 5)
    assert event_f1([truth], [np.array([0] * 10 + [1] * 4 + [2] * 6)]) == pytest.approx(2 * 1 / 5)


@given(st.integers(1, 60), st.integers(1, 20))
def test_slow_update_is_late_by_its_own_time_and_never_early(ticks: int, pace: int) -> None:
    said = paced(np.arange(1, ticks + 1, dtype=np.float32)[:, None], pace)[:, 0]
    age = np.arange(1, ticks + 1) - said
    if pace == 1:
        assert not age.any()
    else:
        assert not said[:pace].any(), "the first update is still being computed"
        assert (age[pace:] >= pace).all()
        assert (age[pace:] < 2 * pace).all()


def test_pace_is_the_update_in_ticks_of_the_recording() -> None:
    recordings = [WELDS[0].recording]
    assert [pace_ticks(recordings, ms) for ms in (5.0, 39.0, 41.0, 1190.0)] == [1, 1, 2, 30]
