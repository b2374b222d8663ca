"""What the gate refuses, and with which reason."""

from __future__ import annotations

import math
from typing import Any

import pytest
from gate_cell import LAP, NAN, START_NS, Cell, limits

from msstan_core.advisory.parameters import ZERO, values
from msstan_core.advisory.refusals import Refusal


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
        ({"cause_iso_code": 0}, Refusal.NO_REMEDY),
        ({"cause_iso_code": 104}, Refusal.NO_REMEDY),
        ({"cause_iso_code": 601}, Refusal.NO_REMEDY),
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
