"""The gate: what it refuses and why, how it comes back, and that nothing whatever gets past the procedure."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.gate import AdvisoryGate, GateSettings, Heartbeat
from msstan_core.advisory.gate_output import GateOutput, GateState
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Parameter, Values, values
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.refusals import Refusal
from msstan_core.advisory.wps import Wps
from msstan_core.advisory.wps_files import WPS_FOLDER, ProcedureBook, load_wps, parse_wps
from msstan_core.resources import share_path

PROCEDURES = {wps_id: load_wps(share_path(f"{WPS_FOLDER}/{wps_id}.yaml")) for wps_id in ProcedureBook().ids}
LAP = PROCEDURES["gmaw_steel_lap"]
#: Little room for the heat input and very unlike rates: the straight way from one corner to another leaves the window.
TIGHT = parse_wps(
    {
        **LAP.model_dump(),
        "id": "tight",
        "travel_speed_m_s": {"nominal": 0.008, "min": 0.006, "max": 0.010, "max_rate_per_s": 0.04},
        "voltage_v": {"nominal": 20.0, "min": 18.0, "max": 22.0, "max_rate_per_s": 0.5},
        "heat_input_j_m": {"min": 340e3, "max": 380e3},
    }
)
PROCEDURES["tight"] = TIGHT
START_NS = 1_700_000_000_000_000_000
NAN = math.nan


def limits(wps: Wps) -> dict[str, Values]:
    sections = [wps.range_of(p) if wps.adjusts(p) else None for p in PARAMETERS]
    return {
        "minimum": values(s.min if s else NAN for s in sections),
        "maximum": values(s.max if s else NAN for s in sections),
        "max_rate": values(s.max_rate_per_s if s else NAN for s in sections),
    }


class Cell:
    """A gate, its two clocks, and a monitor that beats unless told otherwise."""

    def __init__(self, wps: Wps | None = LAP, simulated: bool = False, **settings: Any) -> None:
        self.gate = AdvisoryGate(GateSettings(**settings), simulated_time=simulated)
        self.steady_s, self.now_ns = 100.0, START_NS
        self.beats, self.sequence = 0, 0
        self.session, self.revision, self.usable = "monitor", 1, True
        self.wps = wps
        self.gate.set_procedure(wps)
        self.output = self.gate.step(self.moment)

    @property
    def moment(self) -> Moment:
        return Moment(self.now_ns, self.steady_s)

    def beat(self, **changes: Any) -> None:
        fields = {
            "stamp_ns": self.now_ns,
            "session_id": self.session,
            "sequence_id": self.beats,
            "model_revision": self.revision,
            "usable": self.usable,
            "complaint": "" if self.usable else "STALE: no sensor delivers",
        }
        self.beats += 1
        self.gate.heartbeat(Heartbeat(**{**fields, **changes}), self.moment)

    def advise(self, **changes: Any) -> Refusal | None:
        fields: dict[str, Any] = {
            "stamp_ns": self.now_ns,
            "valid_until_ns": self.now_ns + 600_000_000,
            "session_id": self.session,
            "sequence_id": self.sequence,
            "model_revision": self.revision,
            "cause_event_id": 3,
            "cause_iso_code": 402,
            "confidence": 0.9,
            "deltas": (NAN, 1.0, NAN, -0.001, 0.0),
            **limits(self.wps or LAP),
            "reason": "penetration",
        }
        self.sequence += 1
        return self.gate.receive(Advice(**{**fields, **changes}), self.moment)

    def run(self, seconds: float, *, beating: bool = True, advising: bool = False, step_s: float = 0.02) -> GateOutput:
        for index in range(round(seconds / step_s)):
            self.steady_s += step_s
            self.now_ns += round(step_s * 1e9)
            if beating and index % 5 == 0:
                self.beat()
            if advising and index % 5 == 0:
                self.advise()
            self.output = self.gate.step(self.moment)
        return self.output


def advised(**settings: Any) -> Cell:
    """A cell in which an advice has been followed to its end."""
    cell = Cell(**settings)
    cell.beat()
    cell.run(1.0, advising=True)
    assert cell.output.state is GateState.ADVISING
    assert cell.output.deltas == pytest.approx((0.0, 1.0, 0.0, -0.001, 0.0))
    return cell


def returns(cell: Cell, within_s: float, **how: Any) -> None:
    """Back at the programmed setpoints after that time at the latest, and from then on."""
    cell.run(within_s, **how)
    assert cell.output.deltas == ZERO
    assert cell.run(0.3, **how).deltas == ZERO


RETURN_S = Envelope(LAP).return_time_s


# -- following --------------------------------------------------------------------------------------------------------


def test_good_advice_is_followed_at_the_procedures_rate_and_explained() -> None:
    cell = Cell()
    cell.beat()
    assert cell.advise() is None
    output = cell.run(0.1)
    assert output.deltas[Parameter.VOLTAGE] == pytest.approx(4.0 * 0.1, rel=0.05)
    assert output.state is GateState.ADVISING
    assert (output.cause_iso_code, output.cause_event_id, output.reason) == (402, 3, "penetration")


def test_an_advice_that_is_not_renewed_runs_out_and_the_deltas_return_at_the_bounded_rate() -> None:
    cell = advised()
    seen = [cell.output.deltas[Parameter.VOLTAGE]]
    for _ in range(80):
        seen.append(cell.run(0.02).deltas[Parameter.VOLTAGE])
    assert seen[-1] == 0.0
    assert max(a - b for a, b in itertools.pairwise(seen)) <= 4.0 * 0.02 * (1 + 1e-9)
    assert "expired" in cell.output.reason


def test_zero_advice_takes_the_deltas_back() -> None:
    cell = advised()
    assert cell.advise(deltas=(NAN, 0.0, 0.0, 0.0, 0.0)) is None
    assert cell.run(0.5).deltas == ZERO


def test_what_asks_for_more_than_the_procedure_is_clamped_and_counted() -> None:
    cell = Cell(violations_to_latch=100)
    cell.beat()
    for _ in range(10):
        assert cell.advise(deltas=(NAN, 50.0, NAN, -1.0, 0.0)) is None
        cell.run(0.1)
    output = cell.output.deltas
    assert 20.0 + output[Parameter.VOLTAGE] <= 22.0
    assert 0.008 + output[Parameter.TRAVEL_SPEED] >= 0.006
    assert cell.gate.clamped == 10


def test_tighter_limits_and_rates_of_the_message_are_honoured() -> None:
    cell = Cell()
    cell.beat()
    tight = limits(LAP)
    tight["maximum"] = (NAN, 20.5, *tight["maximum"][2:])
    tight["max_rate"] = (NAN, 1.0, *tight["max_rate"][2:])
    cell.advise(**tight)
    assert cell.run(0.2).deltas[Parameter.VOLTAGE] == pytest.approx(0.2, rel=0.11)
    for _ in range(10):
        cell.advise(**tight)
        cell.run(0.1)
    assert cell.output.deltas[Parameter.VOLTAGE] == pytest.approx(0.5)


def test_a_gas_warning_passes_only_while_its_advice_is_in_force() -> None:
    cell = Cell()
    cell.beat()
    cell.advise(deltas=(NAN, NAN, NAN, NAN, NAN), check_gas=True, cause_iso_code=2011)
    assert cell.run(0.1).check_gas
    assert cell.output.deltas == ZERO
    assert not cell.run(1.0).check_gas


def test_the_message_for_the_robot_says_limits_and_leaves_out_what_may_not_be_adjusted() -> None:
    cell = advised()
    advice = cell.output.as_advice("gate", 7)
    assert math.isnan(advice.deltas[Parameter.CURRENT]) and math.isnan(advice.maximum[Parameter.CURRENT])
    assert advice.maximum[Parameter.VOLTAGE] == 22.0 and advice.max_rate[Parameter.VOLTAGE] == 4.0
    assert (advice.session_id, advice.sequence_id) == ("gate", 7)
    assert advice.valid_until_ns - advice.stamp_ns == 250_000_000


# -- refusing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"session_id": "another"}, Refusal.FOREIGN_SESSION),
        ({"session_id": ""}, Refusal.FOREIGN_SESSION),
        ({"model_revision": 2}, Refusal.FOREIGN_REVISION),
        ({"stamp_ns": START_NS - 10**9, "valid_until_ns": START_NS + 10**8}, Refusal.STALE),
        ({"stamp_ns": START_NS + 10**9, "valid_until_ns": START_NS + 2 * 10**9}, Refusal.FROM_THE_FUTURE),
        ({"stamp_ns": START_NS - 10**9, "valid_until_ns": START_NS - 5 * 10**8}, Refusal.EXPIRED),
        ({"valid_until_ns": START_NS + 10**10}, Refusal.VALID_TOO_LONG),
        ({"valid_until_ns": START_NS - 1}, Refusal.VALID_TOO_LONG),
        ({"valid_until_ns": 2**62}, Refusal.VALID_TOO_LONG),
        ({"confidence": 0.2}, Refusal.UNSURE),
        ({"confidence": NAN}, Refusal.UNSURE),
        ({"confidence": 7.0}, Refusal.NOT_A_NUMBER),
        ({"confidence": -0.1}, Refusal.NOT_A_NUMBER),
        ({"deltas": (NAN, math.inf, NAN, NAN, NAN)}, Refusal.NOT_A_NUMBER),
        ({"deltas": (NAN, NAN, NAN, -math.inf, NAN)}, Refusal.NOT_A_NUMBER),
        ({"cause_iso_code": 4711}, Refusal.UNKNOWN_CAUSE),
        ({"deltas": (10.0, NAN, NAN, NAN, NAN)}, Refusal.NOT_ADJUSTABLE),
        ({"minimum": (NAN,) * 5}, Refusal.WITHOUT_LIMITS),
        ({"maximum": (NAN,) * 5}, Refusal.WITHOUT_LIMITS),
        ({"max_rate": (NAN,) * 5}, Refusal.WITHOUT_LIMITS),
        ({"maximum": (NAN, 30.0, 0.09, 0.01, 0.018)}, Refusal.OTHER_LIMITS),
        ({"minimum": (NAN, 20.5, 0.06, 0.006, 0.012)}, Refusal.OTHER_LIMITS),
        ({"minimum": (0.0,) * 5, "maximum": (0.0,) * 5, "max_rate": (0.0,) * 5}, Refusal.OTHER_LIMITS),
        ({"max_rate": (NAN, 400.0, 0.03, 0.004, 0.006)}, Refusal.OTHER_LIMITS),
        ({"max_rate": (NAN, -4.0, 0.03, 0.004, 0.006)}, Refusal.OTHER_LIMITS),
    ],
)
def test_what_is_not_right_is_refused_with_its_reason_and_moves_nothing(
    changes: dict[str, Any], refusal: Refusal
) -> None:
    cell = Cell()
    cell.beat()
    assert cell.advise(**changes) is refusal
    assert cell.gate.refused[refusal] == 1 and cell.gate.last_refusal == refusal.text
    assert cell.run(0.3).deltas == ZERO


def test_repeated_replayed_and_late_messages_are_refused() -> None:
    cell = Cell()
    cell.beat()
    assert cell.advise(sequence_id=10) is None
    assert cell.advise(sequence_id=10) is Refusal.NOT_NEWER
    assert cell.advise(sequence_id=9) is Refusal.NOT_NEWER
    assert cell.advise(sequence_id=11, stamp_ns=START_NS - 1) is Refusal.OLDER_STAMP
    assert cell.advise(sequence_id=12) is None


def test_without_heartbeat_or_procedure_nothing_passes() -> None:
    cell = Cell()
    assert cell.advise() is Refusal.NO_MONITOR
    cell = Cell(wps=None)
    cell.beat()
    assert cell.advise() is Refusal.NO_PROCEDURE
    assert cell.run(0.1).envelope is None
    assert cell.output.deltas == ZERO


def test_limits_that_travelled_as_float32_are_the_procedures() -> None:
    import numpy as np

    cell = Cell()
    cell.beat()
    rounded = {name: values(float(np.float32(v)) for v in vector) for name, vector in limits(LAP).items()}
    assert cell.advise(**rounded) is None


# -- the monitor fails ------------------------------------------------------------------------------------------------


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
    assert cell.gate.session_id == "monitor" and cell.gate.foreign_heartbeats == 1
    assert cell.advise(session_id="intruder") is Refusal.FOREIGN_SESSION
    assert cell.run(0.1, advising=True).state is GateState.ADVISING


def test_a_restarted_monitor_is_heard_after_the_old_one_has_been_silent() -> None:
    cell = advised()
    returns(cell, 0.6 + RETURN_S, beating=False)
    cell.session, cell.beats, cell.sequence = "monitor again", 0, 0
    cell.beat()
    assert cell.advise() is None
    cell.run(0.6, beating=False)
    cell.beat(session_id="monitor", sequence_id=10**6)
    assert cell.gate.session_id == "monitor again", "a session that has ended does not come back"


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


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("jump_s", [-3600.0, -5.0, -1.5, 1.5, 5.0, 3600.0])
def test_a_clock_that_is_set_moves_nothing_and_voids_the_advice(jump_s: float, simulated: bool) -> None:
    cell = advised(simulated=simulated)
    before = cell.output.deltas
    cell.now_ns += round(jump_s * 1e9)
    cell.steady_s += 0.02
    after = cell.gate.step(cell.moment)
    for p in PARAMETERS:
        assert abs(after.deltas[p] - before[p]) <= LAP.range_of(p).max_rate_per_s * 0.02 * (1 + 1e-9)  # type: ignore[union-attr]
    assert after.state is GateState.RETURNING
    assert after.reason.startswith("simulated time jumped" if simulated else "the clock was set")
    returns(cell, RETURN_S)


def test_after_a_jump_fresh_advice_is_followed_again() -> None:
    cell = advised()
    cell.now_ns -= 10 * 10**9
    cell.run(0.1)
    cell.run(0.5, advising=True)
    assert cell.output.state is GateState.ADVISING


def test_a_slow_wall_clock_does_not_prolong_an_advice() -> None:
    cell = advised()
    for _ in range(100):  # the clock creeps: never a jump, but valid_until is never reached
        cell.steady_s += 0.02
        cell.now_ns += 1_000_000
        cell.beat()
        cell.output = cell.gate.step(cell.moment)
    assert cell.output.deltas == ZERO


def test_in_simulated_time_the_rate_is_that_of_the_simulation() -> None:
    cell = Cell(simulated=True)
    cell.beat()
    cell.advise()
    for _ in range(10):  # ten times slower than real time
        cell.steady_s += 0.1
        cell.now_ns += 10_000_000
        cell.beat()
        cell.output = cell.gate.step(cell.moment)
    assert cell.output.deltas[Parameter.VOLTAGE] == pytest.approx(4.0 * 0.1)


def test_a_simulated_clock_that_stands_still_leads_back_by_the_steady_clock() -> None:
    cell = advised(simulated=True)
    for _ in range(150):
        cell.steady_s += 0.02
        cell.beat()
        cell.output = cell.gate.step(cell.moment)
    assert cell.output.deltas == ZERO
    assert "stands still" in cell.output.reason


def test_a_gate_that_was_stopped_for_a_while_does_not_jump_when_it_goes_on() -> None:
    cell = advised()
    before = cell.output.deltas[Parameter.VOLTAGE]
    cell.steady_s += 30.0
    cell.now_ns += 30 * 10**9
    after = cell.gate.step(cell.moment).deltas[Parameter.VOLTAGE]
    assert 0 <= before - after <= 4.0 * cell.gate.settings.longest_step_s * (1 + 1e-9)


# -- the procedure changes --------------------------------------------------------------------------------------------


def test_another_procedure_is_taken_up_only_at_the_programmed_setpoints() -> None:
    cell = advised()
    cell.gate.set_procedure(PROCEDURES["gmaw_steel_butt"])
    output = cell.run(0.02)
    assert output.envelope is not None and output.envelope.wps == LAP
    assert cell.advise() is Refusal.NO_PROCEDURE
    cell.run(RETURN_S)
    assert cell.output.envelope is not None and cell.output.envelope.wps.id == "gmaw_steel_butt"


def test_a_procedure_that_is_withdrawn_leads_back_first() -> None:
    cell = advised()
    cell.gate.set_procedure(None, "the weld context names another")
    output = cell.run(0.02)
    assert output.deltas != ZERO and output.envelope is not None
    assert output.reason == "the weld context names another"
    assert cell.run(RETURN_S).envelope is None


# -- whatever happens -------------------------------------------------------------------------------------------------

ODD = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-3, 3), st.just(0.0), st.just(NAN))
#: Three times the room of each parameter that gmaw_steel_lap lets somebody adjust.
WIDE = st.tuples(
    st.just(NAN), *[st.sampled_from([-r, -r / 3, -r / 7, 0.0, r / 7, r / 3, r]) for r in (6, 0.05, 0.006, 0.009)]
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """Advice that is right but for its size, or has anything in it wrong."""
    found: dict[str, Any] = {"deltas": draw(WIDE), "confidence": 1.0}
    if draw(st.integers(0, 2)):
        return found
    wrong = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "deltas": st.tuples(ODD, ODD, ODD, ODD, ODD),
                "minimum": st.tuples(ODD, ODD, ODD, ODD, ODD),
                "maximum": st.tuples(ODD, ODD, ODD, ODD, ODD),
                "max_rate": st.tuples(ODD, ODD, ODD, ODD, ODD),
                "confidence": ODD,
                "relative_stamp_ns": st.one_of(st.integers(-(10**9), 10**8), st.integers(-(10**18), 10**18)),
                "validity_ns": st.integers(-(10**10), 10**11),
                "sequence_id": st.integers(0, 2**64 - 1),
                "session_id": st.sampled_from(["monitor", "intruder", ""]),
                "cause_iso_code": st.integers(0, 65535),
            },
        )
    )
    return {**found, **wrong}


@st.composite
def events(draw: st.DrawFn) -> tuple[Any, ...]:
    """What happens next: mostly a moment passes and an advice comes, now and then something odd."""
    kind = draw(st.integers(0, 15))
    if kind < 6:
        return "time", draw(st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.4])), 0.0, True
    if kind < 12:
        return "advice", draw(messages())
    if kind == 12:
        jump = draw(st.one_of(st.floats(-2, 2), st.floats(-1e6, 1e6)))
        return "time", draw(st.sampled_from([0.0, 0.02, 3.0])), jump, draw(st.booleans())
    if kind == 13:
        return "beat", draw(st.sampled_from(["monitor", "intruder"])), draw(st.booleans()), draw(st.integers(1, 2))
    if kind == 14:
        return "procedure", draw(st.sampled_from(["tight", "gmaw_steel_butt", ""]))
    return ("reset",)


def assert_inside(output: GateOutput) -> None:
    """By the words of the procedure in use."""
    if output.envelope is None:
        assert output.deltas == ZERO
        return
    wps = output.envelope.wps
    setpoint: dict[Parameter, float] = {}
    for p in PARAMETERS:
        section = wps.range_of(p)
        setpoint[p] = section.nominal + output.deltas[p] if section else NAN
        if section is None or not wps.adjusts(p):
            assert output.deltas[p] == 0.0
        else:
            assert section.min <= setpoint[p] <= section.max
    window = wps.heat_input_j_m
    if window is not None:
        wire = wps.wire_feed_speed_m_s
        assert wire is not None
        current = setpoint[Parameter.CURRENT] * setpoint[Parameter.WIRE_FEED_SPEED] / wire.nominal
        heat = 0.8 * current * setpoint[Parameter.VOLTAGE] / setpoint[Parameter.TRAVEL_SPEED]
        assert window.min <= heat <= window.max


def happen(cell: Cell, event: tuple[Any, ...]) -> None:
    """Everything but the passing of time."""
    kind, *rest = event
    if kind == "advice":
        fields = dict(rest[0])
        stamp_ns = max(cell.now_ns + fields.pop("relative_stamp_ns", 0), 0)
        validity_ns = fields.pop("validity_ns", 600_000_000)
        cell.advise(stamp_ns=stamp_ns, valid_until_ns=stamp_ns + validity_ns, **fields)
    elif kind == "beat":
        cell.session, cell.usable, cell.revision = rest
        cell.beat()
        cell.session, cell.usable = "monitor", True
    elif kind == "procedure":
        cell.wps = PROCEDURES.get(rest[0])
        cell.gate.set_procedure(cell.wps)
    else:
        cell.gate.reset()


@settings(max_examples=500, deadline=None)
@given(st.booleans(), st.sampled_from([LAP, TIGHT]), st.sampled_from([3, 1000]), st.lists(events(), max_size=60))
def test_no_sequence_of_messages_and_clock_jumps_leaves_limits_or_slew(
    simulated: bool, wps: Wps, violations: int, course: list[tuple[Any, ...]]
) -> None:
    cell = Cell(wps, simulated, violations_to_latch=violations)
    cell.beat()
    before = cell.output
    for event in course:
        if event[0] != "time":
            happen(cell, event)
            continue
        _, steady_s, clock_s, beats = event
        cell.steady_s += steady_s
        moved_ns = round((steady_s + clock_s) * 1e9)
        cell.now_ns = max(cell.now_ns + moved_ns, 0)
        if beats:
            cell.beat()
        output = cell.gate.step(cell.moment)
        assert_inside(output)
        # At the weld no more time can have passed than the clocks say.
        longest_s = min(max(steady_s, moved_ns / 1e9) if simulated else steady_s, cell.gate.settings.longest_step_s)
        for p in PARAMETERS:
            envelope = before.envelope or output.envelope
            allowed = envelope.rate[p] * longest_s if envelope is not None else 0.0
            assert abs(output.deltas[p] - before.deltas[p]) <= allowed * (1 + 1e-9) + 1e-15
        if cell.gate.latched:
            assert output.state is GateState.LATCHED
        before = output


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(events(), max_size=40), st.booleans())
def test_whatever_came_before_a_silent_or_sick_monitor_leads_back_within_the_stated_time(
    simulated: bool, course: list[tuple[Any, ...]], sick: bool
) -> None:
    cell = Cell(simulated=simulated, violations_to_latch=1000)
    cell.beat()
    for event in course:
        if event[0] == "time":
            cell.steady_s += event[1]
            cell.now_ns += round(event[1] * 1e9)
            cell.beat()
            cell.output = cell.gate.step(cell.moment)
        else:
            happen(cell, event)
    cell.usable = not sick
    # A procedure that was named last is taken up on the way, and advice under it followed until the silence is noticed.
    wanted = cell.gate._wanted
    envelopes = (cell.output.envelope, Envelope(wanted) if wanted is not None else None)
    back_s = max((e.return_time_s for e in envelopes if e is not None), default=0.0)
    bound_s = cell.gate.settings.heartbeat_timeout_s + back_s + 0.1
    assert cell.run(bound_s, beating=sick, advising=True).deltas == ZERO


def test_the_property_tests_do_move_the_gate() -> None:
    """What they draw includes advice that is followed: the properties are not held by a gate that refuses all."""
    cell = Cell()
    cell.beat()
    assert cell.advise(deltas=(NAN, 2.5, 0.01, -0.001, 0.002), confidence=1.0) is None
    assert max(map(abs, cell.run(0.3).deltas)) > 0


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="heartbeat_timeout_s"):
        GateSettings(heartbeat_timeout_s=60.0)
