"""The parameters of the advisory gate node: its rate, its procedure, and the settings of the gate itself."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from msstan_core.advisory.gate import GateSettings
from msstan_core.advisory.wps_files import ProcedureBook
from msstan_core.errors import InputError
from msstan_core.parameters import ParameterSpec
from msstan_ros.parameters import value_of
from msstan_ros.procedure_parameters import PROCEDURE_SPECS, read_procedures

#: The output must stay valid for at least this many of its own periods.
LEAST_PERIODS = 3
#: A cycle that is a little late must not count as a pause, in which the deltas stand still.
LEAST_CYCLES = 2


SPECS: tuple[ParameterSpec, ...] = (
    ParameterSpec("rate_hz", 50.0, "messages on weld/advisory_gated, Hz", 20.0, 500.0),
    *PROCEDURE_SPECS,
    *(ParameterSpec.of_setting(name, field) for name, field in GateSettings.model_fields.items()),
)


@dataclass(frozen=True, slots=True)
class GateNodeSettings:
    """What the node works with between configure and cleanup."""

    rate_hz: float
    procedures: ProcedureBook
    gate: GateSettings


def read_settings(node: Node) -> GateNodeSettings:
    """The node's parameters as settings.

    Raises:
        InputError: when they do not make sense together, or name a WPS that cannot be read.
    """
    gate = GateSettings(**{name: value_of(node, name) for name in GateSettings.model_fields})
    rate_hz = value_of(node, "rate_hz")
    if gate.output_validity_s * rate_hz < LEAST_PERIODS:
        raise InputError(
            "parameter output_validity_s",
            f"{gate.output_validity_s:g} s are less than {LEAST_PERIODS} periods at {rate_hz:g} Hz",
            f"give at least {LEAST_PERIODS / rate_hz:.3g} s, or a higher rate_hz",
        )
    if gate.longest_step_s * rate_hz < LEAST_CYCLES:
        raise InputError(
            "parameter longest_step_s",
            f"{gate.longest_step_s:g} s are less than {LEAST_CYCLES} cycles at {rate_hz:g} Hz, so that the way back "
            "would take longer",
            f"give at least {LEAST_CYCLES / rate_hz:.3g} s, or a higher rate_hz",
        )
    return GateNodeSettings(rate_hz, read_procedures(node), gate)
