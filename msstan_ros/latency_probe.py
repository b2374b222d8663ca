"""Listens to the monitor's results and notes how old each is when it arrives, and what is missing between them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_msgs.msg import WeldAction, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import stamp_nanoseconds
from msstan_ros.node_thread import BackgroundNode


@dataclass(frozen=True, slots=True)
class Heard:
    """Results of a stretch of time, one row a ``weld/action``."""

    arrived_ns: NDArray[np.int64]  #: [N] wall clock
    stamp_ns: NDArray[np.int64]  #: [N] of the frame that the result is about
    sequence: NDArray[np.int64]  #: [N]
    inference_s: NDArray[np.float64]  #: [N]

    def latency_ms(self) -> NDArray[np.float64]:
        """[N] acquisition of the frame to arrival of the result."""
        return (self.arrived_ns - self.stamp_ns) / 1e6

    def lost_results(self) -> int:
        """Results that were published and did not arrive."""
        return int(np.maximum(np.diff(self.sequence) - 1, 0).sum())

    def frames_without_result(self, rate_hz: float) -> int:
        """Camera frames about which nothing was said, from holes between the stamps."""
        periods = np.diff(self.stamp_ns) * rate_hz / NANOSECONDS_PER_SECOND
        return int(np.maximum(np.rint(periods) - 1, 0).sum())


class LatencyProbe(BackgroundNode):
    """Subscribes to ``weld/action`` and ``weld/state``; a context manager."""

    def __init__(self) -> None:
        super().__init__("latency_probe")
        self._lock = threading.Lock()
        self._rows: list[tuple[int, int, int, float]] = []
        self.first = threading.Event()  #: set at the first result
        self.first_ns = 0  #: wall clock of it
        self.state: WeldMonitorState | None = None  #: newest heartbeat
        self.node.create_subscription(WeldAction, "weld/action", self._take_action, qos.RESULT_READER)
        self.node.create_subscription(WeldMonitorState, "weld/state", self._take_state, qos.RESULT_READER)

    def take(self) -> Heard:
        """What was heard since the last call."""
        with self._lock:
            rows, self._rows = self._rows, []
        columns: list[tuple[float, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 4
        arrived, stamps, sequence = (np.array(c, np.int64) for c in columns[:3])
        return Heard(arrived, stamps, sequence, np.array(columns[3], np.float64))

    def _take_action(self, message: WeldAction) -> None:
        now = time.time_ns()
        row = (now, stamp_nanoseconds(message.header.stamp), message.sequence_id, message.inference_latency_s)
        with self._lock:
            self._rows.append(row)
        if not self.first.is_set():
            self.first_ns = now
            self.first.set()

    def _take_state(self, message: WeldMonitorState) -> None:
        self.state = message
