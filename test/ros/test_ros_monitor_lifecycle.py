"""The monitor's transitions: what is refused, what can be tried again, and sessions."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from live import FakeMonitor, Spinner, until
from monitor_cell import Cell
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from msstan_core.decision.result import Decision
from msstan_core.inference.model_card import AlarmLimits, SubsetCard
from msstan_core.observation import Tick
from msstan_core.vocabulary import Modality
from msstan_ros.input_streams import InputStreams
from msstan_ros.weld_monitor_node import WeldMonitorNode
from msstan_ros.worker import InferenceWorker


@pytest.fixture
def cell(spinner: Spinner, tmp_path: Path) -> Iterator[Cell]:
    yield Cell(spinner, tmp_path)


def test_a_model_that_cannot_be_loaded_leaves_the_node_unconfigured(cell: Cell) -> None:
    cell.refuse = "is corrupt"
    assert cell.spinner.run(cell.node.trigger_configure) == TransitionCallbackReturn.FAILURE
    assert cell.node._state_machine.current_state[0] == State.PRIMARY_STATE_UNCONFIGURED
    cell.refuse = ""
    cell.activate()  # and a second try works
    cell.send_images(1)


def test_a_model_that_answers_nan_is_refused_before_it_is_used(spinner: Spinner, tmp_path: Path) -> None:
    class Nonsense(FakeMonitor):
        def step(self, tick):  # type: ignore[no-untyped-def]
            decision = super().step(tick)
            decision.action_probabilities[:] = np.nan
            return decision

    given = [Parameter("model_dir", value=str(tmp_path))]
    node = WeldMonitorNode(lambda _: Nonsense(), context=spinner.context, parameter_overrides=given)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE


def test_each_activation_is_a_session_of_its_own(cell: Cell) -> None:
    cell.activate()
    cell.send_images(2)
    cell.spinner.run(cell.node.trigger_deactivate)
    heartbeats = len(cell.states)
    cell.send_image()
    time.sleep(0.5)
    assert len(cell.actions) == 2, "an inactive monitor speaks"
    assert len(cell.states) <= heartbeats + 1
    cell.spinner.run(cell.node.trigger_activate)
    assert until(lambda: cell.camera.get_subscription_count() > 0)
    cell.send_images(1)
    assert cell.actions[-1].sequence_id == 0
    assert cell.actions[-1].session_id != cell.actions[0].session_id
    cell.spinner.run(cell.node.trigger_deactivate)
    cell.spinner.run(cell.node.trigger_cleanup)
    cell.activate()
    cell.send_images(1)
    assert len({m.session_id for m in cell.actions}) == 3
    assert len(cell.settings) == 2


def test_an_impossible_transition_is_refused_and_the_node_lives(cell: Cell) -> None:
    cell.activate()
    for transition in (
        Transition(id=Transition.TRANSITION_CONFIGURE),
        Transition(label="configure"),
        Transition(id=77),
    ):
        assert not cell.call(ChangeState, "change_state", transition=transition).success
    cell.send_images(2)
    assert cell.call(ChangeState, "change_state", transition=Transition(label="deactivate")).success
    assert cell.call(ChangeState, "change_state", transition=Transition(id=Transition.TRANSITION_ACTIVATE)).success
    assert until(lambda: cell.camera.get_subscription_count() > 0)
    cell.send_images(1)


def test_an_unforeseen_failure_of_a_transition_is_said_and_can_be_tried_again(
    cell: Cell, capfd: pytest.CaptureFixture[str]
) -> None:
    make, cell.node._make_monitor = cell.node._make_monitor, lambda _: 1 / 0
    assert cell.spinner.run(cell.node.trigger_configure) == TransitionCallbackReturn.ERROR
    assert "ZeroDivisionError" in capfd.readouterr().err
    cell.node._make_monitor = make
    cell.activate()
    cell.send_images(1)


def test_an_activation_that_fails_leaves_no_thread(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cell.spinner.run(cell.node.trigger_configure) == TransitionCallbackReturn.SUCCESS
    monkeypatch.setattr(InputStreams, "open", lambda _: 1 / 0)
    assert cell.spinner.run(cell.node.trigger_activate) == TransitionCallbackReturn.ERROR
    assert not [thread for thread in threading.enumerate() if thread.name == "inference"]


def test_a_step_that_outlives_its_session_is_not_joined_by_another_one(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = InferenceWorker.stop
    monkeypatch.setattr(InferenceWorker, "stop", lambda worker, timeout_s=0.1: stop(worker, timeout_s))
    release, entered = threading.Event(), threading.Event()
    cell.activate()
    monitor = cell.monitors[-1]
    step = monitor.step

    def hang(tick: Tick) -> Decision:
        entered.set()
        release.wait(30)
        return step(tick)

    monitor.step = hang  # type: ignore[method-assign]
    cell.send_image()
    assert until(entered.is_set)
    assert cell.spinner.run(cell.node.trigger_deactivate) == TransitionCallbackReturn.SUCCESS
    assert cell.spinner.run(cell.node.trigger_activate) == TransitionCallbackReturn.FAILURE
    assert "restart the process" in capfd.readouterr().err
    release.set()
    assert until(lambda: not cell.node._hung.runs)
    monitor.step = step  # type: ignore[method-assign]
    assert cell.spinner.run(cell.node.trigger_activate) == TransitionCallbackReturn.SUCCESS
    assert until(lambda: cell.camera.get_subscription_count() > 0)
    cell.send_images(1)
    assert len(cell.actions) == 1, "the late decision is of a session that ended"


def test_a_failure_in_the_middle_of_a_configuration_leaves_it_unconfigured_and_alive(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr("msstan_ros.weld_monitor_node.MonitorOutputs", fail)
        assert cell.spinner.run(cell.node.trigger_configure) == TransitionCallbackReturn.ERROR
    assert cell.node._state_machine.current_state[0] == State.PRIMARY_STATE_UNCONFIGURED
    cell.activate()
    cell.send_images(1)


def test_what_alarms_promise_with_its_sensors_is_said_when_it_is_configured(
    spinner: Spinner, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard = frozenset({Modality.ACOUSTIC, Modality.TELEMETRY})
    limits = AlarmLimits(false_alarms_per_hour=0.5, upper95_per_hour=0.9, imperfection_thresholds={})
    promises = {}
    limited, bare = SubsetCard(temperature=1.0, alarm_limits=limits), SubsetCard(temperature=1.0)
    for name, few, promised in (("few", limited, 0.5), ("none", bare, math.nan), ("broken", limited, math.nan)):
        monitor = FakeMonitor()
        monitor.false_alarms_per_hour = promised
        card = monitor.info.card.model_copy(update={"alarm_limits": limits, "subsets": {"acoustic+telemetry": few}})
        monitor.info = replace(monitor.info, card=card, modalities=heard)
        given = [Parameter("model_dir", value=str(tmp_path))]
        node = WeldMonitorNode(lambda _, made=monitor: made, context=spinner.context, parameter_overrides=given)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        promises[name] = capfd.readouterr().err
        node.destroy_node()
    assert "at most 0.5 false ones an hour" in promises["few"]
    assert "suspicions only, no alarms" in promises["none"]
    assert "alarms without a promise: events.alarm_onset_s is shorter" in promises["broken"]
