"""The gate: good advice is followed at the procedure's rate, within its limits, and only while it is in force."""

from __future__ import annotations

import itertools
import math

import pytest
from gate_cell import LAP, NAN, TIGHT, Cell, advised, limits

from msstan_core.advisory.advisor import AdvisorConfig
from msstan_core.advisory.envelope import Envelope
from msstan_core.advisory.gate import GateSettings
from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.parameters import ZERO, Parameter, values


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


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="heartbeat_timeout_s"):
        GateSettings(heartbeat_timeout_s=60.0)


def test_what_leaves_the_heat_input_window_is_a_violation_though_each_parameter_is_in_its_range() -> None:
    cell, envelope = Cell(TIGHT), Envelope(TIGHT)
    cell.beat()
    deltas = list(ZERO)
    deltas[Parameter.VOLTAGE] = envelope.high[Parameter.VOLTAGE]
    deltas[Parameter.TRAVEL_SPEED] = envelope.low[Parameter.TRAVEL_SPEED]
    assert envelope.outside(values(deltas)) == () and not envelope.contains(values(deltas))
    assert cell.advise(deltas=values(deltas)) is None, "it is clamped"
    assert cell.gate.clamped == 1


def test_ranges_leave_no_setting_in_which_a_sound_monitor_looks_like_a_liar() -> None:
    def least(name: str) -> float:
        return next(limit.ge for limit in GateSettings.model_fields[name].metadata if hasattr(limit, "ge"))

    assert least("max_validity_s") >= AdvisorConfig().validity_s
    assert least("heartbeat_timeout_s") >= 0.3, "the heartbeat comes ten times a second"
