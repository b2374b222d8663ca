"""The nodes as processes of their own, over DDS, fed from recordings."""

import argparse
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live import REAL_DATA, Spinner, until
from std_srvs.srv import Trigger
from wire import Running, command, resident_bytes, stamps_of, up, wait_for, write_small_weld

from msstan_core.commands import import_recording
from msstan_core.vocabulary import ACTIONS, Action, Modality
from msstan_msgs.msg import WeldAction, WeldMonitorState
from msstan_ros import qos
from msstan_ros.conversions import stamp_nanoseconds
from msstan_ros.transport import environment

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: Resident memory may grow by this much after the first rounds, bytes.
GROWTH_LIMIT = 12 * 2**20


class Ear:
    """Hears everything the monitor says from its first message on."""

    def __init__(self, spinner: Spinner, namespace: str = "") -> None:
        self.actions: list[WeldAction] = []
        self.states: list[WeldMonitorState] = []
        peer = self.peer = spinner.peer("ear")
        prefix = self.prefix = f"{namespace}/" if namespace else ""
        peer.create_subscription(WeldAction, f"{prefix}weld/action", self.actions.append, qos.RESULT_READER)
        peer.create_subscription(WeldMonitorState, f"{prefix}weld/state", self.states.append, qos.RESULT_READER)

    def let_play(self, running: Running) -> None:
        """Resume the paused player once the monitor is heard, so that its first action is not missed.

        The reader of actions was announced before that of states: who reaches the one reaches the other.
        """
        assert until(lambda: self.states, 90), running.output()
        client = self.peer.create_client(Trigger, f"{self.prefix}bag_player/resume")
        assert client.wait_for_service(30)
        for _ in range(6):  # a request may be lost while both ends still discover each other
            if until(client.call_async(Trigger.Request()).done, 5):
                return
        raise AssertionError(f"the player does not answer\n{running.output()}")

    def stamps(self) -> list[int]:
        return [stamp_nanoseconds(m.header.stamp) for m in self.actions]

    def recognised(self) -> list[Action]:
        """Actions in the order of their first appearance."""
        return list(dict.fromkeys(Action(m.action) for m in self.actions))


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spinner]:
    for name, value in environment()[0].items():
        monkeypatch.setenv(name, value)
    spinner = Spinner()
    yield spinner
    spinner.close()


@pytest.fixture(scope="session")
def small_weld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_weld(tmp_path_factory.mktemp("bags") / "small")


def imported(tmp_path: Path, kind: str, source: Path) -> Path:
    if not source.exists():
        pytest.skip(f"real recording {source} is not here (MSSTAN_REAL_DATA)")
    parser = argparse.ArgumentParser()
    import_recording.register(parser.add_subparsers())
    arguments = parser.parse_args(["import", kind, str(source), str(tmp_path / "bag"), "--quiet"])
    arguments.run(arguments)
    return tmp_path / "bag"


def assert_faithful(ear: Ear, clock_stamps: list[int], least_share: float) -> None:
    """Source stamps, numbers without gaps, latencies filled in, and (nearly) every frame answered."""
    assert [m.sequence_id for m in ear.actions] == list(range(len(ear.actions))), "messages were lost"
    assert len({m.session_id for m in ear.actions}) == 1
    assert set(ear.stamps()) <= set(clock_stamps), "stamps that the source does not have"
    assert ear.stamps() == sorted(set(ear.stamps()))
    assert len(ear.actions) >= least_share * len(clock_stamps), f"{len(ear.actions)} of {len(clock_stamps)} frames"
    assert all(0 < m.inference_latency_s < 5 for m in ear.actions)
    assert all(math.isfinite(m.pipeline_latency_s) and m.pipeline_latency_s >= 0 for m in ear.actions)
    assert all(abs(sum(m.modality_weights) - 1) < 1e-3 for m in ear.actions)
    assert all(abs(sum(m.probabilities) - 1) < 1e-3 for m in ear.actions)


