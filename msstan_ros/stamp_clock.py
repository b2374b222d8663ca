"""The node's clock, fine enough to measure latencies with, on wall time and on simulated time alike."""

from __future__ import annotations

import math
import threading
import time

from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.duration import Duration

from msstan_core.observation import NANOSECONDS_PER_SECOND

#: A stamp further than this from the node's clock was made by another clock, s.
DISAGREEMENT_S = 10.0
#: A stamp this far in the future is jitter between two machines' clocks, s; more is disagreement.
FUTURE_TOLERANCE_S = 0.005
#: The rate of simulated time is measured over stretches at least this long, s; single steps jitter too much.
RATE_STRETCH_S = 0.5
#: What the longest recent step between two /clock messages shrinks by at every message.
STEP_DECAY = 0.98


class StampClock:
    """Now, in the time base of the stamps.

    Simulated time (``use_sim_time``) stands still between two ``/clock`` messages, 10 ms at the usual 100 Hz, which is
    as much as a whole decision takes. Between them this clock runs on with the steady clock, at the rate at which
    ``/clock`` has been running, and not further than the longest recent step between two messages. It is late by what a
    ``/clock`` message takes to arrive, a millisecond or two.

    Args:
        clock: the node's ROS clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._simulated_ns: int | None = None
        self._seen_at_ns = 0
        self._longest_step_ns = 0.0
        self._rate = 1.0
        self._stretch_began = (0, 0)  # simulated and steady ns
        threshold = JumpThreshold(min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1))
        self._jumps = clock.create_jump_callback(threshold, post_callback=self._advanced)

    def now_ns(self) -> int:
        """Nanoseconds in the time base of the stamps."""
        if not getattr(self._clock, "ros_time_is_active", False):
            return int(self._clock.now().nanoseconds)
        with self._lock:
            if self._simulated_ns is None:
                return int(self._clock.now().nanoseconds)
            elapsed = (time.monotonic_ns() - self._seen_at_ns) * self._rate
            return self._simulated_ns + int(min(elapsed, self._longest_step_ns))

    def latency_s(self, stamp_ns: int) -> float:
        """Time since ``stamp_ns`` in seconds; NaN when the stamp cannot come from this clock."""
        latency = (self.now_ns() - stamp_ns) / NANOSECONDS_PER_SECOND
        if not -FUTURE_TOLERANCE_S <= latency <= DISAGREEMENT_S:
            return math.nan
        return max(latency, 0.0)

    def close(self) -> None:
        """Stop following ``/clock``."""
        self._jumps.unregister()

    def _advanced(self, jump: TimeJump) -> None:
        """``/clock`` moved on (or back): called by rclpy at every message of it."""
        simulated_ns, steady_ns = int(self._clock.now().nanoseconds), time.monotonic_ns()
        with self._lock:
            step_ns = 0 if self._simulated_ns is None else simulated_ns - self._simulated_ns
            if 0 < step_ns < NANOSECONDS_PER_SECOND:
                self._longest_step_ns = max(float(step_ns), STEP_DECAY * self._longest_step_ns)
                began_simulated, began_steady = self._stretch_began
                if steady_ns - began_steady >= RATE_STRETCH_S * NANOSECONDS_PER_SECOND:
                    self._rate = (simulated_ns - began_simulated) / (steady_ns - began_steady)
                    self._stretch_began = (simulated_ns, steady_ns)
            else:  # the first message, or time was set
                self._longest_step_ns, self._rate = 0.0, 1.0
                self._stretch_began = (simulated_ns, steady_ns)
            self._simulated_ns, self._seen_at_ns = simulated_ns, steady_ns
