"""Listens to a weld with the loop closed over DDS; makes the same record of it as the loop in one process does."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from msstan_core.advisory.gate_output import GateState
from msstan_core.advisory.parameters import Values, values
from msstan_core.advisory.wps import Wps
from msstan_core.closed_loop.loop import Cycle, WeldRecord
from msstan_core.observation import NANOSECONDS_PER_SECOND
from msstan_core.recordings.annotations import Annotation
from msstan_msgs.msg import WeldAnomaly, WeldContext, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advice_from_message
from msstan_ros.conversions import stamp_nanoseconds


class AdvisoryRecorder:
    """Use as a context manager around one weld; in an rclpy context of its own."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self._node = rclpy.create_node("advisory_recorder", context=self._context, enable_rosout=False)
        self._gated: list[WeldParameterAdvisory] = []
        self._anomalies: list[WeldAnomaly] = []
        self._jobs: list[WeldContext] = []
        for kind, topic, profile, heard in (
            (WeldParameterAdvisory, "weld/advisory_gated", qos.RESULT_READER, self._gated),
            (WeldAnomaly, "weld/anomaly", qos.ANOMALY, self._anomalies),
            (WeldContext, "weld/context", qos.CONTEXT, self._jobs),
        ):
            self._node.create_subscription(kind, topic, heard.append, profile)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.try_shutdown()
        self._thread.join(2.0)
        self._executor.shutdown(timeout_sec=1.0)

    def record(self, wps: Wps, seam_m: float, truth: list[Annotation]) -> WeldRecord | None:
        """What was heard, against the truth; None when no weld was heard. After the ``with`` block.

        Args:
            wps: in force. seam_m: welded. truth: in s from the stamp of the weld context.
        """
        if not self._jobs:
            return None
        start_ns = stamp_nanoseconds(self._jobs[0].header.stamp)

        def seconds(stamp_ns: int) -> float:
            return (stamp_ns - start_ns) / NANOSECONDS_PER_SECOND

        record = WeldRecord(wps, seam_m, 0.0, annotations=truth)
        for message in self._gated:
            advice = advice_from_message(message)
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

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return  # __exit__ shut the context down
