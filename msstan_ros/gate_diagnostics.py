"""The gate on ``/diagnostics``: what it does, and every refusal with its count."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray

from msstan_core.advisory.gate import AdvisoryGate
from msstan_core.advisory.gate_output import GateOutput, GateState
from msstan_core.advisory.parameters import PARAMETERS
from msstan_ros.diagnostics import diagnostics_message
from msstan_ros.health import Health


def gate_diagnostics(name: str, gate: AdvisoryGate, output: GateOutput, stamp: Time) -> DiagnosticArray:
    """Level OK while the gate could pass good advice, ERROR while latched, WARN while something speaks against all or a
    second monitor speaks.

    Args:
        name: fully qualified node name with the task.
        gate: for its counters.
        output: its newest.
        stamp: time of the statement.
    """
    doubtful = gate.objection or gate.foreign_session
    health = Health.ERROR if gate.latched else Health.DEGRADED if doubtful else Health.OK
    values: dict[str, object] = {
        "state": output.state.value,
        "reason": output.reason,
        "WPS": output.envelope.wps.id if output.envelope is not None else "none",
        "monitor session": gate.session_id or "none",
    }
    if output.envelope is not None:
        values |= {
            f"{p.words} delta ({p.unit})": output.deltas[p] for p in PARAMETERS if output.envelope.wps.adjusts(p)
        }
    values |= {
        "check gas": output.check_gas,
        "advice accepted": gate.accepted,
        "advice clamped": gate.clamped,
        "heartbeats not listened to": sum(gate.refused_heartbeats.values()),
        "second monitor": gate.foreign_session or "none",
        "advice refused": sum(gate.refused.values()),
        "last refusal": gate.last_refusal or "none",
    }
    values |= {f"refused, {refusal.text}": count for refusal, count in gate.refused.items()}
    values |= {f"heartbeats {refusal.value}": count for refusal, count in gate.refused_heartbeats.items()}
    text = output.reason if health is not Health.OK or output.state is GateState.ADVISING else output.state.value
    if gate.foreign_session:
        text += f"; a second monitor speaks, in session {gate.foreign_session}: end one of them"
    return diagnostics_message(name, health, text, values, stamp)
