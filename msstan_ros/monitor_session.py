"""What runs while the monitor is active: samples to ticks to decisions, and the heartbeat beside it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from msstan_core.alignment import TickAligner
from msstan_core.decision.result import Decision
from msstan_core.observation import NANOSECONDS_PER_SECOND, Sample, Tick, WeldContext
from msstan_core.vocabulary import MODALITIES, Action, Modality
from msstan_ros.advisory_source import AdvisorySource
from msstan_ros.diagnostics import diagnostics_message
from msstan_ros.health import HUNG_STEP_S, Health, InputHealth, assess, undecided_limit_s
from msstan_ros.input_streams import InputStreams
from msstan_ros.model_loading import MonitorLike
from msstan_ros.monitor_outputs import MonitorOutputs
from msstan_ros.monitor_parameters import MonitorSettings
from msstan_ros.node_process import last_word
from msstan_ros.parameters import value_of
from msstan_ros.recent_figures import RecentFigures
from msstan_ros.session_values import processing_values, sensor_values
from msstan_ros.snapshot import DecisionHistory
from msstan_ros.stamp_clock import DISAGREEMENT_S, StampClock
from msstan_ros.worker import InferenceWorker

#: Time between two messages on /diagnostics, s.
DIAGNOSTICS_PERIOD_S = 1.0
#: The same inference failure is logged at most this often, s.
LOG_INTERVAL_S = 5.0


class MonitorSession:
    """Aligner, worker, subscriptions and heartbeat of one activation; runs from construction to :meth:`close`.

    Args:
        node: owner of subscriptions and timers.
        settings: how to listen and align.
        monitor: the recogniser, freshly reset.
        outputs: where decisions and heartbeats go.
        clock: the stamps' clock.
        revision: of the weights in use.
    """

    def __init__(
        self,
        node: Node,
        settings: MonitorSettings,
        monitor: MonitorLike,
        outputs: MonitorOutputs,
        clock: StampClock,
        revision: int,
    ) -> None:
        self._node, self._settings, self._outputs = node, settings, outputs
        self._monitor, self._own_revision, self._clock = monitor, revision, clock
        self._aligner = TickAligner(settings.alignment)
        self._advice = AdvisorySource(settings.procedures, settings.advisory, node.get_logger())
        self._figures = RecentFigures()
        self._limits_s = {m: 2 * getattr(settings.alignment.staleness_s, m.label) for m in MODALITIES}
        self._undecided_limit_s = undecided_limit_s(settings.alignment)
        self._undecided_since: float | None = None  #: monotonic, of the first sample since the last decision
        self._newest: Decision | None = None  #: since the last reset
        self._last: Decision | None = None  #: of the session
        self._frames_held = 0  #: ticks whose camera frame was not worth the backbone
        self._health = Health.UNKNOWN
        self.history = DecisionHistory(settings.snapshot_seconds)
        self._worker = InferenceWorker(
            poll=lambda: self._aligner.poll(latest_only=True),
            step=lambda tick: self._monitor.step(tick),
            deliver=self._deliver,
            failed=self._failed,
            recover=lambda: self._monitor.reset(),
        )
        self._streams = InputStreams(
            node, monitor.info.modalities, settings.scaling, self._accept, settings.camera_transport
        )
        self._streams.open()
        # Heartbeats keep coming while simulated time stands still: they run on the steady clock.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers = [
            node.create_timer(1 / value_of(node, "state_rate_hz"), self._heartbeat, clock=steady),
            node.create_timer(DIAGNOSTICS_PERIOD_S, self._diagnose, clock=steady),
        ]
        self._worker.start()  # last: where anything before fails, no thread is left

    def close(self) -> bool:
        """Stop listening, deciding and the heartbeat; events that are open are cleared in this session.

        Returns:
            False while the running step does not end: it works on the monitor, which nobody else may use meanwhile.
        """
        self._streams.close()
        for timer in self._timers:
            self._node.destroy_timer(timer)
        if not self._worker.stop():
            self._node.get_logger().error("the inference thread does not end; restart the process")
            return False
        left = self._monitor.leave()
        if self._last is not None:
            closing = dataclasses.replace(self._last, events=left.cleared)
            last_word(self._node, lambda: self._outputs.publish_events(closing, self._revision))
        return True

    @property
    def runs(self) -> bool:
        """Whether its thread lives, also after :meth:`close`."""
        return self._worker.runs

    def exchange(self, monitor: MonitorLike, adopt: Callable[[], int]) -> None:
        """Go on with another model from the next tick. Waits for the running step: not for the executor's thread.

        Args:
            monitor: freshly reset.
            adopt: called between the two models' ticks; returns the revision of the new one. If it fails, the old
                model stays.

        Raises:
            InputError: inference hangs, or the session ended; the old model stays.
        """

        def swap() -> None:
            self._own_revision = adopt()
            before, self._monitor = self._monitor, monitor  # at once: whatever fails, node and session have one model
            monitor.succeed(before.leave())
            self._advice.reset()

        self._worker.between_steps(swap, HUNG_STEP_S)

    def listen_to(self, modalities: frozenset[Modality]) -> None:
        """Subscribe to these sensors only; for the executor's thread."""
        self._streams.listen_to(modalities)

    def reset(self) -> None:
        """Forget the streaming state and the counters; the weld context, which is sent once per job, stays.

        Waits for the running step: not for the executor's thread.

        Raises:
            InputError: inference hangs, or the session ended; nothing is forgotten.
        """

        def forget() -> None:
            before, context = self._aligner, self._aligner.context
            self._aligner = TickAligner(self._settings.alignment, context)
            if (said := before.context) is not context:  # meanwhile: it comes once per job
                self._aligner.push(said)
            self._monitor.reset()
            self._advice.reset()
            self._figures = RecentFigures()
            self._streams.forget()
            self._newest, self._frames_held, self._undecided_since = None, 0, None
            self._worker.status.failures = 0
            self._worker.status.last_failure = ""

        self._worker.between_steps(forget, HUNG_STEP_S)

    @property
    def _revision(self) -> int:
        adapter = self._monitor.adapter
        return self._own_revision if adapter is None else adapter.correction.revision

    # -- executor's thread --------------------------------------------------------------------------------------

    def _accept(self, sample: Sample) -> None:
        if self._undecided_since is None and not isinstance(sample, WeldContext):
            self._undecided_since = time.monotonic()
        self._aligner.push(sample)
        self._worker.notify()

    def _heartbeat(self) -> None:
        inputs = self._inputs()
        camera_unused = any(entry.unused for entry in inputs if entry.modality is Modality.CAMERA)
        self._streams.look_for_camera(enters=not camera_unused)
        health, reason = self._assess(inputs)
        if health is not self._health:
            if health is Health.OK:  # also when it gets better: both ends are in the log
                self._node.get_logger().info("OK: every expected sensor delivers, inference keeps up")
            else:
                self._node.get_logger().warning(f"{health.name}: {reason}")
            self._health = health
        deciding = health in (Health.OK, Health.DEGRADED)
        statistics = self._aligner.statistics.modality
        rate, i50, i99, _, _ = self._figures.latencies()
        valid = [False] * len(MODALITIES)
        for entry in inputs:
            valid[entry.modality] = entry.enters
        self._outputs.publish_state(
            self._revision,
            health,
            reason,
            action=int(self._newest.action) if deciding and self._newest is not None else int(Action.UNKNOWN),
            input_age_s=[self._input_age_s(m) for m in MODALITIES],
            input_valid=valid,
            received=[statistics[m].received + self._malformed(m) for m in MODALITIES],
            dropped=[
                statistics[m].dropped + statistics[m].out_of_order + statistics[m].gaps + self._malformed(m)
                for m in MODALITIES
            ],
            tick_rate_hz=rate,
            inference_latency_p50_s=i50,
            inference_latency_p99_s=i99,
        )

    def _assess(self, inputs: list[InputHealth]) -> tuple[Health, str]:
        status, statistics = self._worker.status, self._aligner.statistics
        now, busy_since, undecided_since = time.monotonic(), status.busy_since, self._undecided_since
        return assess(
            inputs,
            failure=status.last_failure,
            thread_ended=not self._worker.runs,
            step_running_s=0.0 if busy_since is None else now - busy_since,
            undecided_s=0.0 if undecided_since is None else now - undecided_since,
            undecided_limit_s=self._undecided_limit_s,
            skipped_share=self._figures.skipped_share(statistics.ticks, statistics.skipped),
            degraded=self._newest.degraded if self._newest is not None else (),
        )

    def _inputs(self) -> list[InputHealth]:
        """State of every expected sensor, from its messages and from what the decisions made of them."""
        unused = self._figures.unused()
        found = self._streams.health(self._limits_s)
        return [
            dataclasses.replace(
                entry, unused=unused.get(entry.modality, ""), late_s=self._input_age_s(entry.modality) - entry.silent_s
            )
            if entry.silent_s is not None
            else entry
            for entry in found
        ]

    def _malformed(self, modality: Modality) -> int:
        arrivals = self._streams.arrivals.get(modality)
        return arrivals.malformed if arrivals is not None else 0

    def _input_age_s(self, modality: Modality) -> float:
        """By the node's clock; by arrival where that clock is not the stamps' (a recording without simulated time)."""
        arrivals = self._streams.arrivals.get(modality)
        newest = self._aligner.statistics.modality[modality].newest_stamp_ns
        if arrivals is None or arrivals.last is None:
            return math.nan
        since_arrival = time.monotonic() - arrivals.last
        if newest is None:
            return since_arrival
        age = (self._clock.now_ns() - newest) / NANOSECONDS_PER_SECOND
        return age if abs(age - since_arrival) < DISAGREEMENT_S else since_arrival

    def _promised(self) -> float | str:
        """What the alarms keep to with the sensors of the newest decision."""
        rate = self._newest.false_alarms_per_hour if self._newest is not None else math.nan
        return rate if math.isfinite(rate) else "none: no alarm limits for these sensors"

    def _diagnose(self) -> None:
        health, reason = self._assess(self._inputs())
        values = {
            **processing_values(self._figures, self._aligner.statistics, self._worker.status),
            "camera frames held (sampling)": self._frames_held,
            "false alarms promised (1/h)": self._promised(),
            "model revision": self._revision,
            **sensor_values(self._aligner.statistics, self._streams.arrivals),
        }
        info = self._monitor.info
        stamp = self._node.get_clock().now().to_msg()
        name = f"{self._node.get_fully_qualified_name()}: inference"
        self._outputs.publish_diagnostics(
            diagnostics_message(name, health, reason, values, stamp, f"{info.card.name} {info.card.version}")
        )

    # -- worker's thread ----------------------------------------------------------------------------------------

    def _deliver(self, tick: Tick, decision: Decision) -> None:
        if not self._node.context.ok():
            return  # the process is ending; nobody can be told any more
        if tick.restarted:
            self._node.get_logger().warning("time jumped back: streaming state reset")
        revision = self._own_revision if self._monitor.adapter is None else decision.model_revision
        latency_s = self._outputs.publish_decision(decision, revision)
        if (advice := self._advice.advise(tick, decision)) is not None:
            self._outputs.publish_advice(advice, decision.frame_id, revision)
        self._figures.add(decision.inference_ms / 1e3, latency_s, decision.valid, decision.age_s)
        self.history.add(tick, decision)
        self._newest = self._last = decision
        if decision.valid.any():  # about nothing, it is no statement
            self._undecided_since = None
        self._frames_held += not decision.looked

    def _failed(self, error: Exception) -> None:
        if self._node.context.ok():
            self._node.get_logger().error(
                f"inference failed at this tick, state reset: {type(error).__name__}: {error}",
                throttle_duration_sec=LOG_INTERVAL_S,
            )
