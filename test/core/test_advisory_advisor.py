"""The course of an advice: in the right amount, for the right time, and never outside the procedure."""

from __future__ import annotations

import itertools
import math

import pytest
from advised_weld import AS_SET, LAP, PERIOD_S, PROCEDURES, Weld, moved, telemetry
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.advisor import Advisor
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.parameters import PARAMETERS, Parameter
from msstan_core.advisory.wps import Wps
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.observation import TelemetryWindow
from msstan_core.vocabulary import ISO_CODES, Action


def test_a_remedy_grows_while_the_imperfection_lasts_up_to_the_limit_of_the_procedure() -> None:
    weld = Weld(first_share=0.5, growth_per_s=0.5)
    said = [advice.deltas[Parameter.VOLTAGE] for advice in weld.run(2.0, 506, window=None)]
    assert said[0] == pytest.approx(0.5 * 0.7 * 2.0)
    assert all(b >= a for a, b in itertools.pairwise(said))
    assert said[-1] == pytest.approx(0.7 * 2.0)


def test_a_measured_deviation_is_made_up_for_at_once() -> None:
    voltage = Weld().run(0.1, 506, window=telemetry(voltage_v=18.2))[0].deltas[Parameter.VOLTAGE]
    assert voltage == pytest.approx(1.8, abs=0.01)


def test_a_remedy_is_held_after_clearance_and_then_taken_back_until_zero_is_said_once() -> None:
    weld = Weld(hold_s=1.0, release_per_s=0.5)
    peak = weld.run(2.0, 402)[-1].deltas[Parameter.WIRE_FEED_SPEED]
    held = weld.run(0.9)
    assert {a.deltas[Parameter.WIRE_FEED_SPEED] for a in held} == {peak}
    assert held[0].reason.startswith("cleared, still held")
    released = [a.deltas[Parameter.WIRE_FEED_SPEED] for a in weld.run(3.0)]
    assert released[0] <= peak and released[-1] == 0.0 and released.count(0.0) == 1
    assert weld.run(2.0) == []


def test_a_cause_that_is_still_measured_keeps_the_remedy_but_not_for_ever() -> None:
    weld = Weld(hold_s=0.5, hold_while_measured_s=3.0)
    weld.run(1.0, 402, window=telemetry(wire_feed_speed_m_s=0.05))
    held = weld.run(2.5, window=telemetry(wire_feed_speed_m_s=0.06))
    assert held[-1].deltas[Parameter.WIRE_FEED_SPEED] == held[0].deltas[Parameter.WIRE_FEED_SPEED]
    assert weld.run(10.0, window=telemetry(wire_feed_speed_m_s=0.06))[-1].deltas[Parameter.WIRE_FEED_SPEED] == 0.0


def test_the_opposite_imperfection_takes_the_remedy_back_before_it_adds_its_own() -> None:
    weld = Weld(growth_per_s=0.5)
    assert moved(weld.run(2.0, 402)[-1])["wire_feed_speed_m_s"] == +1
    first = weld.run(0.04, 502)[0]
    assert moved(first) == {}, "what was too little is now too much: perhaps zero is right"
    assert moved(weld.run(1.0, 502)[-1])["wire_feed_speed_m_s"] == -1


def test_burn_through_is_answered_at_once_whatever_was_advised_before() -> None:
    weld = Weld()
    assert moved(weld.run(1.0, 402, window=telemetry())[-1])["travel_speed_m_s"] == -1
    first = weld.run(0.04, 402, 510, window=telemetry())[0]
    alone = Weld().run(0.04, 510, window=telemetry())[0]
    assert first.cause_iso_code == 510 and first.deltas == alone.deltas


def test_an_opposite_cause_is_made_up_for_as_far_as_it_is_measured() -> None:
    weld = Weld(growth_per_s=0.0)
    assert weld.run(1.0, 506, window=telemetry(voltage_v=18.5))[-1].deltas[Parameter.VOLTAGE] == pytest.approx(1.5)
    after = [a.deltas[Parameter.VOLTAGE] for a in weld.run(1.0, 501, window=telemetry(voltage_v=22.5))]
    assert after[0] == pytest.approx(-20.0 * (22.5 / 21.5 - 1.0), abs=0.01), "beyond what was advised"
    assert after[-1] == pytest.approx(-2.0), "and then beyond the programme"


def factors(window: dict[str, float], advice: Advice | None) -> TelemetryWindow:
    """Telemetry of a robot that follows: every channel at a factor on what is advised."""
    deltas = {p.field: d for p, d in zip(PARAMETERS, advice.deltas, strict=True) if d == d} if advice else {}
    return telemetry(**{name: (AS_SET[name] + deltas.get(name, 0.0)) * factor for name, factor in window.items()})


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (504, {"wire_feed_speed_m_s": 1.12}),
        (602, {"voltage_v": 0.95, "wire_feed_speed_m_s": 0.9}),
        (602, {"voltage_v": 0.95}),
        (402, {"wire_feed_speed_m_s": 0.88}),
        (506, {"travel_speed_m_s": 0.88}),
    ],
)
def test_a_remedy_that_works_is_not_followed_by_its_opposite(code: int, fault: dict[str, float]) -> None:
    weld, turns = Weld(), 0
    everything = {name: fault.get(name, 1.0) for name in ("voltage_v", "wire_feed_speed_m_s", "travel_speed_m_s")}
    before: dict[str, int] = {}
    for _ in range(150):
        weld.run(PERIOD_S, code, window=factors(everything, weld.said[-1] if weld.said else None))
        now = moved(weld.said[-1]) if weld.said else {}
        turns += any(now[name] != before[name] for name in now.keys() & before.keys())
        before = {**before, **now}
    assert before and turns == 0


