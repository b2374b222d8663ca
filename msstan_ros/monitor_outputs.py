"""The monitor's voice: its publishers, the numbering of its messages, and the time each takes to get out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from msstan_core.advisory.advice import Advice
from msstan_core.decision.result import Decision
from msstan_msgs.msg import WeldAction, WeldAnomaly, WeldModelInfo, WeldMonitorState, WeldParameterAdvisory
from msstan_ros import qos
from msstan_ros.advisory_messages import advisory_message
from msstan_ros.conversions import (
    action_message,
    anomaly_message,
    image_message,
    model_info_message,
    stamp_message,
)
from msstan_ros.health import Health
from msstan_ros.model_loading import MonitorLike
from msstan_ros.stamp_clock import StampClock


class MonitorOutputs:
    """Publishers of one configured monitor. Publishing is thread-safe in rclpy; each topic is used by one thread.

    Args:
        node: owner of the publishers; they speak only while it is active.
        action_deadline_s: promised longest gap on ``weld/action``.
        clock: for the pipeline latency.
    """

    def __init__(self, node: LifecycleNode, action_deadline_s: float, clock: StampClock) -> None:
        self._node = node
        self._clock = clock
        self._publishers: list[LifecyclePublisher] = []
        self._action = self._make(WeldAction, "weld/action", qos.action(action_deadline_s))
        self._anomaly = self._make(WeldAnomaly, "weld/anomaly", qos.ANOMALY)
        self._advisory = self._make(WeldParameterAdvisory, "weld/advisory", qos.ADVISORY)
        self._state = self._make(WeldMonitorState, "weld/state", qos.STATE)
        self._model_info = self._make(WeldModelInfo, "weld/model_info", qos.MODEL_INFO)
        self._attention = self._make(Image, "weld/attention", qos.OVERLAY)
        self._diagnostics = self._make(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        self.begin_session("")

    def begin_session(self, session_id: str) -> None:
        """Number messages from 0 again, under a new name."""
        self.session_id = session_id
        self._next_action = self._next_anomaly = self._next_advice = self._next_state = 0

    def publish_decision(self, decision: Decision, model_revision: int) -> float:
        """Publish action, anomaly events and, where somebody looks, the attention map.

        Returns:
            Seconds from the decision's stamp to publication; NaN where the clocks do not agree.
        """
        decision = dataclasses.replace(decision, model_revision=model_revision)
        latency_s = self._clock.latency_s(decision.stamp_ns)
        if bool(np.any(decision.valid)):  # a tick without valid input is no statement; weld/state says STALE
            self._action.publish(action_message(decision, self.session_id, self._next_action, latency_s))
            self._next_action += 1
        self.publish_events(decision, model_revision)
        if decision.attention is not None and self._attention.get_subscription_count() > 0:
            attention = decision.attention.astype(np.float32, copy=False)
            self._attention.publish(image_message(attention, "32FC1", decision.stamp_ns, decision.frame_id))
        return latency_s

    def publish_events(self, decision: Decision, model_revision: int) -> None:
        """Publish the events of a decision alone."""
        decision = dataclasses.replace(decision, model_revision=model_revision)
        for event in decision.events:
            self._anomaly.publish(anomaly_message(event, decision, self.session_id, self._next_anomaly))
            self._next_anomaly += 1

    def publish_advice(self, advice: Advice, frame_id: str, model_revision: int) -> None:
        """Number an advice and publish it."""
        numbered = dataclasses.replace(
            advice, session_id=self.session_id, sequence_id=self._next_advice, model_revision=model_revision
        )
        self._advisory.publish(advisory_message(numbered, frame_id))
        self._next_advice += 1

    def publish_model_info(self, monitor: MonitorLike, model_revision: int) -> None:
        """Say what runs now."""
        now, promised = self._node.get_clock().now().nanoseconds, monitor.false_alarms_per_hour
        self._model_info.publish(model_info_message(monitor.info, now, self.session_id, model_revision, promised))

    def publish_state(self, model_revision: int, health: Health, message: str, **fields: Any) -> None:
        """One heartbeat; ``fields`` are the other fields of ``WeldMonitorState``."""
        state = WeldMonitorState(
            session_id=self.session_id,
            sequence_id=self._next_state,
            model_revision=model_revision,
            health=int(health),
            message=message,
            **fields,
        )
        state.header.stamp = stamp_message(self._node.get_clock().now().nanoseconds)
        self._state.publish(state)
        self._next_state += 1

    def publish_diagnostics(self, message: DiagnosticArray) -> None:
        """The same for robot dashboards."""
        self._diagnostics.publish(message)

    def close(self) -> None:
        """Remove the publishers."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def _make(self, message_type: type[Any], topic: str, profile: QoSProfile) -> LifecyclePublisher:
        name = self._node.resolve_topic_name(topic)
        report = qos.incompatibility_reporter(name, self._node.get_logger().error)
        events = PublisherEventCallbacks(incompatible_qos=report)
        publisher = self._node.create_lifecycle_publisher(message_type, topic, profile, event_callbacks=events)
        self._publishers.append(publisher)
        return publisher