def test_a_recording_is_answered_frame_by_frame(hear: Spinner, small_weld: Path, model_dir: Path) -> None:
    ear = Ear(hear)
    with up(
        "replay", f"bag:={small_weld}", f"model:={model_dir}", "overlay:=false", "rate:=0.5", "paused:=true"
    ) as running:
        ear.let_play(running)
        assert running.wait(120) == 0, running.output()
    # Played at half its rate, so that even a busy machine need skip next to nothing.
    assert_faithful(ear, stamps_of(small_weld, Modality.CAMERA), 0.8)
    assert "OK" in running.output()
    assert ear.states[-1].dropped[Modality.ACOUSTIC] == 0


def test_everything_works_below_a_namespace_and_without_camera(
    hear: Spinner, small_weld: Path, model_dir: Path
) -> None:
    ear = Ear(hear, "/cell_2")
    with up(
        "replay",
        f"bag:={small_weld}",
        f"model:={model_dir}",
        "namespace:=cell_2",
        "modalities:=acoustic,telemetry",
        "rate:=2.0",
        "paused:=true",
    ) as running:
        ear.let_play(running)
        assert running.wait(90) == 0, running.output()
    assert len(ear.actions) > 20
    assert {tuple(m.modality_valid)[:2] for m in ear.actions} == {(False, False)}
    assert [m.sequence_id for m in ear.actions] == list(range(len(ear.actions)))


def test_looping_restarts_the_stream_and_memory_does_not_grow(hear: Spinner, small_weld: Path, model_dir: Path) -> None:
    ear = Ear(hear)
    with up(
        "replay", f"bag:={small_weld}", f"model:={model_dir}", "loop:=true", "rate:=4.0", "paused:=true"
    ) as running:
        ear.let_play(running)
        wait_for(running.lines, "round 3")
        monitor = running.node_process("weld_monitor_node")
        before = resident_bytes(monitor)
        wait_for(running.lines, "round 13")
        after = resident_bytes(monitor)
        assert running.interrupt() == 0, running.output()
    assert after - before < GROWTH_LIMIT, f"{(after - before) / 2**20:.1f} MiB more after ten rounds"
    assert "time jumped back" in running.output()
    assert [m.sequence_id for m in ear.actions] == list(range(len(ear.actions)))
    backwards = sum(b < a for a, b in zip(ear.stamps(), ear.stamps()[1:], strict=False))
    assert 11 <= backwards <= 14
    assert set(ear.stamps()) <= set(stamps_of(small_weld, Modality.CAMERA))


def test_a_dead_monitor_ends_everything_and_is_said(small_weld: Path, model_dir: Path) -> None:
    with up("replay", f"bag:={small_weld}", f"model:={model_dir}", "loop:=true") as running:
        wait_for(running.lines, "playing")
        os.kill(running.node_process("weld_monitor_node"), signal.SIGKILL)
        assert running.wait(30) == 1
    assert "weld_monitor ended unasked with signal SIGKILL" in running.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_order(small_weld: Path, model_dir: Path, number: signal.Signals) -> None:
    with up("replay", f"bag:={small_weld}", f"model:={model_dir}", "loop:=true") as running:
        wait_for(running.lines, "playing")
        children = [running.node_process(n) for n in ("weld_monitor_node", "overlay_node", "bag_player_node")]
        assert running.interrupt(number) == 0, running.output()
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert "Traceback" not in running.output()
    assert "does not end" not in running.output()


def test_a_model_that_cannot_be_loaded_is_one_line_and_status_one(small_weld: Path, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    with up("replay", f"bag:={small_weld}", f"model:={tmp_path}") as running:
        assert running.wait(60) == 1
    assert any("not configured" in line and "card.json" in line for line in running.lines), running.output()
    (last,) = (line for line in running.lines if line.startswith("msstan up: "))
    assert last.startswith("msstan up: /weld_monitor: not configured: ") and "card.json" in last
    assert "Traceback" not in running.output()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay"], "bag"),
        (["replay", "bag:=/no/such/bag"], "/no/such/bag"),
        (["replay", "bga:=x"], "did you mean bag"),
        (["cell"], "monitor, replay, simulated_cell"),
        (["monitor", "modalities:=sonar"], "sonar"),
        (["monitor", "nonsense"], "name:=value"),
    ],
)
def test_bad_arguments_are_one_line_and_status_one(arguments: list[str], said: str) -> None:
    with up(*arguments) as running:
        assert running.wait(30) == 1
    assert len(running.lines) == 1, running.output()
    assert said in running.lines[0]


