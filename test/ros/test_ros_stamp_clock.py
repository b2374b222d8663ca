import math
import time

import pytest
from live import Spinner, until
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from msstan_ros import qos
from msstan_ros.conversions import stamp_message
from msstan_ros.stamp_clock import StampClock


def test_on_wall_time_a_latency_is_the_time_since_the_stamp(spinner: Spinner) -> None:
    clock = StampClock(spinner.peer().get_clock())
    stamp = time.time_ns() - 20_000_000
    assert 0.02 <= clock.latency_s(stamp) < 5
    clock.close()


@pytest.mark.parametrize("offset_s", [-3600.0, 3600.0])
def test_a_stamp_of_another_clock_gives_no_latency(spinner: Spinner, offset_s: float) -> None:
    clock = StampClock(spinner.peer().get_clock())
    assert math.isnan(clock.latency_s(time.time_ns() + int(offset_s * 1e9)))
    clock.close()


def test_simulated_time_runs_on_between_its_messages_but_never_past_the_next(spinner: Spinner) -> None:
    node = spinner.peer()
    node.set_parameters([Parameter("use_sim_time", value=True)])
    source = spinner.peer("time_source")
    publisher = source.create_publisher(Clock, "/clock", qos.CLOCK)
    clock = StampClock(node.get_clock())
    assert until(lambda: publisher.get_subscription_count() > 0)
    for step in range(1, 6):
        publisher.publish(Clock(clock=stamp_message(step * 100_000_000)))
        assert until(lambda step=step: node.get_clock().now().nanoseconds == step * 100_000_000)
        time.sleep(0.05)
    readings = [clock.now_ns() for _ in range(3)]
    assert readings == sorted(readings)
    assert readings[0] > 500_000_000, "the clock stood still between two messages"
    time.sleep(0.3)
    assert clock.now_ns() <= 600_000_000
    assert clock.latency_s(480_000_000) == pytest.approx(0.12, abs=1e-6)
    publisher.publish(Clock(clock=stamp_message(1_000_000)))  # a recording starts again
    assert until(lambda: clock.now_ns() < 100_000_000)
    clock.close()
