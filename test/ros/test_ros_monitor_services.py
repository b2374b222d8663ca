"""The monitor's services: reload, reset and snapshot."""

import dataclasses
import errno
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import Spinner, until
from monitor_cell import Cell
from rclpy.parameter import Parameter

from msstan_core.decision.result import AnomalyEvent, Decision, EventPhase
from msstan_core.observation import Tick
from msstan_core.vocabulary import Modality
from msstan_msgs.msg import WeldAnomaly, WeldContext, WeldMonitorState
from msstan_msgs.srv import ReloadModel, ResetMonitor, SetAdaptation, TakeSnapshot
from msstan_ros import qos, snapshot
from msstan_ros.model_loading import MonitorLike
from msstan_ros.monitor_parameters import MonitorSettings


@pytest.fixture
def cell(spinner: Spinner, tmp_path: Path) -> Iterator[Cell]:
    yield Cell(spinner, tmp_path)


def test_reload_takes_the_new_model_without_losing_a_number(cell: Cell) -> None:
    cell.activate()
    cell.send_images(2)
    answer = cell.call(ReloadModel, "reload_model")
    assert answer.success, answer.message
    assert answer.model_revision == 2
    cell.send_images(2)
    assert [m.model_revision for m in cell.actions] == [1, 1, 2, 2]
    assert [m.sequence_id for m in cell.actions] == [0, 1, 2, 3]
    assert len(cell.monitors[1].ticks) > 2
    assert until(lambda: cell.infos and cell.infos[-1].model_revision == 2), cell.infos
    assert cell.infos[-1].weights_sha256 == answer.weights_sha256


def test_a_reload_clears_what_the_old_model_left_open(cell: Cell) -> None:
    cell.activate()
    cell.monitors[-1].events = (AnomalyEvent(4, EventPhase.ONGOING, 602, "spatter", 0.9, 0.5, math.nan, 5, 5),)
    cell.send_images(1)
    assert cell.call(ReloadModel, "reload_model").success
    left = cell.monitors[-1].left
    assert left is not None and left.next_id == 5
    assert [(e.event_id, e.phase) for e in left.cleared] == [(4, EventPhase.CLEARED)]


@pytest.mark.parametrize("path", ["~nosuchuser/x", "x" * 300])
def test_a_path_that_is_none_is_an_answer_and_ends_no_node(cell: Cell, path: str) -> None:
    cell.activate()
    for answer in (
        cell.call(ReloadModel, "reload_model", model_dir=path),
        cell.call(TakeSnapshot, "snapshot", directory=path),
    ):
        assert not answer.success and "check its spelling" in answer.message
    refused = cell.spinner.run(lambda: cell.node.set_parameters([Parameter("snapshot.directory", value=path)]))[0]
    assert not refused.successful and "check its spelling" in refused.reason
    cell.send_images(1)


