"""Labels over ROS change the live monitor's answers, with numbers that say so, and commands take them back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from live import FakeMonitor, Spinner, decision_for, until
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.msg import Image

import msstan_core.adaptation.adapter as adapter_module
from msstan_core.adaptation.adapted_head import Head
from msstan_core.adaptation.answering import input_flaw, job_of, observed
from msstan_core.adaptation.guard import GuardSet, LabelledTicks
from msstan_core.adaptation.learning_thread import BackgroundAdaptation
from msstan_core.decision.result import Decision
from msstan_core.errors import InputError
from msstan_core.inference.model_package import GUARD_FILE
from msstan_core.observation import Tick
from msstan_core.vocabulary import ACTIONS, Action
from msstan_msgs.msg import WeldAction
from msstan_msgs.srv import LabelSpan, ReloadModel, SetAdaptation
from msstan_ros import qos
from msstan_ros.cell_adaptation import STATE_PERIOD_S
from msstan_ros.conversions import image_message, stamp_message
from msstan_ros.weld_monitor_node import WeldMonitorNode

PERIOD_NS = 40_000_000
K, TRUE, LIKE = len(ACTIONS), ACTIONS.index(Action.MATERIAL_DEPOSITION), ACTIONS.index(Action.IDLE)
EYE = np.eye(K, dtype=np.float32)


class Seer(FakeMonitor):
    """Bright images are deposition, which it takes for idle; dark ones are idle."""

    shipped = Head.shipped(4.0 * np.eye(K, K + 1), np.zeros(K))

    def __init__(self, name: str, modalities: frozenset) -> None:  # type: ignore[type-arg]
        super().__init__(name, modalities)
        card = self.info.card.model_copy(update={"files": {GUARD_FILE: "x"}})
        self.info = replace(self.info, card=card)

    def step(self, tick: Tick) -> Decision:
        bright = tick.camera is not None and tick.camera.image is not None and tick.camera.image.mean() > 100
        embedding = np.append(0.7 * EYE[LIKE] + 0.3 * EYE[TRUE] if bright else EYE[LIKE], float(bright))
        embedding = embedding.astype(np.float32)
        logits = self.shipped.logits(embedding).astype(np.float32)
        if self.adapter is None:
            return decision_for(tick)
        self.adapter.hear_job(job_of(tick.context))
        corrected, revision = self.adapter.corrected(logits, embedding)
        decision = decision_for(tick, ACTIONS[int(corrected.argmax())], model_revision=revision)
        flaw = input_flaw(tick, tick.valid, self.info.modalities, ())
        held = observed(tick, embedding, decision.action_probabilities, flaw, False)
        self.adapter.observe(held, logits)
        return decision


class Cell:
    def __init__(self, spinner: Spinner, folder: Path) -> None:
        labels = np.repeat([LIKE, TRUE], 30)
        ticks = LabelledTicks(np.hstack([EYE[labels], np.zeros((60, 1), np.float32)]), labels)
        GuardSet(Seer.shipped, ticks, ticks).save(folder / GUARD_FILE)
        given = [
            Parameter("model_dir", value=str(folder)),
            Parameter("modalities", value=["camera"]),
            Parameter("adaptation.folder", value=str(folder / "revisions")),
        ]
        self.node = WeldMonitorNode(
            lambda s: Seer("seer", s.modalities), context=spinner.context, parameter_overrides=given
        )
        spinner.add(self.node)
        self.peer = spinner.peer()
        self.actions: list[WeldAction] = []
        self.states: list[DiagnosticStatus] = []
        self.peer.create_subscription(WeldAction, "weld/action", self.actions.append, qos.RESULT_READER)
        self.peer.create_subscription(
            DiagnosticStatus, "weld_monitor/adaptation_state", self.states.append, qos.MODEL_INFO
        )
        self.camera = self.peer.create_publisher(Image, "camera/image_raw", qos.SENSOR_SOURCE)
        self.stamp_ns = time.time_ns()
        assert spinner.run(self.node.trigger_configure) == TransitionCallbackReturn.SUCCESS
        assert spinner.run(self.node.trigger_activate) == TransitionCallbackReturn.SUCCESS
        assert until(lambda: self.camera.get_subscription_count() and self.peer.count_publishers("weld/action"))

    def weld(self, bright: bool, count: int = 4) -> tuple[int, int]:
        start = self.stamp_ns
        for _ in range(count):
            before = len(self.actions)
            image = np.full((12, 16, 3), 200 if bright else 10, np.uint8)
            self.camera.publish(image_message(image, "bgr8", self.stamp_ns, "cam"))
            assert until(lambda before=before: len(self.actions) > before)
            self.stamp_ns += PERIOD_NS
        return start, self.stamp_ns - PERIOD_NS

    def label(self, span: tuple[int, int], action: Action, kind: int = LabelSpan.Request.ACTION) -> LabelSpan.Response:
        return self.call(LabelSpan, "feedback", **labelled(span, action, kind))

    def command(self, **fields: int) -> SetAdaptation.Response:
        return self.call(SetAdaptation, "adaptation", **fields)

    def call(self, service: type, name: str, **fields: object):  # type: ignore[no-untyped-def]
        future = self.request(service, name, **fields)
        assert until(future.done)
        return future.result()

    def request(self, service: type, name: str, **fields: object) -> Future:
        client = self.peer.create_client(service, f"weld_monitor/{name}")
        assert client.wait_for_service(10)
        return client.call_async(service.Request(**fields))


def labelled(span: tuple[int, int], action: Action, kind: int = LabelSpan.Request.ACTION) -> dict[str, object]:
    start, end = (stamp_message(ns) for ns in span)
    return {"start": start, "end": end, "kind": kind, "action": action.value, "source": "operator"}


@pytest.fixture
def cell(spinner: Spinner, tmp_path: Path) -> Iterator[Cell]:
    yield Cell(spinner, tmp_path)


def test_labels_change_the_answer_and_a_rollback_takes_it_back(cell: Cell) -> None:
    assert cell.command(command=SetAdaptation.Request.ENABLE).adapting
    cell.weld(True)
    assert cell.actions[-1].action == Action.IDLE
    first = cell.actions[-1].model_revision
    for _ in range(4):
        assert cell.label(cell.weld(True), Action.MATERIAL_DEPOSITION).labelled_ticks == 4
        assert cell.label(cell.weld(False), Action.IDLE).success

    def learnt() -> bool:
        cell.weld(True, 1)
        return cell.actions[-1].action == Action.MATERIAL_DEPOSITION

    assert until(learnt)
    assert cell.actions[-1].model_revision > first
    cell.weld(False, 1)
    assert cell.actions[-1].action == Action.IDLE
    answer = cell.command(command=SetAdaptation.Request.ROLLBACK)
    assert answer.success
    assert not answer.adapting
    cell.weld(True, 1)
    assert cell.actions[-1].action == Action.IDLE
    assert cell.actions[-1].model_revision == answer.model_revision
    assert until(lambda: cell.states and cell.states[-1].message == "frozen")


def test_a_slow_disk_holds_up_neither_actions_nor_commands(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, go_on = threading.Event(), threading.Event()
    write_down = adapter_module.write_down

    def slowly(*what: object) -> None:
        writing.set()
        assert go_on.wait(60)
        write_down(*what)  # type: ignore[arg-type]

    span = cell.weld(True)
    monkeypatch.setattr(adapter_module, "write_down", slowly)
    future = cell.request(LabelSpan, "feedback", **labelled(span, Action.MATERIAL_DEPOSITION))
    assert writing.wait(20)
    end = time.monotonic() + 1.5 * STATE_PERIOD_S
    while time.monotonic() < end:  # past a statement on adaptation_state, which waits for the disk, too
        cell.weld(True, 1)
    assert not future.done()
    command = cell.request(SetAdaptation, "adaptation", command=SetAdaptation.Request.FREEZE)
    assert until(command.done)
    assert command.result().success and not future.done()
    go_on.set()
    assert until(future.done)
    assert future.result().labelled_ticks == 4


def test_a_reload_waits_for_the_learner_outside_the_thread_that_answers(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be writing to a slow disk."""
    waited_in, close = list[str](), BackgroundAdaptation.close
    learnt_before = cell.node._adaptation._background

    def waited(background: BackgroundAdaptation, timeout_s: float = 5.0) -> None:
        waited_in.append(threading.current_thread().name)
        close(background, timeout_s)

    monkeypatch.setattr(BackgroundAdaptation, "close", waited)
    cell.weld(True)
    future = cell.request(ReloadModel, "reload_model")
    assert until(future.done) and future.result().success, future.result().message
    assert len(waited_in) == 1 and waited_in[0] != "inference"
    learns = cell.node._adaptation._background
    assert learns is not None and learns is not learnt_before


