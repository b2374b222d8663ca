"""The weld monitor as a lifecycle node: samples in, decisions out, everything else elsewhere.

configure loads and proves the model, activate subscribes and starts the worker, deactivate stops it, cleanup forgets
the model. Callbacks only convert and store; inference runs in :mod:`msstan_ros.worker`'s thread.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from msstan_core.errors import InputError
from msstan_core.paths import typed_path
from msstan_core.vocabulary import Modality
from msstan_msgs.srv import ReloadModel, ResetMonitor, TakeSnapshot
from msstan_ros.cell_adaptation import CellAdaptation
from msstan_ros.guarded_lifecycle import GuardedLifecycleNode, said
from msstan_ros.model_loading import MonitorFactory, MonitorLike, load_monitor, proven_monitor
from msstan_ros.monitor_outputs import MonitorOutputs
from msstan_ros.monitor_parameters import SPECS, MonitorSettings, model_dir_or_default, read_settings
from msstan_ros.monitor_session import MonitorSession
from msstan_ros.node_process import run_node
from msstan_ros.parameters import declare, value_of
from msstan_ros.service_work import answered, elsewhere
from msstan_ros.stamp_clock import StampClock

_NOT_CONFIGURED = "the monitor is not configured; configure it first"


class WeldMonitorNode(GuardedLifecycleNode):
    """See the module. The interface is described in docs/ros_interface.md.

    Args:
        make_monitor: makes the recogniser from the settings; the shipped one loads the model folder.
        arguments: passed on to rclpy's node (parameter overrides, context, ...).
    """

    def __init__(self, make_monitor: MonitorFactory = load_monitor, **arguments: Any) -> None:
        super().__init__("weld_monitor", **arguments)
        self._make_monitor = make_monitor
        self._settings: MonitorSettings | None = None
        self._monitor: MonitorLike | None = None
        self._session: MonitorSession | None = None
        self._hung: MonitorSession | None = None  #: ended, but its step did not
        self._outputs: MonitorOutputs | None = None
        self._aside = MutuallyExclusiveCallbackGroup()  # services that wait must not hold up the sensors
        declare(self, SPECS, may_configure=lambda: self._settings is None)
        # A rollback does not wait for a model that loads or a snapshot that is written.
        self._adaptation = CellAdaptation(self, MutuallyExclusiveCallbackGroup(), self._say_revision)
        self.stamp_clock = StampClock(self.get_clock())
        # For the node's whole life: a service that a cleanup destroys while it is awaited could not answer any more.
        for kind, name, callback in (
            (ReloadModel, "~/reload_model", self._reload_model),
            (ResetMonitor, "~/reset", self._reset),
            (TakeSnapshot, "~/snapshot", self._snapshot),
        ):
            self.create_service(kind, name, answered(self, callback), callback_group=self._aside)

    # -- lifecycle ----------------------------------------------------------------------------------------------

    @said
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; on bad input the node stays unconfigured and says why in one line."""
        try:
            settings = read_settings(self)
            monitor = proven_monitor(self._make_monitor, settings)
        except InputError as error:
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self._outputs = MonitorOutputs(self, value_of(self, "action_deadline_s"), self.stamp_clock)
        self._adaptation.begin(monitor, settings)
        self._monitor, self._settings = monitor, settings  # last: from here on it is configured
        listens = _labels(monitor.info.modalities)
        self.get_logger().info(f"{_in_words(monitor)}; listens to {listens}; {_alarms(monitor)}")
        self._say_unused(settings, monitor)
        return super().on_configure(state)

    @said
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start deciding, under a new session id."""
        assert self._settings is not None and self._monitor is not None and self._outputs is not None
        if self._hung is not None and self._hung.runs:
            self.get_logger().error("not activated: the step of the session before still runs; restart the process")
            return TransitionCallbackReturn.FAILURE
        result = super().on_activate(state)
        self._monitor.begin()
        self._outputs.begin_session(str(uuid.uuid4()))
        self._outputs.publish_model_info(self._monitor, self._revision)
        # What exists now stays. A full pass of the collector over it took 54 ms, nearly two camera frames.
        gc.collect()
        gc.freeze()
        self._session = MonitorSession(
            self, self._settings, self._monitor, self._outputs, self.stamp_clock, self._revision
        )
        return result

    def close(self) -> None:
        """Stop the threads; called when the process ends."""
        self.stop()
        self._adaptation.end()
        self.stamp_clock.close()

    def stop(self) -> None:
        """Stop deciding and unsubscribe; the model stays."""
        session, self._session = self._session, None
        if session is not None and not session.close():
            self._hung = session

    def release(self) -> None:
        """Stop, and forget the model."""
        self.stop()
        self._adaptation.end()
        gc.unfreeze()
        if self._outputs is not None:
            self._outputs.close()
        self._settings = self._monitor = self._outputs = None

    @property
    def _revision(self) -> int:
        return self._adaptation.revision

    def _say_unused(self, settings: MonitorSettings, monitor: MonitorLike) -> None:
        if unused := settings.modalities - monitor.info.modalities:
            self.get_logger().warning(f"this model was not trained on {_labels(unused)}: not subscribed")

    def _say_revision(self) -> None:
        """Other weights are in use; called in the thread that learns, or in a service."""
        if self._session is not None and self._monitor is not None and self._outputs is not None:
            self._outputs.publish_model_info(self._monitor, self._revision)

    # -- services -----------------------------------------------------------------------------------------------

    async def _reload_model(self, request: ReloadModel.Request, response: ReloadModel.Response) -> ReloadModel.Response:
        before = self._settings
        if before is None or self._monitor is None:
            response.success, response.message = False, _NOT_CONFIGURED
            return response
        response.model_revision, response.weights_sha256 = self._revision, self._monitor.info.weights_sha256
        try:
            named = request.model_dir or value_of(self, "model_dir")
            # Even to ask whether a folder exists may take minutes, on a share that does not answer.
            folder = await elsewhere(self, lambda: model_dir_or_default(named))
            settings = dataclasses.replace(before, model_dir=folder)
            monitor = await elsewhere(self, lambda: proven_monitor(self._make_monitor, settings))
        except InputError as error:
            self.get_logger().error(f"model not reloaded, the old one stays in use: {error}")
            response.success, response.message = False, str(error)
            return response
        if self._settings is not before:
            response.success, response.message = False, "the node was cleaned up meanwhile; ask again"
            return response

        def adopt() -> int:
            if self._settings is not before:
                raise InputError("the monitor", "was cleaned up meanwhile", "configure it, and ask again")
            self._adaptation.adopt(monitor, settings)
            self._settings, self._monitor = settings, monitor  # after what may fail
            return self._revision

        if (session := self._session) is None:
            adopt()
        else:
            try:
                await elsewhere(self, self._adaptation.pause_learning)
                await elsewhere(self, lambda: session.exchange(monitor, adopt))
            except InputError as error:
                response.success, response.message = False, str(error)
                return response
            finally:
                self._adaptation.resume_learning()  # with the old model, where no other one came
            if self._session is session and self._outputs is not None:  # else deactivated: it answers from the next on
                session.listen_to(monitor.info.modalities)
                self._outputs.publish_model_info(monitor, self._revision)
        response.success, response.message = True, f"{_in_words(monitor)}, from {folder}"
        response.model_revision, response.weights_sha256 = self._revision, monitor.info.weights_sha256
        self.get_logger().info(f"{response.message} is in use as revision {self._revision}")
        self._say_unused(settings, monitor)
        return response

    async def _reset(self, request: ResetMonitor.Request, response: ResetMonitor.Response) -> ResetMonitor.Response:
        if (session := self._session) is None:
            response.success, response.message = False, "the monitor is not active; activate it first"
            return response
        try:
            await elsewhere(self, session.reset)
        except InputError as error:
            response.success, response.message = False, str(error)
            return response
        self.get_logger().info(f"streaming state and counters reset ({request.reason or 'no reason given'})")
        response.success, response.message = True, "streaming state and counters reset"
        return response

    async def _snapshot(self, request: TakeSnapshot.Request, response: TakeSnapshot.Response) -> TakeSnapshot.Response:
        session, monitor, outputs = self._session, self._monitor, self._outputs
        if session is None or monitor is None or outputs is None:
            response.success, response.message = False, "the monitor is not active; activate it first"
            return response
        about: dict[str, object] = {
            "session_id": outputs.session_id,
            "model": f"{monitor.info.card.name} {monitor.info.card.version}",
            "model_revision": self._revision,
            "weights_sha256": monitor.info.weights_sha256,
        }
        try:
            named = request.directory or value_of(self, "snapshot.directory") or "."

            def write() -> Path:
                return session.history.write(typed_path(named).resolve(), request.duration_s, about)

            folder = await elsewhere(self, write)
        except InputError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message, response.path = True, "written", str(folder)
        self.get_logger().info(f"snapshot written to {folder}")
        return response


def _in_words(monitor: MonitorLike) -> str:
    info = monitor.info
    return (
        f"model {info.card.name} {info.card.version} ({info.card.config.size}) on {info.backend}, {info.provider}, "
        f"weights {info.weights_sha256[:12]}"
    )


def _alarms(monitor: MonitorLike) -> str:
    limits = monitor.info.card.limits_with(monitor.info.modalities)
    if limits is None:
        return "suspicions only, no alarms: no limits for these sensors (msstan calibrate)"
    if math.isnan(monitor.false_alarms_per_hour):
        return "alarms without a promise: events.alarm_onset_s is shorter than the one that their limits are set for"
    return f"alarms: at most {limits.false_alarms_per_hour:g} false ones an hour"


def _labels(modalities: Iterable[Modality]) -> str:
    return ", ".join(m.label for m in sorted(modalities))


def main() -> None:
    """Entry point of the executable ``weld_monitor_node``."""
    sys.exit(run_node(WeldMonitorNode))


if __name__ == "__main__":
    main()