def test_what_a_service_did_not_foresee_is_its_answer(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    cell.activate()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("msstan_ros.weld_monitor_node.proven_monitor", broken)
    answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success and "ZeroDivisionError" in answer.message
    cell.send_images(1)


def test_a_reload_that_fails_in_the_exchange_leaves_node_and_session_on_the_old_model(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.activate()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(cell.node._adaptation, "adopt", broken)
        answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success and "ZeroDivisionError" in answer.message
    assert cell.node._monitor is cell.node._session._monitor is cell.monitors[0]
    cell.send_images(1)
    assert cell.actions[-1].model_revision == 1


def test_a_reload_whose_old_model_cannot_leave_has_node_and_session_on_the_new_one(cell: Cell) -> None:
    cell.activate()
    cell.monitors[0].leave = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success and "ZeroDivisionError" in answer.message
    assert cell.node._monitor is cell.node._session._monitor is cell.monitors[1]
    cell.send_images(1)
    assert cell.actions[-1].model_revision == 2


def test_a_rollback_does_not_wait_for_a_model_that_loads(cell: Cell) -> None:
    cell.activate()
    entered, release, make = threading.Event(), threading.Event(), cell.node._make_monitor

    def slow(settings: MonitorSettings) -> MonitorLike:
        entered.set()
        release.wait(60)
        return make(settings)

    cell.node._make_monitor = slow
    reload = cell.request(ReloadModel, "reload_model")
    assert until(entered.is_set)
    assert cell.call(SetAdaptation, "adaptation", command=SetAdaptation.Request.ROLLBACK).message
    assert not reload.done()
    release.set()
    assert until(reload.done) and reload.result().success


def test_a_failed_reload_keeps_the_old_model(cell: Cell) -> None:
    cell.activate()
    cell.refuse = "is corrupt"
    answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success
    assert "is corrupt" in answer.message
    assert answer.model_revision == 1
    answer = cell.call(ReloadModel, "reload_model", model_dir="/no/such/model")
    assert not answer.success
    assert "/no/such/model" in answer.message
    cell.send_images(1)
    assert cell.actions[-1].model_revision == 1


def test_reset_forgets_counters_and_state_but_not_the_numbering(cell: Cell) -> None:
    cell.activate()
    cell.send_images(3)
    before = cell.monitors[-1].resets
    assert cell.call(ResetMonitor, "reset", reason="new part").success
    assert cell.monitors[-1].resets > before
    assert until(lambda: cell.states[-1].received[0] == 0)
    cell.send_images(1)
    assert cell.actions[-1].sequence_id == 3


def test_reset_keeps_the_weld_context_which_comes_only_once(cell: Cell) -> None:
    context = cell.peer.create_publisher(WeldContext, "weld/context", qos.CONTEXT)
    context.publish(WeldContext(wps_id="wps_7", job_id="part 12"))
    cell.activate()

    def known() -> bool:
        cell.send_images(1)
        return cell.monitors[-1].ticks[-1].context.wps_id == "wps_7"

    assert until(known)
    assert cell.call(ResetMonitor, "reset").success
    cell.send_images(1)
    assert cell.monitors[-1].ticks[-1].context.job_id == "part 12"
    assert cell.monitors[-1].ticks[-1].index == 0


def test_a_snapshot_holds_the_last_decisions_and_the_newest_image(cell: Cell, tmp_path: Path) -> None:
    cell.activate()
    early = cell.call(TakeSnapshot, "snapshot")
    assert not early.success
    assert "no decision" in early.message
    stamps = cell.send_images(5)
    answer = cell.call(TakeSnapshot, "snapshot", duration_s=0.09)
    assert answer.success, answer.message
    folder = Path(answer.path)
    assert folder.parent == tmp_path
    lines = (folder / "decisions.csv").read_text().splitlines()
    assert [int(text.split(",")[0]) for text in lines[1:]] == stamps[-3:]
    assert "MATERIAL_DEPOSITION" in lines[-1]
    assert (folder / "camera.png").is_file()
    assert json.loads((folder / "about.json").read_text())["stamp_ns"] == stamps[-1]
    answer = cell.call(TakeSnapshot, "snapshot", directory="/no/such/folder")
    assert not answer.success


def test_of_a_snapshot_that_a_full_disk_did_not_take_nothing_is_left(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cell.activate()
    cell.send_images(1)
    monkeypatch.setattr(snapshot, "_write_inputs", full)
    answer = cell.call(TakeSnapshot, "snapshot")
    assert not answer.success and "No space left" in answer.message
    assert not list(tmp_path.glob("snapshot_*"))


def test_what_is_open_is_cleared_at_the_end_also_after_a_reset(cell: Cell) -> None:
    cell.activate()
    cell.monitors[-1].events = (AnomalyEvent(4, EventPhase.ONGOING, 602, "spatter", 0.9, 0.5, math.nan, 5, 5),)
    cell.send_images(1)
    assert cell.call(ResetMonitor, "reset").success
    cell.spinner.run(cell.node.trigger_deactivate)
    assert until(lambda: cell.anomalies and cell.anomalies[-1].phase == WeldAnomaly.CLEARED), cell.anomalies
    assert cell.anomalies[-1].event_id == 4


def test_a_deactivation_during_the_exchange_leaves_the_new_model_and_says_so(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.activate()
    session = cell.node._session
    assert session is not None
    exchange, exchanged, go_on = session.exchange, threading.Event(), threading.Event()

    def slowly(*what: Any) -> None:
        exchange(*what)
        exchanged.set()
        assert go_on.wait(30)

    monkeypatch.setattr(session, "exchange", slowly)
    future = cell.request(ReloadModel, "reload_model")
    assert exchanged.wait(20)
    cell.spinner.run(cell.node.trigger_deactivate)
    go_on.set()
    assert until(future.done)
    assert future.result().success and future.result().model_revision == 2
    assert cell.node._monitor is cell.monitors[-1] and len(cell.monitors) == 2


@pytest.mark.parametrize("configured_again", [False, True])
def test_a_cleanup_during_a_reload_leaves_the_node_alive_and_its_settings_alone(
    cell: Cell, configured_again: bool
) -> None:
    cell.activate()
    loading, go_on = threading.Event(), threading.Event()
    make = cell.node._make_monitor

    def slowly(settings: MonitorSettings) -> MonitorLike:
        loading.set()
        assert go_on.wait(30)
        return make(settings)

    cell.node._make_monitor = slowly
    future = cell.request(ReloadModel, "reload_model")
    assert loading.wait(20)
    cell.node._make_monitor = make
    cell.spinner.run(cell.node.trigger_deactivate)
    cell.spinner.run(cell.node.trigger_cleanup)
    if configured_again:
        cell.activate()
    settings = cell.node._settings
    go_on.set()
    assert until(future.done)
    assert not future.result().success
    assert "meanwhile" in future.result().message
    assert cell.node._settings is settings
    if not configured_again:
        cell.activate()
    cell.send_images(1)
    assert cell.actions[-1].model_revision == 1


def test_a_hung_inference_silences_neither_heartbeat_nor_services(cell: Cell) -> None:
    cell.activate()
    cell.send_images(1)
    hanging, release = threading.Event(), threading.Event()
    step = cell.monitors[-1].step

    def hang(tick: Tick) -> Decision:
        hanging.set()
        release.wait(60)
        return step(tick)

    cell.monitors[-1].step = hang  # type: ignore[method-assign]
    cell.send_image()
    assert hanging.wait(20)
    for kind, name in ((ResetMonitor, "reset"), (ReloadModel, "reload_model")):
        future = cell.request(kind, name)
        heartbeats = len(cell.states)
        assert until(lambda: len(cell.states) > heartbeats + 1 or future.done())  # noqa: B023
        assert not future.done(), future.result()
        assert until(future.done)
        assert not future.result().success
        assert "hangs" in future.result().message and "restart the node" in future.result().message
    assert until(lambda: cell.states[-1].health == WeldMonitorState.ERROR)
    assert cell.states[-1].model_revision == 1
    release.set()
    cell.send_images(1)
    assert cell.actions[-1].model_revision == 1


def test_a_model_with_other_modalities_changes_what_is_heard(cell: Cell) -> None:
    cell.activate()
    cell.send_images(1)
    make = cell.node._make_monitor

    def deaf(settings: MonitorSettings) -> MonitorLike:
        return make(dataclasses.replace(settings, modalities=frozenset({Modality.CAMERA})))

    cell.node._make_monitor = deaf
    assert cell.call(ReloadModel, "reload_model").success
    assert until(lambda: cell.sound.get_subscription_count() == 0 and cell.camera.get_subscription_count() > 0)
    before = cell.states[-1].received[0]
    cell.send_images(1)
    assert until(lambda: cell.states[-1].health == WeldMonitorState.OK and cell.states[-1].received[0] > before)
    cell.node._make_monitor = make
    assert cell.call(ReloadModel, "reload_model").success
    assert until(lambda: cell.sound.get_subscription_count() > 0)
    cell.send_images(1)


def test_a_model_that_lacks_the_clock_is_refused(spinner: Spinner, tmp_path: Path) -> None:
    cell = Cell(spinner, tmp_path, Parameter("alignment.clock", value="camera"))
    cell.activate()
    make = cell.node._make_monitor
    cell.node._make_monitor = lambda s: make(dataclasses.replace(s, modalities=frozenset({Modality.ACOUSTIC})))
    answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success
    assert "alignment.clock" in answer.message
    cell.send_images(1)


def test_services_of_an_unconfigured_monitor_say_so(cell: Cell) -> None:
    answer = cell.call(ReloadModel, "reload_model")
    assert not answer.success
    assert "configure" in answer.message


def test_services_of_an_inactive_monitor_say_so(cell: Cell) -> None:
    cell.spinner.run(cell.node.trigger_configure)
    for kind, name in ((ResetMonitor, "reset"), (TakeSnapshot, "snapshot")):
        answer = cell.call(kind, name)
        assert not answer.success
        assert "activate" in answer.message
