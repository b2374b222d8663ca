"""The gate when the monitor falls silent, sick or false, is restarted or has a rival."""

from __future__ import annotations

import math

import pytest
from gate_cell import NAN, RETURN_S, Cell, advised, returns

from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.monitor_watch import BeatRefusal
from msstan_core.advisory.parameters import ZERO
from msstan_core.advisory.refusals import Refusal


def test_a_silent_monitor_leads_back_even_if_its_advice_goes_on() -> None:
    cell = advised()
    cell.run(0.6, beating=False, advising=True)
    assert cell.output.reason == "the monitor is silent"
    returns(cell, RETURN_S, beating=False, advising=True)


def test_an_unhealthy_monitor_leads_back_at_once_and_its_complaint_is_passed_on() -> None:
    cell = advised()
    cell.usable = False
    cell.beat()
    output = cell.run(0.02)
    assert output.state is GateState.RETURNING and "no sensor delivers" in output.reason
    assert cell.advise() is Refusal.UNHEALTHY
    returns(cell, RETURN_S, advising=True)


def test_a_delayed_monitor_is_followed_no_longer_than_its_samples_are_fresh() -> None:
    cell = advised()
    for _ in range(30):
        cell.run(0.1)
        refusal = cell.advise(stamp_ns=cell.now_ns - 800_000_000, valid_until_ns=cell.now_ns - 200_000_000)
        assert refusal in (Refusal.EXPIRED, Refusal.OLDER_STAMP)
    assert cell.output.deltas == ZERO


def test_a_lying_monitor_is_latched_and_stays_so_until_reset() -> None:
    cell = advised()
    for _ in range(5):
        cell.advise(deltas=(NAN, math.inf, NAN, NAN, NAN))
    assert cell.gate.latched
    assert cell.advise() is Refusal.LATCHED
    cell.run(0.1, advising=True)
    assert cell.output.state is GateState.LATCHED and "no possible number" in cell.output.reason
    returns(cell, RETURN_S, advising=True)
    cell.run(60.0, advising=True)
    assert cell.output.state is GateState.LATCHED, "time alone does not open it"
    cell.gate.reset()
    assert cell.run(0.1).state is GateState.PROGRAMMED, "what was advised before does not come back"
    cell.run(0.5, advising=True)
    assert cell.output.state is GateState.ADVISING


def test_violations_far_apart_do_not_latch() -> None:
    cell = Cell(violations_to_latch=3, forgive_violation_s=1.0)
    for _ in range(10):
        cell.beat()
        assert cell.advise(cause_iso_code=1) is Refusal.UNKNOWN_CAUSE
        cell.run(2.0)
    assert not cell.gate.latched


def test_always_asking_for_more_than_allowed_latches() -> None:
    cell = Cell()
    cell.beat()
    for _ in range(5):
        cell.advise(deltas=(NAN, 50.0, NAN, NAN, NAN))
    assert "more than the procedure allows" in cell.gate.latched


def test_a_second_monitor_is_not_heard_while_the_first_one_lives() -> None:
    cell = advised()
    cell.beat(session_id="intruder", sequence_id=0)
    assert cell.gate.session_id == "monitor" and cell.gate.refused_heartbeats == {BeatRefusal.OTHER_MONITOR: 1}
    assert cell.advise(session_id="intruder") is Refusal.FOREIGN_SESSION
    assert cell.run(0.1, advising=True).state is GateState.ADVISING


def test_a_restarted_monitor_is_heard_after_the_old_one_has_been_silent() -> None:
    cell = advised()
    returns(cell, 0.6 + RETURN_S, beating=False)
    cell.session, cell.beats, cell.sequence = "monitor again", 0, 0
    cell.beat()
    assert cell.advise() is None
    cell.run(0.6, beating=False)
    cell.beat(session_id="monitor", sequence_id=3)
    assert cell.gate.session_id == "monitor again", "what a session said before it ended does not bring it back"
    assert cell.gate.refused_heartbeats == {BeatRefusal.ENDED: 1}


def test_a_second_monitor_is_said_for_as_long_as_it_speaks() -> None:
    cell = advised()
    assert cell.gate.foreign_session == ""
    cell.beat(session_id="intruder", sequence_id=0)
    cell.run(0.9, advising=True)
    assert cell.gate.foreign_session == "intruder" and not cell.gate.objection
    cell.run(0.2, advising=True)
    assert cell.gate.foreign_session == ""


def test_a_monitor_that_stalled_while_another_one_spoke_is_heard_once_that_has_ended() -> None:
    cell = advised()
    stalled, last_advice = cell.beats, cell.sequence - 1
    returns(cell, 0.6 + RETURN_S, beating=False)
    cell.beat(session_id="other", sequence_id=0)
    assert cell.gate.session_id == "other"
    cell.beat(session_id="monitor", sequence_id=stalled + 5)
    assert cell.gate.session_id == "other", "the other one lives"
    cell.run(0.6, beating=False)
    cell.beat(session_id="monitor", sequence_id=stalled + 6)
    assert cell.gate.session_id == "monitor"
    assert cell.advise(sequence_id=last_advice) is Refusal.NOT_NEWER, "its numbers go on"
    assert cell.advise(sequence_id=last_advice + 1) is None


@pytest.mark.parametrize("age_s", [0.7, 60.0, -0.5])
def test_a_heartbeat_that_was_held_up_or_bears_another_clocks_time_is_no_sign_of_life(age_s: float) -> None:
    cell = advised()
    for _ in range(20):
        cell.run(0.1, beating=False)
        cell.beat(stamp_ns=cell.now_ns - round(age_s * 1e9))
        cell.advise()
    assert cell.output.deltas == ZERO
    assert "heartbeat is stamped" in cell.output.reason


def test_a_replayed_heartbeat_keeps_nobody_alive() -> None:
    cell = advised()
    for _ in range(20):
        cell.run(0.1, beating=False)
        cell.beat(sequence_id=3)
    assert cell.output.deltas == ZERO
    assert "silent" in cell.output.reason


def test_a_changed_model_voids_what_the_old_one_advised() -> None:
    cell = advised()
    cell.revision = 2
    cell.beat()
    assert cell.run(0.02).state is GateState.RETURNING
    assert cell.advise() is None
