"""The robot's end: gated advice becomes deltas inside the range of the message, whatever becomes of the gate."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.advisory.advice import Advice
from msstan_core.advisory.follower import LONGEST_SILENCE_S, AdvisoryFollower
from msstan_core.advisory.parameters import PARAMETERS, UNKNOWN, ZERO, Parameter, Values
from msstan_core.advisory.process_time import Moment

NAN = math.nan
START_NS = 1_700_000_000_000_000_000
PROGRAMMED: Values = (NAN, 20.0, 0.075, 0.008, 0.015)
ADVICE = Advice(
    stamp_ns=START_NS,
    valid_until_ns=START_NS + 250_000_000,
    session_id="gate",
    confidence=0.8,
    deltas=(NAN, 1.0, 0.0, -0.001, 0.0),
    minimum=(NAN, 18.0, 0.06, 0.006, 0.012),
    maximum=(NAN, 22.0, 0.09, 0.010, 0.018),
    max_rate=(NAN, 4.0, 0.03, 0.004, 0.006),
)


class Robot:
    """A follower with its clocks, and a gate that speaks every 20 ms unless told otherwise."""

    def __init__(self, simulated: bool = False) -> None:
        self.follower = AdvisoryFollower(simulated_time=simulated)
        self.steady_s, self.now_ns, self.sequence = 50.0, START_NS, 0
        self.programmed = PROGRAMMED
        self.follower.follow(self.programmed, self.moment)

    @property
    def moment(self) -> Moment:
        return Moment(self.now_ns, self.steady_s)

    def hear(self, **changes: Any) -> str:
        fields = {"sequence_id": self.sequence, "stamp_ns": self.now_ns, "valid_until_ns": self.now_ns + 250_000_000}
        self.sequence += 1
        return self.follower.take(dataclasses.replace(ADVICE, **{**fields, **changes}), self.moment)

    def run(self, seconds: float, *, hearing: bool = True, step_s: float = 0.02, **changes: Any) -> Values:
        for _ in range(round(seconds / step_s)):
            self.steady_s += step_s
            self.now_ns += round(step_s * 1e9)
            if hearing:
                self.hear(**changes)
            self.follower.follow(self.programmed, self.moment)
        return self.follower.deltas


def test_advice_is_followed_at_its_own_rate() -> None:
    robot = Robot()
    assert robot.run(0.1)[Parameter.VOLTAGE] == pytest.approx(0.4)
    assert robot.run(1.0) == pytest.approx((0.0, 1.0, 0.0, -0.001, 0.0))


def test_when_the_gate_dies_all_deltas_return_together_within_the_bound() -> None:
    robot = Robot()
    robot.run(1.0)
    seen = [robot.run(0.02, hearing=False) for _ in range(60)]
    assert seen[-1] == ZERO
    bound_s = LONGEST_SILENCE_S + 1.0 / 4.0  # the voltage's way over its rate; travel has as far to go
    assert seen[math.ceil(bound_s / 0.02) + 1] == ZERO
    shares = [d[Parameter.VOLTAGE] / 1.0 - d[Parameter.TRAVEL_SPEED] / -0.001 for d in seen]
    assert max(map(abs, shares)) < 1e-9


def test_a_controller_that_ends_leads_back_though_the_gate_still_advises_and_the_clock_stands() -> None:
    robot = Robot(simulated=True)
    robot.run(1.0)
    assert robot.follower.return_s == pytest.approx(1.0 / 4.0)
    first = robot.follower.retreat(robot.programmed, 0.02)
    assert first[Parameter.VOLTAGE] == pytest.approx(1.0 - 0.02 * 4.0)
    assert robot.follower.retreat(robot.programmed, 60.0) != ZERO, "a pause is no reason to jump"
    for _ in range(13):
        robot.follower.retreat(robot.programmed, 0.02)
    assert robot.follower.deltas == ZERO and robot.follower.return_s == 0.0


def test_a_controller_that_cycles_slowly_still_follows() -> None:
    robot = Robot()
    assert robot.run(4.0, step_s=0.4, valid_until_ns=2**62)[Parameter.VOLTAGE] == 1.0


def test_a_setpoint_at_its_limit_leaves_no_room() -> None:
    robot = Robot()
    robot.programmed = (NAN, 21.8, 0.075, 0.0062, 0.015)
    deltas = robot.run(1.0)
    assert 21.8 + deltas[Parameter.VOLTAGE] <= 22.0
    assert 0.0062 + deltas[Parameter.TRAVEL_SPEED] >= 0.006


def test_a_programme_outside_the_procedure_is_left_alone_at_once() -> None:
    robot = Robot()
    robot.run(1.0)
    robot.programmed = (NAN, 16.0, 0.045, 0.001, 0.015)  # crater fill
    assert robot.run(0.02) == ZERO


@pytest.mark.parametrize(
    "changes",
    [
        {"minimum": UNKNOWN},
        {"maximum": UNKNOWN},
        {"max_rate": UNKNOWN},
        {"max_rate": (0.0,) * 5},
        {"max_rate": (-1.0,) * 5},
        {"max_rate": (math.inf,) * 5},
        {"deltas": (math.inf,) * 5},
        {"deltas": UNKNOWN},
        {"confidence": NAN},
        {"valid_until_ns": START_NS},
        {"minimum": (0.0,) * 5, "maximum": (0.0,) * 5, "max_rate": (0.0,) * 5},  # a message nobody filled in
    ],
)
def test_a_message_with_anything_unknown_moves_nothing(changes: dict[str, Any]) -> None:
    assert Robot().run(0.5, **changes) == ZERO


def test_old_and_repeated_messages_and_a_second_gate_are_not_followed() -> None:
    robot = Robot()
    robot.run(0.1)
    assert robot.hear(sequence_id=0) == "not newer than the last one"
    assert "another gate" in robot.hear(session_id="intruder")
    robot.run(0.5, hearing=False)
    assert robot.hear(session_id="restarted", sequence_id=0) == ""


def test_the_gas_warning_lasts_as_long_as_its_advice() -> None:
    robot = Robot()
    robot.run(0.1, check_gas=True)
    assert robot.follower.check_gas
    robot.run(0.5, hearing=False)
    assert not robot.follower.check_gas


@pytest.mark.parametrize("jump_s", [-100.0, 100.0])
def test_a_clock_that_is_set_causes_no_jump_and_leads_back_until_advice_is_fresh(jump_s: float) -> None:
    robot = Robot()
    before = robot.run(1.0)
    robot.now_ns += round(jump_s * 1e9)
    after = robot.run(0.02, hearing=False)
    assert abs(after[Parameter.VOLTAGE] - before[Parameter.VOLTAGE]) <= 4.0 * 0.02 * (1 + 1e-9)
    assert robot.run(0.6, hearing=False) == ZERO


ODD = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-0.02, 0.02), st.floats(-3, 3), st.just(NAN))
VECTOR = st.tuples(ODD, ODD, ODD, ODD, ODD)


@settings(max_examples=200, deadline=None)
@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.01, 0.05, 0.3]),
            st.one_of(st.just(0.0), st.floats(-1e6, 1e6)),
            st.fixed_dictionaries(
                {},
                optional={
                    "deltas": VECTOR,
                    "minimum": VECTOR,
                    "maximum": VECTOR,
                    "max_rate": VECTOR,
                    "confidence": ODD,
                    "session_id": st.sampled_from(["gate", "other"]),
                    "valid_until_ns": st.integers(0, 2**63 - 1),
                },
            ),
            st.floats(16.0, 24.0),
        ),
        max_size=30,
    ),
)
def test_whatever_is_heard_a_setpoint_with_its_delta_is_never_outside_the_last_range(
    simulated: bool, course: list[Any]
) -> None:
    robot = Robot(simulated)
    for elapsed_s, jump_s, changes, voltage in course:
        robot.steady_s += elapsed_s
        robot.now_ns = max(robot.now_ns + round((elapsed_s + jump_s) * 1e9), 0)
        robot.hear(**changes)
        robot.programmed = (NAN, voltage, 0.075, 0.008, 0.015)
        deltas = robot.follower.follow(robot.programmed, robot.moment)
        low, high = robot.follower.range
        for p in PARAMETERS:
            assert math.isfinite(deltas[p])
            if deltas[p] != 0.0:
                assert low[p] <= robot.programmed[p] + deltas[p] <= high[p]


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(-2.0, 2.0), st.floats(-0.002, 0.002))
def test_silence_always_ends_at_the_programmed_setpoints(seconds: float, voltage: float, travel: float) -> None:
    robot = Robot()
    robot.run(seconds, deltas=(NAN, voltage, 0.0, travel, 0.0))
    assert robot.run(LONGEST_SILENCE_S + 2.0 / 4.0 + 0.06, hearing=False) == ZERO