def test_a_bag_without_usable_topics_ends_the_replay_with_one_line(tmp_path: Path, model_dir: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {}\n")
    with up("replay", f"bag:={tmp_path}", f"model:={model_dir}") as running:
        assert running.wait(60) == 1
    assert any(line.startswith("[bag_player]") and str(tmp_path) in line for line in running.lines)
    assert "Traceback" not in running.output()


# -- real recordings --------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_real_weld_with_camera_sound_and_telemetry(hear: Spinner, tmp_path: Path, model_dir: Path) -> None:
    bag = imported(tmp_path, "mig", REAL_DATA / "robotic_mig" / "runs" / "03-22-23-0001-06")
    ear = Ear(hear)
    with up(
        "replay", f"bag:={bag}", f"model:={model_dir}", "modalities:=camera,acoustic,telemetry", "paused:=true"
    ) as running:
        ear.let_play(running)
        assert running.wait(120) == 0, running.output()
    camera = stamps_of(bag, Modality.CAMERA)
    during_camera = [m for m in ear.actions if stamp_nanoseconds(m.header.stamp) <= camera[-1]]
    # After the camera's last frame the timer takes over, and its stamps are no frame's.
    assert {stamp_nanoseconds(m.header.stamp) for m in during_camera} <= set(camera)
    assert len(during_camera) > 0.8 * len(camera)
    assert [m.sequence_id for m in ear.actions] == list(range(len(ear.actions)))
    assert all(math.isfinite(m.pipeline_latency_s) for m in ear.actions)
    assert any(list(m.modality_valid) == [True, False, True, True] for m in ear.actions)
    latencies = np.array([m.pipeline_latency_s for m in ear.actions]) * 1e3
    print(f"stamp to publication: median {np.median(latencies):.1f} ms, p99 {np.percentile(latencies, 99):.1f} ms")
    if "untrained" in running.output():
        pytest.skip("no model is shipped: the order of the actions cannot be judged")
    order = [
        a
        for a in ear.recognised()
        if a in (Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING)
    ]
    assert order == [Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING]


@pytest.mark.real
def test_a_real_thermal_recording(hear: Spinner, tmp_path: Path, model_dir: Path) -> None:
    folder = REAL_DATA / "thermal_arc"
    recordings = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_size)
    bag = imported(tmp_path, "thermal", recordings[0] if recordings else folder / "any.npz")
    ear = Ear(hear)
    with up(
        "replay", f"bag:={bag}", f"model:={model_dir}", "modalities:=thermal,telemetry", "rate:=2.0", "paused:=true"
    ) as running:
        ear.let_play(running)
        assert running.wait(240) == 0, running.output()
    assert_faithful(ear, stamps_of(bag, Modality.THERMAL), 0.7)
    assert {m.modality_valid[Modality.CAMERA] for m in ear.actions} == {False}
    if "untrained" in running.output() or "not trained" in running.output():
        pytest.skip("no model for thermal images is shipped: the actions cannot be judged")
    order = ear.recognised()
    assert Action.MATERIAL_DEPOSITION in order
    assert order[-1] is Action.COOLING or Action.COOLING in order
    assert set(order) <= set(ACTIONS)


def test_the_listener_of_these_tests_hears_the_heartbeat(hear: Spinner, small_weld: Path, model_dir: Path) -> None:
    ear = Ear(hear)
    with up("monitor", f"model:={model_dir}", "overlay:=false") as running:
        assert until(lambda: any(s.health == WeldMonitorState.STALE for s in ear.states), 60), running.output()
        assert running.interrupt() == 0
    assert not ear.actions


def test_the_demo_shows_a_line_a_second_and_leaves_a_picture(model_dir: Path, tmp_path: Path) -> None:
    with command("demo", "--model", str(model_dir), "--out", str(tmp_path / "out"), "--seconds", "60") as running:
        status = running.wait(150)
    assert (tmp_path / "out" / "demo_timeline.png").read_bytes().startswith(b"\x89PNG"), running.output()
    assert len([line for line in running.lines if "camera 0." in line]) >= 8, running.output()
    if "untrained" in (tmp_path / "out" / "demo_nodes.log").read_text():
        pytest.skip("no model is shipped: the demo's actions cannot be judged")
    assert status == 0, running.output()
    assert "MATERIAL_DEPOSITION" in running.output()
