"""Nothing whatever gets past the procedure: properties of the gate under any sequence of messages and clock jumps."""

from __future__ import annotations

from typing import Any

from gate_cell import LAP, NAN, PROCEDURES, TIGHT, Cell
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.gate_output import GateOutput, GateState
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Parameter
from msstan_core.advisory.wps import Wps

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
