"""The gate when another procedure is named, or none."""

from __future__ import annotations

from gate_cell import LAP, PROCEDURES, RETURN_S, advised

from msstan_core.advisory.parameters import ZERO
from msstan_core.advisory.refusals import Refusal


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
