"""The reference for a robot's side of ``weld/advisory_gated``: programmed setpoints in, setpoints to command out.

It asks for deadline and liveliness, follows with :mod:`msstan_core.advisory.follower`, and publishes commands as
ros2_control's forward command controllers take them. A real bridge does the same in its own cycle; see
docs/robot_interface.md.
"""

from __future__ import annotations

import math
import sys
import time
from functools import partial
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from msstan_core.advisory.follower import AdvisoryFollower
from msstan_core.advisory.parameters import PARAMETERS, ZERO, Values, values
from msstan_core.advisory.process_time import Moment
from msstan_core.advisory.wps import plausible_range
from msstan_core.errors import InputError
from msstan_core.parameters import ParameterSpec
from msstan_msgs.msg import WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advice_from_message
from msstan_ros.node_process import last_word, run_node
from msstan_ros.parameters import declare, value_of

#: The same complaint is logged at most this often, s.
LOG_INTERVAL_S = 5.0
#: A node that is told to end goes on returning for no longer than this, s.
LONGEST_RETURN_S = 10.0
#: Then it says the programmed setpoints this many times: the last message of a publisher that ends may be lost.
FAREWELLS = 5

SPECS = (
    ParameterSpec("rate_hz", 50.0, "control cycle, Hz", 10.0, 1000.0, read_only=True),
    *(
        ParameterSpec(
            f"programmed.{p.field}",
            0.0,
            f"programmed {p.words}, {p.unit}; 0: this robot does not command it",
            0.0,
            plausible_range(p)[1],
            while_active=True,
        )
        for p in PARAMETERS
    ),
)


class AdvisoryFollowerNode(Node):
    """Publishes ``weld_parameter_controller/commands``: programmed + delta of every commanded parameter, in the order
    of the message's parameters (the labels are in the layout).

    Raises:
        InputError: when no setpoint is programmed.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__("advisory_follower", **arguments)
        declare(self, SPECS)
        self._commanded = [p for p in PARAMETERS if value_of(self, f"programmed.{p.field}") > 0.0]
        if not self._commanded:
            names = ", ".join(f"programmed.{p.field}" for p in PARAMETERS)
            raise InputError("parameters", "no setpoint is programmed", f"give at least one of {names} above 0")
        self.add_on_set_parameters_callback(self._keep_commanded)
        simulated = bool(self.get_clock().ros_time_is_active)
        self._follower = AdvisoryFollower(simulated_time=simulated)
        self._check_gas = False
        self._out = self.create_publisher(Float64MultiArray, "weld_parameter_controller/commands", 1)
        name = self.resolve_topic_name("weld/advisory_gated")
        events = SubscriptionEventCallbacks(
            deadline=lambda _event: self._complain("no gated advice within the deadline"),
            liveliness=self._liveliness_changed,
            incompatible_qos=qos.incompatibility_reporter(name, self.get_logger().error),
        )
        self.create_subscription(
            WeldParameterAdvisory, "weld/advisory_gated", self._take, qos.ADVISORY_GATED, event_callbacks=events
        )
        self.create_timer(1 / value_of(self, "rate_hz"), self._cycle, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        """Back to the programmed setpoints: a forward controller holds its last command when this node has ended."""
        if self._follower.deltas == ZERO:
            return
        period_s, programmed = 1 / value_of(self, "rate_hz"), self._programmed
        self.get_logger().info(f"back to the programmed setpoints before the end, in {self._follower.return_s:.1f} s")
        began = before = time.monotonic()
        said = 0
        while said < FAREWELLS and before - began < LONGEST_RETURN_S:
            time.sleep(period_s)
            now = time.monotonic()
            deltas = self._follower.retreat(programmed, now - before)
            last_word(self, partial(self._command, programmed, deltas))
            said += deltas == ZERO
            before = now
        if self._follower.deltas != ZERO:
            self.get_logger().error("ended before the programmed setpoints were reached: program them at the robot")

    def _keep_commanded(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse a setpoint that begins or ceases to be commanded: the controller's interfaces were chosen for these.

        A 0 would otherwise be sent as a setpoint, and a parameter that is not commanded would look as if it were.
        """
        commanded = {f"programmed.{p.field}": p in self._commanded for p in PARAMETERS}
        for parameter in parameters:
            if parameter.name not in commanded or not isinstance(parameter.value, float):
                continue  # another type is refused with its own words
            if (parameter.value > 0.0) is commanded[parameter.name]:
                continue
            now = "commanded" if commanded[parameter.name] else "not commanded"
            reason = f"{parameter.name} is {now} since the start: restart the node to change between 0 and above 0"
            return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _moment(self) -> Moment:
        return Moment(self.get_clock().now().nanoseconds, time.monotonic())

    def _take(self, message: WeldParameterAdvisory) -> None:
        if reason := self._follower.take(advice_from_message(message), self._moment()):
            self._complain(f"gated advice not followed: {reason}")

    def _cycle(self) -> None:
        """One control cycle. The follower returns by itself: no event and no timeout has to be handled here."""
        programmed = self._programmed
        self._command(programmed, self._follower.follow(programmed, self._moment()))
        if self._follower.check_gas and not self._check_gas:
            self.get_logger().warning("look at the shielding gas: pores are suspected")
        self._check_gas = self._follower.check_gas

    @property
    def _programmed(self) -> Values:
        """NaN: not commanded."""
        return values(value_of(self, f"programmed.{p.field}") if p in self._commanded else math.nan for p in PARAMETERS)

    def _command(self, programmed: Values, deltas: Values) -> None:
        message = Float64MultiArray(data=[programmed[p] + deltas[p] for p in self._commanded])
        message.layout.dim = [MultiArrayDimension(label=p.field, size=1, stride=1) for p in self._commanded]
        self._out.publish(message)

    def _liveliness_changed(self, event: Any) -> None:
        if event.alive_count == 0:
            self._complain("the gate is gone: back to the programmed setpoints")
        else:
            self.get_logger().info("the gate speaks")

    def _complain(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=LOG_INTERVAL_S)


def main() -> None:
    """Entry point of the executable ``advisory_follower_node``."""
    sys.exit(run_node(AdvisoryFollowerNode))


if __name__ == "__main__":
    main()
