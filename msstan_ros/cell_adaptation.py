"""Online adaptation of the live monitor: services, the thread that learns, and what is said about it.

The rules are :class:`msstan_core.adaptation.adapter.Adapter`'s. Nothing here runs in the thread that answers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from msstan_core.adaptation.adapter import Adapter
from msstan_core.adaptation.feedback import Feedback
from msstan_core.adaptation.learning_thread import BackgroundAdaptation
from msstan_core.adaptation.opening import open_adapter
from msstan_core.adaptation.revisions import RevisionCounter, RevisionStore
from msstan_core.adaptation.status import AdaptationStatus
from msstan_core.errors import InputError
from msstan_core.vocabulary import Action
from msstan_msgs.srv import LabelSpan, SetAdaptation
from msstan_ros import qos
from msstan_ros.conversions import stamp_nanoseconds
from msstan_ros.model_loading import MonitorLike
from msstan_ros.monitor_parameters import MonitorSettings
from msstan_ros.node_process import last_word
from msstan_ros.service_work import answered, elsewhere

#: Time between two statements on ``~/adaptation_state``, s; changes are said at once.
STATE_PERIOD_S = 1.0

_NO_MODEL = InputError("adaptation", "no model is loaded", "configure the monitor")


class CellAdaptation:
    """Learns from configure to cleanup, :meth:`begin` to :meth:`end`; its services live as long as the node.

    Args:
        node: owner of services and publisher. group: of what waits for the disk: feedback, and the state.
        changed: called after other weights came into use, in whatever thread that was.
    """

    def __init__(self, node: Node, group: CallbackGroup, changed: Callable[[], None]) -> None:
        self._node, self._group, self._changed = node, group, changed
        self._counter = RevisionCounter()
        self._store: RevisionStore | None = None
        self._adapter: Adapter | None = None
        self._refusal = _NO_MODEL
        self._background: BackgroundAdaptation | None = None
        self._timer: Timer | None = None
        self._publish = node.create_publisher(DiagnosticStatus, "~/adaptation_state", qos.MODEL_INFO).publish
        node.create_service(LabelSpan, "~/feedback", answered(node, self._label), callback_group=group)
        commands = MutuallyExclusiveCallbackGroup()  # a rollback does not wait for feedback that is written down
        node.create_service(SetAdaptation, "~/adaptation", answered(node, self._command), callback_group=commands)

    @property
    def revision(self) -> int:
        """Of the weights in use."""
        return self._counter.current if self._adapter is None else self._adapter.correction.revision

    def begin(self, monitor: MonitorLike, settings: MonitorSettings) -> None:
        """Take up a freshly loaded model; its revision is 1, or follows those of the folder."""
        self._counter = RevisionCounter()
        self.adopt(monitor, settings)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self._node.create_timer(STATE_PERIOD_S, self._say_state, callback_group=self._group, clock=steady)

    def adopt(self, monitor: MonitorLike, settings: MonitorSettings) -> None:
        """Go on with another model, which begins with its shipped weights under the next number.

        A model without a guard set works as ever, as one whose folder is in use does; asked to adapt, it says why it
        does not.
        """
        self._stop_learning()
        info = monitor.info
        try:
            adapter = open_adapter(
                settings.model_dir,
                info.card,
                info.weights_sha256,
                settings.adaptation,
                self._opened(settings.adaptation_folder),
                self._counter,
            )
        except InputError as error:
            self._adapter, self._refusal = None, error
            self._counter.advance()
            if settings.adaptation.enabled or settings.adaptation_folder is not None:
                self._node.get_logger().warning(f"nothing is adapted or restored: {error}")
            return
        if settings.adaptation.enabled and not adapter.status.adapting:
            self._node.get_logger().warning("adaptation is frozen by an earlier command or fault: ENABLE learns on")
        monitor.adapter = self._adapter = adapter
        self._learn_with(adapter)

    def _learn_with(self, adapter: Adapter) -> None:
        self._background = BackgroundAdaptation(adapter, self._learnt, self._failed)
        self._background.start()

    def _opened(self, folder: Path | None) -> RevisionStore | None:
        """The store until cleanup: of what the disk refused the next model must know, too."""
        if self._store is None and folder is not None:
            self._store = RevisionStore(folder)
        return self._store

    def pause_learning(self) -> None:
        """Learn nothing more from the head in use, which goes on answering. Waits for the step and the disk under way:
        to be done before :meth:`adopt` is, which the answering thread waits for.
        """
        self._stop_learning()

    def resume_learning(self) -> None:
        """Go on after :meth:`pause_learning`, where no other model came."""
        if self._adapter is not None and self._background is None:
            self._learn_with(self._adapter)

    def end(self) -> None:
        """Stop learning and give the folder back; the last state that late readers get says so."""
        self._stop_learning()
        if self._store is not None:
            self._store.close()
        self._adapter, self._store, self._refusal = None, None, _NO_MODEL
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            last_word(self._node, lambda: self._publish(self._state()))

    def _stop_learning(self) -> None:
        if self._background is not None:
            self._background.close()
            self._background = None

    # -- thread that learns -------------------------------------------------------------------------------------

    def _learnt(self, change: str) -> None:
        if self._node.context.ok():
            self._node.get_logger().info(change)
            self._changed()

    def _failed(self, error: Exception) -> None:
        if self._node.context.ok():
            self._node.get_logger().error(f"adaptation: {error}", throttle_duration_sec=5.0)

    # -- services -----------------------------------------------------------------------------------------------

    async def _label(self, request: LabelSpan.Request, response: LabelSpan.Response) -> LabelSpan.Response:
        background = self._background
        try:
            adapter = self._able()
            taken = await elsewhere(self._node, lambda: adapter.take(_feedback(request)))
            response.labelled_ticks, response.message = taken
            response.success = True
        except InputError as error:
            response.success, response.message = False, str(error)
        if response.success and background is not None:
            background.wake()
        return response

    async def _command(
        self, request: SetAdaptation.Request, response: SetAdaptation.Response
    ) -> SetAdaptation.Response:
        before, adapter = self.revision, self._adapter
        try:
            able = self._able()
            status = await elsewhere(self._node, lambda: _carry_out(able, request))
            response.success, response.adapting = True, status.adapting
            response.message = status.paused or "learns from feedback"
            if status.unrecorded:
                response.message += f"; in effect, but a restart would not know it yet: {status.unrecorded}"
            self._node.get_logger().info(f"adaptation: {response.message}; {status.last_change}")
        except InputError as error:
            response.success, response.message = False, str(error)
            if adapter is not None:
                response.adapting = (await elsewhere(self._node, lambda: adapter.status)).adapting
        response.model_revision = self.revision
        if self.revision != before:
            self._changed()
        await self._say_state()
        return response

    def _able(self) -> Adapter:
        if self._adapter is None:
            raise self._refusal.with_traceback(None)  # raised again and again: its traceback would grow
        return self._adapter

    async def _say_state(self) -> None:
        if not self._node.context.ok():
            return
        adapter = self._adapter
        message = await elsewhere(self._node, self._state)  # the status waits for who judges a head
        if self._adapter is adapter and self._node.context.ok():
            self._publish(message)

    def _state(self) -> DiagnosticStatus:
        name, adapter = f"{self._node.get_fully_qualified_name()}: adaptation", self._adapter
        if adapter is None:
            return DiagnosticStatus(level=DiagnosticStatus.STALE, name=name, message=str(self._refusal))
        status = adapter.status
        message = DiagnosticStatus(level=DiagnosticStatus.OK, name=name, message=status.paused or "learning")
        message.values = [KeyValue(key=key, value=_text(value)) for key, value in _fields(status).items()]
        return message


def _carry_out(adapter: Adapter, request: SetAdaptation.Request) -> AdaptationStatus:
    match request.command:
        case SetAdaptation.Request.ENABLE:
            adapter.enable()
        case SetAdaptation.Request.FREEZE:
            adapter.freeze()
        case SetAdaptation.Request.ROLLBACK:
            adapter.roll_back(request.to_revision)
        case _:
            raise InputError("adaptation", f"command {request.command} is unknown", "1 enable, 2 freeze, 3 rollback")
    return adapter.status


def _feedback(request: LabelSpan.Request) -> Feedback:
    start, end = stamp_nanoseconds(request.start), stamp_nanoseconds(request.end)
    if request.kind == LabelSpan.Request.ACTION:
        if request.action not in [a.value for a in Action if a is not Action.UNKNOWN]:
            raise InputError("feedback", f"action {request.action} is unknown", "a constant of WeldAction")
        return Feedback(start, end, request.source, Action(request.action))  # actions are not more or less severe
    if request.kind == LabelSpan.Request.IMPERFECTION:
        code = request.iso_6520_1_code
        return Feedback(start, end, request.source, iso_code=code, present=request.present, severity=request.severity)
    raise InputError("feedback", f"kind {request.kind} is unknown", "1 action, 2 imperfection")


def _fields(status: Any) -> dict[str, object]:
    return {name: getattr(status, name) for name in status.__dataclass_fields__ if name != "paused"}


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
