"""The advisory gate as a lifecycle node: ``weld/advisory`` in, ``weld/advisory_gated`` out, the judgement in
:mod:`msstan_core.advisory.gate`.

configure reads the procedures, activate begins at the programmed setpoints and speaks at a fixed rate, deactivate falls
silent: a follower then returns by itself.
"""

from __future__ import annotations

import sys
import time
import uuid
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.lifecycle import LifecyclePublisher, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from std_srvs.srv import Trigger

from msstan_core.advisory.gate import AdvisoryGate
from msstan_core.advisory.gate_output import GateOutput, GateState
from msstan_core.advisory.monitor_watch import Heartbeat
from msstan_core.advisory.process_time import Moment
from msstan_core.errors import InputError
from msstan_core.messages import TopicKind, sample_from_message
from msstan_core.observation import WeldContext as ContextSample
from msstan_core.vocabulary import known
from msstan_msgs.msg import WeldContext, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advice_from_message, advisory_message
from msstan_ros.conversions import stamp_nanoseconds
from msstan_ros.gate_diagnostics import gate_diagnostics
from msstan_ros.gate_parameters import SPECS, GateNodeSettings, read_settings
from msstan_ros.guarded_lifecycle import GuardedLifecycleNode, said
from msstan_ros.health import Health
from msstan_ros.node_process import run_node
from msstan_ros.parameters import declare

#: Time between two messages on /diagnostics, s.
DIAGNOSTICS_PERIOD_S = 1.0
#: The same complaint is logged at most this often, s.
LOG_INTERVAL_S = 5.0


