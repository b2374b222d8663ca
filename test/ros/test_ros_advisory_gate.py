"""The gate as a node, over DDS: a monitor that the test plays, a robot that listens."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from live import Spinner, until
from played_monitor import PlayedMonitor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from msstan_msgs.msg import WeldContext, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_follower_node import AdvisoryFollowerNode
from msstan_ros.advisory_gate_node import AdvisoryGateNode
from msstan_ros.conversions import stamp_message, stamp_nanoseconds

#: The gate forgets a monitor after 0.5 s, and the longest way back takes another second; patience for a busy machine.
BACK_WITHIN_S = 15.0


class Robot:
    """Hears the gate and its diagnostics."""

    def __init__(self, spinner: Spinner) -> None:
        self.node = spinner.peer("robot")
        self.heard: list[WeldParameterAdvisory] = []
        self.diagnostics: list[DiagnosticStatus] = []
        self.node.create_subscription(
            WeldParameterAdvisory, "weld/advisory_gated", self.heard.append, qos.ADVISORY_GATED
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, qos.DIAGNOSTICS)

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.diagnostics += [s for s in message.status if s.name.endswith("advisory_gate: gate")]

    @property
    def voltage(self) -> float:
        return self.heard[-1].voltage_delta_v if self.heard else math.nan

    @property
    def at_programmed(self) -> bool:
        last = self.heard[-1]
        deltas = (last.voltage_delta_v, last.wire_feed_speed_delta_m_s, last.travel_speed_delta_m_s)
        return (*deltas, last.stick_out_delta_m) == (0.0, 0.0, 0.0, 0.0)

    def value(self, key: str) -> str:
        return {v.key: v.value for v in self.diagnostics[-1].values}.get(key, "") if self.diagnostics else ""


class Cell:
    def __init__(self, spinner: Spinner, **given: Any) -> None:
        overrides = [Parameter(name, value=value) for name, value in {"wps": "gmaw_steel_lap", **given}.items()]
        self.spinner = spinner
        self.gate = AdvisoryGateNode(context=spinner.context, parameter_overrides=overrides)
        spinner.add(self.gate)
        self.robot = Robot(spinner)
        self.monitor = PlayedMonitor(spinner)

    def activate(self) -> None:
        assert self.spinner.run(self.gate.trigger_configure) == TransitionCallbackReturn.SUCCESS
        assert self.spinner.run(self.gate.trigger_activate) == TransitionCallbackReturn.SUCCESS
        assert until(lambda: self.robot.heard)

    def advise(self, iso_code: int = 506) -> None:
        """More voltage, until the gate passes it."""
        self.monitor.iso_code = iso_code
        assert until(lambda: self.robot.voltage > 0.3), self.robot.heard[-1].reason


@pytest.fixture
def make_cell(spinner: Spinner) -> Iterator[Callable[..., Cell]]:
    made: list[Cell] = []

    def make(**given: Any) -> Cell:
        made.append(Cell(spinner, **given))
        return made[-1]

    yield make
    for cell in made:
        cell.monitor.close()


@pytest.fixture
def cell(make_cell: Callable[..., Cell]) -> Cell:
    return make_cell()


def test_good_advice_passes_slewed_numbered_and_explained(cell: Cell) -> None:
    cell.activate()
    cell.advise()
    heard = list(cell.robot.heard)
    assert [m.sequence_id for m in heard] == list(range(heard[0].sequence_id, heard[0].sequence_id + len(heard)))
    assert len({m.session_id for m in heard}) == 1 and heard[0].session_id not in ("", "played")
    last = heard[-1]
    assert last.cause_iso_code == 506 and "voltage up" in last.reason
    assert last.voltage_max_v <= 22.0 and math.isnan(last.current_delta_a)
    assert stamp_nanoseconds(last.valid_until) - stamp_nanoseconds(last.header.stamp) == 250_000_000
    longest_step_v = 4.0 * cell.gate.get_parameter("longest_step_s").value
    assert all(abs(b.voltage_delta_v - a.voltage_delta_v) <= longest_step_v for a, b in itertools.pairwise(heard))


def test_a_monitor_that_falls_silent_leads_back_though_it_goes_on_advising(cell: Cell) -> None:
    cell.activate()
    cell.advise()
    cell.monitor.beating = False
    assert until(lambda: cell.robot.at_programmed, BACK_WITHIN_S)
    assert cell.robot.heard[-1].reason == "the monitor is silent"
    assert until(lambda: "no heartbeat" in cell.robot.value("last refusal"))
    assert cell.robot.diagnostics[-1].level == DiagnosticStatus.WARN
    cell.monitor.beating = True
    assert until(lambda: cell.robot.voltage > 0.3)


@pytest.mark.parametrize("health", [WeldMonitorState.STALE, WeldMonitorState.ERROR, WeldMonitorState.DEGRADED, 77])
def test_a_monitor_that_is_not_well_leads_back(cell: Cell, health: int) -> None:
    cell.activate()
    cell.advise()
    cell.monitor.health = health
    assert until(lambda: cell.robot.at_programmed, BACK_WITHIN_S)
    assert cell.robot.heard[-1].reason.startswith("monitor: ")


def test_a_lying_monitor_is_latched_said_and_followed_again_only_after_reset(cell: Cell) -> None:
    cell.activate()
    cell.advise()
    cell.monitor.change = {"travel_speed_delta_m_s": -math.inf}
    assert until(lambda: cell.robot.value("state") == "latched until reset")
    assert until(lambda: cell.robot.at_programmed, BACK_WITHIN_S)
    assert cell.robot.diagnostics[-1].level == DiagnosticStatus.ERROR
    assert int(cell.robot.value("refused, a value that is no possible number")) >= 5
    cell.monitor.change = {}
    before = len(cell.robot.heard)
    assert until(lambda: len(cell.robot.heard) > before + 25)
    assert cell.robot.at_programmed, "good behaviour alone does not open it"
    assert cell.spinner.run(cell.gate.trigger_deactivate) == TransitionCallbackReturn.SUCCESS
    assert cell.spinner.run(cell.gate.trigger_activate) == TransitionCallbackReturn.SUCCESS
    before = len(cell.robot.heard)
    assert until(lambda: len(cell.robot.heard) > before + 25)
    assert cell.robot.at_programmed and cell.robot.value("state") == "latched until reset", "nor does a new start"
    reset = cell.robot.node.create_client(Trigger, "advisory_gate/reset")
    assert reset.wait_for_service(10)
    future = reset.call_async(Trigger.Request())
    assert until(future.done) and future.result().success
    assert "no possible number" in future.result().message
    assert until(lambda: cell.robot.voltage > 0.3)


def test_the_weld_context_names_the_procedure_and_may_forbid_it(make_cell: Callable[..., Cell]) -> None:
    cell = make_cell(wps="")
    cell.activate()
    cell.monitor.iso_code = 506
    assert until(lambda: cell.robot.value("WPS") == "none")
    assert math.isnan(cell.robot.heard[-1].voltage_max_v), "no procedure, no limits"
    cell.monitor.weld("gmaw_steel_lap")
    assert until(lambda: cell.robot.voltage > 0.3)
    cell.monitor.weld("laser_of_another_cell")
    assert until(lambda: "laser_of_another_cell" in cell.robot.heard[-1].reason)
    first = next(m for m in list(cell.robot.heard) if "laser_of_another_cell" in m.reason)
    assert first.voltage_delta_v > 0 and first.voltage_max_v <= 22.0, "back first, within the old limits"
    assert until(lambda: math.isnan(cell.robot.heard[-1].voltage_max_v), BACK_WITHIN_S)
    assert cell.robot.voltage == 0.0


def test_a_deactivated_gate_falls_silent_and_begins_at_zero_under_a_new_session(cell: Cell) -> None:
    cell.activate()
    cell.advise()
    session = cell.robot.heard[-1].session_id
    assert cell.spinner.run(cell.gate.trigger_deactivate) == TransitionCallbackReturn.SUCCESS
    time.sleep(0.3)  # what was under way arrives
    cell.robot.heard.clear()
    assert not until(lambda: cell.robot.heard, 1.0)
    assert cell.spinner.run(cell.gate.trigger_activate) == TransitionCallbackReturn.SUCCESS
    assert until(lambda: cell.robot.heard)
    assert cell.robot.heard[0].session_id != session
    assert cell.robot.heard[0].voltage_delta_v == 0.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"wps": "no_such_procedure"}, "no_such_procedure"),
        ({"output_validity_s": 0.1, "rate_hz": 20.0}, "periods"),
        ({"longest_step_s": 0.02, "rate_hz": 50.0}, "longest_step_s: 0.02 s are less than 2 cycles at 50 Hz"),
    ],
)
def test_what_makes_no_sense_leaves_the_node_unconfigured(
    spinner: Spinner, given: dict[str, Any], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    node = AdvisoryGateNode(context=spinner.context, parameter_overrides=overrides)
    spinner.add(node)
    assert spinner.run(node.trigger_configure) == TransitionCallbackReturn.FAILURE
    error = [line for line in capfd.readouterr().err.splitlines() if "not configured" in line]
    assert len(error) == 1 and said in error[0]
    assert node.set_parameters([Parameter("violations_to_latch", value=0)])[0].successful is False


def test_a_job_that_nobody_foresaw_takes_the_procedure_away_and_the_gate_lives_on(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.activate()
    cell.advise()

    def broken(*_: object) -> None:
        raise ZeroDivisionError("rubbish")

    monkeypatch.setattr(cell.gate._settings.procedures, "in_force", broken)
    cell.spinner.run(lambda: cell.gate._job(WeldContext(wps_id="gmaw_steel_lap")))
    assert until(lambda: cell.robot.at_programmed, BACK_WITHIN_S)
    assert "ZeroDivisionError: rubbish" in cell.robot.heard[-1].reason


def test_in_simulated_time_the_gate_moves_with_the_simulation(spinner: Spinner, make_cell: Callable[..., Cell]) -> None:
    clock = spinner.peer("clock").create_publisher(Clock, "/clock", qos.CLOCK)
    now = [1_000 * 10**9]
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.02):  # at half the pace of the wall
            now[0] += 10_000_000
            clock.publish(Clock(clock=stamp_message(now[0])))

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    cell = make_cell(use_sim_time=True)
    cell.monitor.now_ns = lambda: now[0]
    try:
        assert until(lambda: cell.gate.get_clock().now().nanoseconds > 0)
        cell.activate()
        cell.advise()
        heard = [m for m in cell.robot.heard if m.voltage_delta_v > 0]
        assert all(999 < stamp_nanoseconds(m.header.stamp) / 1e9 < 1_400 for m in heard)
        for a, b in itertools.pairwise(heard):
            elapsed_s = (stamp_nanoseconds(b.header.stamp) - stamp_nanoseconds(a.header.stamp)) / 1e9
            assert abs(b.voltage_delta_v - a.voltage_delta_v) <= 4.0 * elapsed_s + 1e-6
        now[0] -= 500 * 10**9  # the recording begins again
        assert until(lambda: cell.robot.at_programmed or "jumped" in cell.robot.heard[-1].reason, BACK_WITHIN_S)
        stop.set()
        ticking.join(5)
        assert until(lambda: "stands still" in cell.robot.heard[-1].reason, BACK_WITHIN_S)
        assert until(lambda: cell.robot.at_programmed, BACK_WITHIN_S)
    finally:
        stop.set()


def test_the_reference_follower_commands_programmed_plus_delta_and_returns_without_a_gate(
    cell: Cell, spinner: Spinner
) -> None:
    overrides = [
        Parameter("programmed.voltage_v", value=20.0),
        Parameter("programmed.travel_speed_m_s", value=0.008),
    ]
    spinner.add(AdvisoryFollowerNode(context=spinner.context, parameter_overrides=overrides))
    commands: list[Float64MultiArray] = []
    cell.robot.node.create_subscription(Float64MultiArray, "weld_parameter_controller/commands", commands.append, 10)
    cell.activate()
    assert until(lambda: commands)
    assert [d.label for d in commands[-1].layout.dim] == ["voltage_v", "travel_speed_m_s"]
    cell.monitor.iso_code = 506
    assert until(lambda: commands[-1].data[0] > 20.3)
    assert all(18.0 <= c.data[0] <= 22.0 and 0.006 <= c.data[1] <= 0.010 for c in commands)
    cell.spinner.run(cell.gate.trigger_deactivate)
    assert until(lambda: list(commands[-1].data) == [20.0, 0.008], BACK_WITHIN_S)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("voltage_v", 0.0, "is commanded since the start"),
        ("current_a", 180.0, "is not commanded since the start"),
        ("voltage_v", 20, ""),
        ("voltage_v", math.nan, ""),
    ],
)
def test_the_follower_refuses_to_begin_or_cease_to_command_a_setpoint(
    spinner: Spinner, field: str, value: float, said: str
) -> None:
    follower = AdvisoryFollowerNode(
        context=spinner.context, parameter_overrides=[Parameter("programmed.voltage_v", value=20.0)]
    )
    spinner.add(follower)
    name = f"programmed.{field}"
    before = follower.get_parameter(name).value
    answer = spinner.run(lambda: follower.set_parameters([Parameter(name, value=value)]))[0]
    assert not answer.successful and said in answer.reason
    assert follower.get_parameter(name).value == before
    anew = spinner.run(lambda: follower.set_parameters([Parameter("programmed.voltage_v", value=21.5)]))[0]
    assert anew.successful
    commands: list[Float64MultiArray] = []
    spinner.peer().create_subscription(Float64MultiArray, "weld_parameter_controller/commands", commands.append, 10)
    assert until(lambda: commands and list(commands[-1].data) == [21.5])
