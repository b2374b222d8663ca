"""The gate when a clock is set, creeps or stands still."""

from __future__ import annotations

import pytest
from gate_cell import LAP, RETURN_S, Cell, advised, returns

from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Parameter


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


@pytest.mark.parametrize("swing_s", [0.05, 0.9, 1.5])
def test_a_simulated_clock_that_goes_to_and_fro_moves_nothing_faster_than_the_steady_clock_would(
    swing_s: float,
) -> None:
    cell = advised(simulated=True)
    before, began_s = cell.output.deltas, cell.steady_s
    for turn in range(60):  # as of two simulations that tell the time to one cell
        cell.steady_s += 0.02
        cell.now_ns += round((swing_s if turn % 2 else -swing_s) * 1e9)
        now = cell.gate.step(cell.moment).deltas
        for p in PARAMETERS:
            largest = LAP.range_of(p).max_rate_per_s * (cell.steady_s - began_s)  # type: ignore[union-attr]
            assert abs(now[p] - before[p]) <= largest * (1 + 1e-9)


def test_a_simulated_clock_that_stands_still_leads_back_by_the_steady_clock() -> None:
    cell = advised(simulated=True)
    for _ in range(150):
        cell.steady_s += 0.02
        cell.beat()
        cell.output = cell.gate.step(cell.moment)
    assert cell.output.deltas == ZERO
    assert "stands still" in cell.output.reason


@pytest.mark.parametrize("steps_s", [(1.2,), (10.0, -10.0), (-0.5,)])
def test_a_simulated_clock_that_jumps_about_leads_back_by_the_steady_clock(steps_s: tuple[float, ...]) -> None:
    """A bag that is played at a hundred times its pace, two players of /clock, a clock that runs backwards."""
    cell = advised(simulated=True)
    for look in range(int((1.0 + RETURN_S) / 0.02) + 50):
        cell.steady_s += 0.02
        cell.now_ns += round(steps_s[look % len(steps_s)] * 1e9)
        cell.beat()
        cell.output = cell.gate.step(cell.moment)
    assert cell.output.deltas == ZERO
    assert "simulated time jumped" in cell.output.reason


def test_a_gate_that_was_stopped_for_a_while_does_not_jump_when_it_goes_on() -> None:
    cell = advised()
    before = cell.output.deltas[Parameter.VOLTAGE]
    cell.steady_s += 30.0
    cell.now_ns += 30 * 10**9
    after = cell.gate.step(cell.moment).deltas[Parameter.VOLTAGE]
    assert 0 <= before - after <= 4.0 * cell.gate.settings.longest_step_s * (1 + 1e-9)
