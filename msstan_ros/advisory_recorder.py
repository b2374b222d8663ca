"""Listens to a weld with the loop closed over DDS; makes the same record of it as the loop in one process does."""

from __future__ import annotations

import math
import statistics
import time

from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock

from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.parameters import Values, values
from msstan_core.advisory.wps import Wps
from msstan_core.closed_loop.loop import Cycle, WeldRecord
from msstan_core.closed_loop.timing import Timing
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.recordings.annotations import Annotation
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldContext, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advice_from_message
from msstan_ros.conversions import stamp_nanoseconds
from msstan_ros.health import Health
from msstan_ros.node_thread import BackgroundNode


class AdvisoryRecorder(BackgroundNode):
    """Use as a context manager around one weld.

    Args:
        domain: ROS domain to listen in; None: that of ``ROS_DOMAIN_ID``.
    """

    def __init__(self, domain: int | None = None) -> None:
        super().__init__("advisory_recorder", domain=domain)
        self._gated: list[WeldParameterAdvisory] = []
        self._anomalies: list[WeldAnomaly] = []
        self._delays_s: list[float] = []  #: each anomaly's, from its stamp to its arrival, by the cell's clock
        self._ages_s: list[float] = []  #: each decision's, in the same way
        self._not_ok: list[bool] = []  #: each heartbeat's, while the cell tells the time
        self._clock_ns = 0
        self._first: tuple[int, float] | None = None  #: of the cell's clock and the steady one
        self._last: tuple[int, float] | None = None
        self._jobs: list[WeldContext] = []
        for kind, topic, profile, heard in (
            (WeldParameterAdvisory, "weld/advisory_gated", qos.RESULT_READER, self._gated),
            (WeldContext, "weld/context", qos.CONTEXT, self._jobs),
        ):
            self.node.create_subscription(kind, topic, heard.append, profile)
        self.node.create_subscription(WeldAnomaly, "weld/anomaly", self._suspected, qos.ANOMALY)
        self.node.create_subscription(WeldAction, "weld/action", self._decided, qos.RESULT_READER)
        self.node.create_subscription(WeldMonitorState, "weld/state", self._beaten, qos.RESULT_READER)
        self.node.create_subscription(Clock, "/clock", self._time, qos.CLOCK)

    def record(self, wps: Wps, seam_m: float, truth: list[Annotation]) -> WeldRecord | None:
        """What was heard, against the truth; None when no weld was heard. After the ``with`` block.

        Args:
            wps: in force. seam_m: welded. truth: in s from the stamp of the weld context.

        Its latency is the median from a tick's stamp to the arrival of an anomaly, by the cell's clock; 0 where
        nothing told the time.
        """
        if not self._jobs:
            return None
        start_ns = stamp_nanoseconds(self._jobs[0].header.stamp)

        def seconds(stamp_ns: int) -> float:
            return (stamp_ns - start_ns) / NANOSECONDS_PER_SECOND

        latency_s = statistics.median(self._delays_s) if self._delays_s else 0.0
        record = WeldRecord(wps, seam_m, latency_s, annotations=truth)
        for message in self._gated:
            advice = advice_from_message(message)
            if advice.stamp_ns < start_ns:  # the gate speaks before the cell tells the time
                continue
            deltas: Values = values(d if d == d else 0.0 for d in advice.deltas)  # NaN: not adjusted
            active = any(deltas) or advice.check_gas
            record.cycles.append(
                Cycle(
                    time_s=seconds(advice.stamp_ns),
                    gated=deltas,
                    applied=deltas,
                    state=GateState.ADVISING if active else GateState.PROGRAMMED,
                    cause_event_id=advice.cause_event_id,
                    cause_iso_code=advice.cause_iso_code,
                    welding=True,
                    check_gas=advice.check_gas,
                )
            )
        record.suspected = [
            (seconds(stamp_nanoseconds(m.header.stamp)), int(m.event_id), int(m.iso_6520_1_code))
            for m in self._anomalies
            if m.phase == WeldAnomaly.ONSET
        ]
        return record

    def timing(self) -> Timing:
        """How late decisions came and how the monitor felt, while the cell told the time. After the ``with`` block."""
        pace = math.nan
        if self._first is not None and self._last is not None and self._last[1] > self._first[1]:
            (first_ns, began_s), (last_ns, ended_s) = self._first, self._last
            pace = (last_ns - first_ns) / NANOSECONDS_PER_SECOND / (ended_s - began_s)
        return Timing.of(self._ages_s, self._not_ok, pace)

    def _age_s(self, stamp: Time) -> float:
        return (self._clock_ns - stamp_nanoseconds(stamp)) / NANOSECONDS_PER_SECOND

    def _suspected(self, message: WeldAnomaly) -> None:
        self._anomalies.append(message)
        if self._clock_ns:
            self._delays_s.append(self._age_s(message.header.stamp))

    def _decided(self, message: WeldAction) -> None:
        if self._clock_ns:
            self._ages_s.append(self._age_s(message.header.stamp))

    def _beaten(self, message: WeldMonitorState) -> None:
        if self._clock_ns:  # before, and there is nothing to see
            self._not_ok.append(message.health != Health.OK)

    def _time(self, message: Clock) -> None:
        self._clock_ns = stamp_nanoseconds(message.clock)
        self._last = (self._clock_ns, time.monotonic())
        self._first = self._first or self._last
