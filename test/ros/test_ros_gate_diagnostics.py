"""What the gate says of itself for robot dashboards."""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from msstan_core.advisory.gate import AdvisoryGate
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.wps_files import WPS_FOLDER, load_wps
from msstan_core.resources import share_path
from msstan_ros.gate_diagnostics import gate_diagnostics

NOW_NS = 1_700_000_000_000_000_000


def test_a_second_monitor_is_a_warning_and_heartbeats_are_counted_by_reason() -> None:
    gate = AdvisoryGate()
    gate.set_procedure(load_wps(share_path(f"{WPS_FOLDER}/gmaw_steel_lap.yaml")))

    def diagnosed(steady_s: float, *sessions: str) -> DiagnosticStatus:
        now_ns = NOW_NS + round(steady_s * 1e9)
        moment = Moment(now_ns, steady_s)
        for session in sessions:
            gate.heartbeat(Heartbeat(now_ns, session, round(steady_s * 10), 1, usable=True), moment)
        return gate_diagnostics("/advisory_gate: gate", gate, gate.step(moment), Time()).status[0]

    assert diagnosed(1.0, "first").level == DiagnosticStatus.OK
    status = diagnosed(1.1, "first", "second")
    values = {value.key: value.value for value in status.values}
    assert status.level == DiagnosticStatus.WARN and "second monitor speaks, in session second" in status.message
    assert values["second monitor"] == "second" and values["heartbeats not listened to"] == "1"
    assert values["heartbeats of another monitor while the first one lives"] == "1"
    for tenth in range(12, 23):
        status = diagnosed(tenth / 10, "first")
    assert status.level == DiagnosticStatus.OK