def test_a_reload_that_fails_goes_on_learning_with_the_old_model(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: object) -> None:
        raise InputError("inference", "hangs", "restart the node")

    cell.weld(True)
    adapter = cell.node._adaptation._adapter
    monkeypatch.setattr(cell.node._session, "exchange", hangs)
    future = cell.request(ReloadModel, "reload_model")
    assert until(future.done) and "hangs" in future.result().message
    assert cell.node._adaptation._adapter is adapter and cell.node._adaptation._background is not None


def test_what_makes_no_sense_is_refused_with_the_reason(cell: Cell) -> None:
    span = cell.weld(True, 1)
    assert "start" in cell.label(span, Action.IDLE).message  # one tick is no span
    span = cell.weld(True, 2)
    assert "is unknown" in cell.label(span, Action.UNKNOWN).message
    assert "kind" in cell.label(span, Action.IDLE, kind=0).message
    assert not cell.command(command=0).success
    assert "not kept" in cell.command(command=SetAdaptation.Request.ROLLBACK, to_revision=77).message


def test_a_model_without_guard_set_works_and_says_why_it_does_not_adapt(spinner: Spinner, tmp_path: Path) -> None:
    given = [Parameter("model_dir", value=str(tmp_path))]
    node = WeldMonitorNode(
        lambda s: FakeMonitor("fake", s.modalities), context=spinner.context, parameter_overrides=given
    )
    spinner.add(node)
    assert spinner.run(node.trigger_configure) == TransitionCallbackReturn.SUCCESS
    client = spinner.peer().create_client(SetAdaptation, "weld_monitor/adaptation")
    assert client.wait_for_service(10)
    future = client.call_async(SetAdaptation.Request(command=SetAdaptation.Request.ENABLE))
    assert until(future.done)
    assert "no guard set" in future.result().message