class AdvisoryGateNode(GuardedLifecycleNode):
    """See the module. All callbacks run in one thread: that of the executor."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("advisory_gate", **arguments)
        self._settings: GateNodeSettings | None = None
        self._outputs: list[LifecyclePublisher] = []
        self._inputs: list[Subscription] = []
        self._beats: list[Timer] = []
        self._offered: Service | None = None
        self._gate = AdvisoryGate()
        self._output: GateOutput | None = None
        self._session_id, self._next_sequence = "", 0
        declare(self, SPECS, may_configure=lambda: self._settings is None)

    # -- lifecycle ----------------------------------------------------------------------------------------------

    @said
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the procedures; on bad input the node stays unconfigured and says why in one line."""
        try:
            self._settings = read_settings(self)
        except InputError as error:
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self._gated = self._publisher(WeldParameterAdvisory, "weld/advisory_gated", qos.ADVISORY_GATED)
        self._diagnostics = self._publisher(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self._offered = self.create_service(Trigger, "~/reset", self._reset)
        return super().on_configure(state)

    @said
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin at the programmed setpoints, under a new session id; whatever was heard before is forgotten."""
        assert self._settings is not None
        result = super().on_activate(state)
        simulated = bool(self.get_clock().ros_time_is_active)
        latched = self._gate.latched  # a person has to look: a manager that cycles nodes does not open it
        self._gate = AdvisoryGate(self._settings.gate, simulated_time=simulated)
        self._gate.latched = latched
        self._session_id, self._next_sequence, self._output = str(uuid.uuid4()), 0, None
        self._take_up(None)
        self._inputs = [
            self._listen(WeldParameterAdvisory, "weld/advisory", self._advised, qos.ADVISORY),
            self._listen(WeldMonitorState, "weld/state", self._heartbeat, qos.RESULT_READER),
            self._listen(WeldContext, "weld/context", self._job, qos.CONTEXT),
        ]
        # The output keeps coming while simulated time stands still: it runs on the steady clock.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._beats = [
            self.create_timer(1 / self._settings.rate_hz, self._step, clock=steady),
            self.create_timer(DIAGNOSTICS_PERIOD_S, self._diagnose, clock=steady),
        ]
        return result

    def stop(self) -> None:
        """Fall silent."""
        for timer in self._beats:
            self.destroy_timer(timer)
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._beats, self._inputs = [], []

    def release(self) -> None:
        """Fall silent and forget the procedures."""
        self.stop()
        if self._offered is not None:
            self.destroy_service(self._offered)
            self._offered = None
        for publisher in self._outputs:
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = []
        self._settings = None

    # -- what it hears ------------------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        return Moment(self.get_clock().now().nanoseconds, time.monotonic())

    def _advised(self, message: WeldParameterAdvisory) -> None:
        refusal = self._gate.receive(advice_from_message(message), self._moment())
        if refusal is not None:
            self.get_logger().warning(f"advice refused: {refusal.text}", throttle_duration_sec=LOG_INTERVAL_S)

    def _heartbeat(self, message: WeldMonitorState) -> None:
        assert self._settings is not None
        health = known(Health, message.health)
        usable = health is Health.OK or (health is Health.DEGRADED and self._settings.gate.accept_degraded)
        complaint = "" if usable else f"{health.name}{': ' if message.message else ''}{message.message}"
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        beat = Heartbeat(stamp_ns, message.session_id, message.sequence_id, message.model_revision, usable, complaint)
        self._gate.heartbeat(beat, self._moment())

    def _job(self, message: WeldContext) -> None:
        try:
            sample = sample_from_message(TopicKind.CONTEXT, message)
            assert isinstance(sample, ContextSample)
            self._take_up(sample)
        except InputError as error:
            self._refuse_job(f"the weld context cannot be read ({error})")
        except Exception as error:  # whatever it is: the gate lives on, and the procedure before this job is not its
            self._refuse_job(f"the job cannot be judged ({type(error).__name__}: {error})")

    def _refuse_job(self, problem: str) -> None:
        self._gate.set_procedure(None, problem)
        self.get_logger().error(f"nothing passes: {problem}")

    def _take_up(self, context: ContextSample | None) -> None:
        assert self._settings is not None
        wps, problem = self._settings.procedures.in_force(context)
        self._gate.set_procedure(wps, problem)
        self.get_logger().info(f"WPS {wps.id} is in force" if wps is not None else f"nothing passes: {problem}")

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        why = self._gate.latched
        self._gate.reset()
        response.success = True
        response.message = f"the gate is open again; it was latched: {why}" if why else "the gate was not latched"
        self.get_logger().info(response.message)
        return response

    # -- what it says -------------------------------------------------------------------------------------------

    def _step(self) -> None:
        output = self._gate.step(self._moment())
        self._gated.publish(advisory_message(output.as_advice(self._session_id, self._next_sequence)))
        self._next_sequence += 1
        before, self._output = self._output, output
        if before is None or before.state is not output.state:
            text = f"{output.state.value}: {output.reason}"
            if output.state is GateState.LATCHED:  # rclpy allows one severity per place in the code
                self.get_logger().error(text)
            else:
                self.get_logger().info(text)

    def _diagnose(self) -> None:
        if self._output is not None:
            name = f"{self.get_fully_qualified_name()}: gate"
            stamp = self.get_clock().now().to_msg()
            self._diagnostics.publish(gate_diagnostics(name, self._gate, self._output, stamp))

    # -- its parts ----------------------------------------------------------------------------------------------

    def _publisher(self, kind: type[Any], topic: str, profile: QoSProfile) -> LifecyclePublisher:
        report = qos.incompatibility_reporter(self.resolve_topic_name(topic), self.get_logger().error)
        events = PublisherEventCallbacks(incompatible_qos=report)
        publisher = self.create_lifecycle_publisher(kind, topic, profile, event_callbacks=events)
        self._outputs.append(publisher)
        return publisher

    def _listen(self, kind: type[Any], topic: str, callback: Any, profile: QoSProfile) -> Subscription:
        report = qos.incompatibility_reporter(self.resolve_topic_name(topic), self.get_logger().error)
        events = SubscriptionEventCallbacks(incompatible_qos=report)
        return self.create_subscription(kind, topic, callback, profile, event_callbacks=events)


def main() -> None:
    """Entry point of the executable ``advisory_gate_node``."""
    sys.exit(run_node(AdvisoryGateNode))


if __name__ == "__main__":
    main()
