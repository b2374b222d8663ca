"""From anomaly events to advice: the right remedy for its reason, in the right amount, for the right time."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.advisor import Advisor, AdvisorConfig
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.evidence import LEAST_DEVIATION, collect
from msstan_core.advisory.parameters import PARAMETERS, Parameter
from msstan_core.advisory.refusals import content_refusal
from msstan_core.advisory.remedies import resolved
from msstan_core.advisory.rules import NO_RULE, RULES, rule_for
from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps, parse_wps
from msstan_core.decision.result import AnomalyEvent, EventPhase
from msstan_core.observation import TelemetryWindow
from msstan_core.resources import share_path
from msstan_core.vocabulary import IMPERFECTIONS, ISO_CODES, Action

PROCEDURES = [load_wps(share_path(f"{WPS_FOLDER}/{wps_id}.yaml")) for wps_id in ProcedureBook().ids]
LAP = next(wps for wps in PROCEDURES if wps.id == "gmaw_steel_lap")
PERIOD_S = 0.04
AS_SET = {"current_a": 180.0, "voltage_v": 20.0, "wire_feed_speed_m_s": 0.075, "travel_speed_m_s": 0.008}


def telemetry(**measured: float) -> TelemetryWindow:
    row = [{**AS_SET, "gas_flow_l_min": 15.0, **measured}.get(c, math.nan) for c in ("current_a", "voltage_v")]
    row += [{**AS_SET, **measured}[c] for c in ("wire_feed_speed_m_s", "travel_speed_m_s")] + [15.0]
    stamps = np.arange(50, dtype=np.int64) * 20_000_000
    return TelemetryWindow(stamps, np.tile(np.array(row, np.float32), (50, 1)))


class Weld:
    """An advisor and the time it lives in."""

    def __init__(self, wps: Wps | None = LAP, **config: float) -> None:
        self.advisor = Advisor(AdvisorConfig(**config))  # type: ignore[arg-type]
        self.wps, self.now_ns = wps, 10**15
        self.said: list[Advice] = []
        self.seen: set[int] = set()

    def event(self, code: int, phase: EventPhase, score: float) -> AnomalyEvent:
        return AnomalyEvent(code + 1, phase, code, "", score, 0.5, math.nan, self.now_ns, self.now_ns)

    def run(
        self,
        seconds: float,
        *codes: int,
        action: Action = Action.MATERIAL_DEPOSITION,
        score: float = 0.8,
        window: TelemetryWindow | None = None,
        phase: EventPhase = EventPhase.ONGOING,
    ) -> list[Advice]:
        """Advice given meanwhile, with these imperfections seen at every tick and all others cleared."""
        before = len(self.said)
        cleared, self.seen = self.seen - set(codes), set(codes)
        for _ in range(round(seconds / PERIOD_S)):
            self.now_ns += round(PERIOD_S * 1e9)
            events = [self.event(code, phase, score) for code in codes]
            events += [self.event(code, EventPhase.CLEARED, 0.1) for code in cleared]
            cleared = set()
            advice = self.advisor.update(self.now_ns, action, events, window, self.wps)
            if advice is not None:
                self.said.append(advice)
        return self.said[before:]


def moved(advice: Advice) -> dict[str, int]:
    """Direction of every parameter that is advised to change."""
    return {p.field: int(math.copysign(1, d)) for p, d in zip(PARAMETERS, advice.deltas, strict=True) if d and d == d}


# -- the table --------------------------------------------------------------------------------------------------------


#: Directions in which the parameters go where the wire slips, and where the pool falls through.
MORE_WIRE = {"wire_feed_speed_m_s": +1, "stick_out_m": -1, "voltage_v": -1, "travel_speed_m_s": -1}
LESS_HEAT = {"travel_speed_m_s": +1, "wire_feed_speed_m_s": -1, "voltage_v": -1, "stick_out_m": +1}
LESS_METAL = {"travel_speed_m_s": +1, "wire_feed_speed_m_s": -1, "voltage_v": +1}


def test_every_known_imperfection_has_a_rule_or_a_reason_for_none() -> None:
    assert {rule.iso_code for rule in RULES} | set(NO_RULE) == {0, *ISO_CODES}
    assert not {rule.iso_code for rule in RULES} & set(NO_RULE)
    assert len({rule.urgency for rule in RULES}) == len(RULES), "which of two is treated would be left to chance"


@pytest.mark.parametrize("rule", RULES, ids=lambda r: str(r.iso_code))
def test_every_change_names_its_welding_reason_and_moves_each_parameter_once(rule) -> None:
    assert rule.remedies or rule.check_gas
    for remedy in rule.remedies:
        assert all(len(change.reason) > 15 and -1 <= change.share <= 1 for change in remedy.changes)
        assert len({change.parameter for change in remedy.changes}) == len(remedy.changes)
    conditions = [remedy.when for remedy in rule.remedies]
    assert None not in conditions[:-1], "what comes after an unconditional remedy would never be used"


@pytest.mark.parametrize(
    ("code", "measured", "expected"),
    [
        (402, {"wire_feed_speed_m_s": 0.05}, MORE_WIRE),
        (402, {"travel_speed_m_s": 0.016}, {"travel_speed_m_s": -1}),
        (402, {"voltage_v": 22.5}, {"voltage_v": -1}),
        (402, {"current_a": 150.0}, {"stick_out_m": -1, "wire_feed_speed_m_s": +1, "voltage_v": -1}),
        (402, {}, {"wire_feed_speed_m_s": +1, "stick_out_m": -1, "travel_speed_m_s": -1}),
        (401, {"wire_feed_speed_m_s": 0.05}, MORE_WIRE),
        (501, {"travel_speed_m_s": 0.016}, {"travel_speed_m_s": -1, "voltage_v": -1}),
        (501, {"voltage_v": 22.5}, {"voltage_v": -1}),
        (501, {}, {"travel_speed_m_s": -1, "voltage_v": -1}),
        (502, {"travel_speed_m_s": 0.005}, LESS_METAL),
        (502, {"wire_feed_speed_m_s": 0.11}, LESS_METAL),
        (504, {}, LESS_HEAT),
        (504, {"wire_feed_speed_m_s": 0.11}, LESS_METAL),
        (504, {"travel_speed_m_s": 0.005}, {"travel_speed_m_s": +1, "wire_feed_speed_m_s": -1, "stick_out_m": +1}),
        (506, {"voltage_v": 16.0}, {"voltage_v": +1, "wire_feed_speed_m_s": -1}),
        (510, {}, LESS_HEAT),
        (602, {"voltage_v": 16.0}, {"voltage_v": +1, "wire_feed_speed_m_s": -1}),
        (602, {"voltage_v": 23.0}, {"voltage_v": -1}),
        (602, {"wire_feed_speed_m_s": 0.11}, {"wire_feed_speed_m_s": -1, "voltage_v": +1}),
        (100, {}, {"wire_feed_speed_m_s": -1, "voltage_v": -1}),
    ],
)
def test_the_remedy_goes_the_way_that_helps(code: int, measured: dict[str, float], expected: dict[str, int]) -> None:
    advice = Weld().run(1.0, code, window=telemetry(**measured))[-1]
    assert moved(advice) == expected
    assert advice.cause_iso_code == code and advice.reason


@pytest.mark.parametrize("code", [401, 602, 104, 601, 0])
def test_where_nothing_measured_points_to_a_parameter_none_is_moved(code: int) -> None:
    assert Weld().run(2.0, code, window=telemetry()) == []
    assert Weld().run(2.0, code, window=None) == []


@pytest.mark.parametrize("code", [2011, 2017])
def test_pores_ask_for_the_gas_and_for_no_parameter(code: int) -> None:
    advice = Weld().run(1.0, code)[-1]
    assert advice.check_gas and moved(advice) == {} and "air" in advice.reason
    assert advice.cause_iso_code == code


def test_without_cover_the_other_imperfections_are_consequences() -> None:
    advice = Weld().run(1.0, 2011, 402, 602, window=telemetry())[-1]
    assert advice.check_gas and moved(advice) == {}


def test_burn_through_is_treated_before_everything_else_and_at_once() -> None:
    said = Weld().run(0.2, 402, 510, 2011)
    assert said[0].cause_iso_code == 510 and said[0].check_gas
    travel = said[0].deltas[Parameter.TRAVEL_SPEED]
    assert travel > 0.9 * Envelope(LAP).clamp((0, -1.0, -0.02, 0.002, 0))[Parameter.TRAVEL_SPEED]


@pytest.mark.parametrize("wps", PROCEDURES, ids=lambda w: w.id)
@pytest.mark.parametrize("code", [i.iso_code for i in IMPERFECTIONS])
def test_all_advice_under_every_procedure_would_pass_its_gate_unclamped(code: int, wps: Wps) -> None:
    envelope = Envelope(wps)
    for advice in Weld(wps).run(3.0, code):
        assert content_refusal(advice, envelope, 0.5) is None
        known = tuple(0.0 if math.isnan(d) else d for d in advice.deltas)
        assert envelope.contains(known)  # type: ignore[arg-type]
        assert 0 < advice.valid_until_ns - advice.stamp_ns <= 10**9


def test_a_procedure_that_adjusts_only_the_travel_speed_gets_only_that() -> None:
    laser = next(wps for wps in PROCEDURES if wps.id == "laser_stainless_butt")
    assert moved(Weld(laser).run(1.0, 402)[-1]) == {"travel_speed_m_s": -1}
    assert math.isnan(Weld(laser).run(1.0, 402)[-1].deltas[Parameter.VOLTAGE])


def test_where_the_current_is_adjusted_the_wire_is_not() -> None:
    def tig(adjustable: str) -> Wps:
        heat = {"min": 1.8e5, "max": 4e5}  # k is 0.6
        return parse_wps({**LAP.model_dump(), "process": "gtaw", "adjustable": [adjustable], "heat_input_j_m": heat})

    assert moved(Weld(tig("current_a")).run(1.0, 402)[-1]) == {"current_a": +1}
    envelope = Envelope(tig("wire_feed_speed_m_s"))
    rule = rule_for(402)
    assert rule is not None
    assert resolved(rule.remedies[0].changes[0], envelope) is None, "a cold wire does not set the current"


# -- course -----------------------------------------------------------------------------------------------------------


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
    assert weld.run(0.2, 402) == []


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