@pytest.mark.parametrize(
    "action", [a for a in Action if a not in (Action.MATERIAL_DEPOSITION, Action.HEAT_INPUT_ADJUSTMENT)]
)
def test_nothing_is_advised_unless_metal_is_deposited(action: Action) -> None:
    weld = Weld()
    assert weld.run(1.0, 402, 2011, action=action) == []
    weld.run(1.0, 402)
    end = weld.run(1.0, 402, action=action)
    assert len(end) == 1 and moved(end[0]) == {}


def test_without_a_procedure_there_is_no_advice_and_a_new_one_starts_afresh() -> None:
    weld = Weld(None)
    assert weld.run(1.0, 402) == []
    weld.wps = LAP
    assert weld.run(0.2, 402)
    weld.wps = None
    assert [moved(advice) for advice in weld.run(0.2, 402)] == [{}], "what was asked for is taken back"


@pytest.mark.parametrize("then", [None, *PROCEDURES], ids=lambda wps: "none" if wps is None else wps.id)
def test_zero_is_said_once_when_the_procedure_is_no_longer_in_force(then: Wps | None) -> None:
    weld = Weld()
    assert moved(weld.run(1.0, 510)[-1])
    if then is LAP:
        assert moved(weld.run(0.2, 510)[-1]), "it is still in force"
        return
    weld.wps = then
    said = weld.run(1.0)
    assert [moved(advice) for advice in said] == [{}]
    assert said[0].reason.startswith("nothing is suspected")
    assert weld.run(1.0) == []


def test_an_event_that_is_no_longer_heard_of_is_gone() -> None:
    weld = Weld(hold_s=0.2, release_per_s=10.0)
    weld.run(1.0, 402, phase=EventPhase.ONSET)
    weld.seen.clear()  # its clearance was lost
    assert weld.run(3.0)[-1].reason.startswith("nothing is suspected")


def test_confidence_is_the_highest_score_of_the_event() -> None:
    weld = Weld()
    weld.run(0.4, 402, score=0.9)
    assert weld.run(0.4, 402, score=0.4)[-1].confidence == pytest.approx(0.9)
    assert weld.run(0.4, 402, score=math.nan)[-1].confidence == pytest.approx(0.9)


def test_messages_are_thinned_but_a_new_cause_is_said_at_once() -> None:
    weld = Weld(period_s=0.2)
    assert len(weld.run(2.0, 402)) in (10, 11)
    assert weld.run(0.04, 510)[0].cause_iso_code == 510


def test_time_that_jumps_back_forgets_everything() -> None:
    weld = Weld()
    weld.run(1.0, 402)
    weld.now_ns -= 5 * 10**9
    assert weld.run(0.5) == []


def test_advice_that_the_robot_has_not_followed_yet_does_not_look_like_a_fault() -> None:
    """Slower is advised and the torch still travels as programmed: it is not too fast for that."""
    weld = Weld()
    assert moved(weld.run(0.2, 501, window=telemetry())[-1]) == {"travel_speed_m_s": -1, "voltage_v": -1}
    reason = weld.run(2.0, 501, window=telemetry())[-1].reason
    assert "faster than set" not in reason


def test_a_cause_that_shows_only_later_changes_the_remedy() -> None:
    weld = Weld()
    weld.run(0.2, 402, window=telemetry())
    assert "slips" not in weld.said[-1].reason and "runs slower" not in weld.said[-1].reason
    assert "runs slower" in weld.run(0.4, 402, window=telemetry(wire_feed_speed_m_s=0.05))[-1].reason
    both = telemetry(wire_feed_speed_m_s=0.05, travel_speed_m_s=0.016)
    assert "runs slower" in weld.run(0.4, 402, window=both)[-1].reason, "while it is measured it is stuck to"
    assert "travels faster" in weld.run(0.4, 402, window=telemetry(travel_speed_m_s=0.016))[-1].reason


TICKS = st.lists(
    st.tuples(
        st.sampled_from([0.02, 0.04, 0.5, 3.0, -1.0]),
        st.lists(st.sampled_from(ISO_CODES), max_size=3),
        st.sampled_from(EventPhase),
        st.one_of(st.floats(0, 1), st.just(math.nan)),
        st.sampled_from([Action.MATERIAL_DEPOSITION] * 3 + [Action.COOLING, Action.UNKNOWN]),
        st.fixed_dictionaries(
            {}, optional={name: st.floats(0.0, 2.0).map(lambda f, v=value: f * v) for name, value in AS_SET.items()}
        ),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PROCEDURES), TICKS)
def test_whatever_is_seen_the_advice_is_inside_the_procedure(wps: Wps, ticks: list) -> None:
    advisor, envelope, now_ns = Advisor(), Envelope(wps), 10**15
    for elapsed_s, codes, phase, score, action, measured in ticks:
        now_ns += round(elapsed_s * 1e9)
        events = [AnomalyEvent(c, phase, c, "", score, 0.5, math.nan, now_ns, now_ns) for c in codes]
        advice = advisor.update(now_ns, action, events, telemetry(**measured), wps)
        if advice is not None:
            known = tuple(0.0 if math.isnan(d) else d for d in advice.deltas)
            assert envelope.contains(known)  # type: ignore[arg-type]
            assert action is Action.MATERIAL_DEPOSITION or moved(advice) == {}
