"""A node's process that is told to end before it has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rclpy
from live import until
from rclpy.node import Node
from std_msgs.msg import String
from threadpoolctl import ThreadpoolController
from wire import REPOSITORY, Running, command, up, wait_for

from msstan_core.errors import InputError
from msstan_ros.node_process import HUNG_STATUS, LIFELINE, last_word, run_node, until_shutdown


def test_a_process_interrupted_while_it_loads_prints_nothing_and_ends() -> None:
    command = [sys.executable, "-v", "-m", "msstan_ros", "bag_player_node"]  # -v says what is being loaded
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        output = []
        for line in process.stderr:
            output.append(line)
            if line.startswith("import 'rclpy."):
                process.send_signal(signal.SIGINT)
                break
        output.extend(process.stderr)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in "".join(output)


@pytest.mark.parametrize("shut_down_first", [False, True])
def test_an_interrupt_while_the_node_is_made_is_an_ordinary_end(shut_down_first: bool) -> None:
    def make() -> Node:
        if shut_down_first:  # as a thread may while a constructor runs
            rclpy.shutdown()
            return Node("late")
        raise KeyboardInterrupt

    assert run_node(make, []) == 0
    assert not rclpy.ok()


def test_a_node_keeps_numpy_to_one_thread() -> None:
    seen = []

    def make() -> Node:
        seen.extend(ThreadpoolController().select(user_api="blas").info())
        raise KeyboardInterrupt

    with ThreadpoolController().limit(limits=2, user_api="blas"):
        run_node(make, [])
    assert seen and {library["num_threads"] for library in seen} == {1}


def test_a_fault_in_the_node_is_not_taken_for_an_interrupt() -> None:
    def make() -> Node:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_node(make, [])
    rclpy.try_shutdown()


@pytest.mark.parametrize(
    ("failure", "said"),
    [(InputError("labels.csv", "cannot be written", "check the folder"), "labels.csv"), (OSError("full"), "Traceback")],
)
def test_a_thread_that_fails_ends_its_node_with_status_one(
    failure: Exception, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    class Working(Node):
        def __init__(self) -> None:
            super().__init__("working")
            threading.Thread(target=until_shutdown(self, self._work), daemon=True).start()

        def _work(self) -> None:
            raise failure

    assert run_node(Working, []) == 1
    assert said in capfd.readouterr().err


def test_a_node_shut_down_while_it_says_its_last_word_still_ends_in_order() -> None:
    """Another thread may shut the context down at any moment."""
    ended: list[str] = []

    class Talking(Node):
        def __init__(self) -> None:
            super().__init__("talking")
            self._out = self.create_publisher(String, "last_word", 1)
            self.create_timer(0.0, self._interrupted)

        def _interrupted(self) -> None:
            raise KeyboardInterrupt

        def _say(self) -> None:
            rclpy.try_shutdown()
            self._out.publish(String())

        def _fault(self) -> None:
            raise ZeroDivisionError

        def close(self) -> None:
            with pytest.raises(ZeroDivisionError):  # a fault of its own is none of the shutdown's
                last_word(self, self._fault)
            last_word(self, self._say)
            last_word(self, self._fault)  # nobody hears any more: not even tried
            ended.append("all of it")

    assert run_node(Talking, []) == 0
    assert ended == ["all of it"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--no-such-option"], "--no-such-option"), (["--params-file", "{file}"], "Sequence should be of same type")],
)
def test_arguments_that_ros_refuses_are_said_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mixed.yaml"
    file.write_text("weld_monitor:\n  ros__parameters:\n    modalities: [camera, 1]\n")
    given = [text.format(file=file) for text in arguments]
    assert run_node(lambda: Node("never"), ["--ros-args", *given]) == 1
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "[rcl]" not in line)
    assert line.startswith("start of ROS 2: ") and said in line and ".c:" not in line


@pytest.mark.parametrize("arguments", [[], ["no_such_node"]])
def test_a_node_that_is_not_there_is_answered_with_those_that_are(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "msstan_ros", *arguments], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 1 and "weld_monitor_node" in done.stderr and done.stderr.count("\n") == 1


def test_bad_input_is_one_line_and_status_one(capfd: pytest.CaptureFixture[str]) -> None:
    def make() -> Node:
        raise InputError("bag", "is empty", "choose another")

    assert run_node(make, []) == 1
    assert capfd.readouterr().err.count("\n") == 1


def test_the_end_of_the_overlay_is_said_and_the_rest_goes_on() -> None:
    with up("monitor", "autostart:=false") as running:
        assert until(lambda: running_node(running, "overlay_node") and running_node(running, "weld_monitor_node"))
        os.kill(running.node_process("overlay_node"), signal.SIGKILL)
        said = "weld_overlay ended unasked with signal SIGKILL; the rest goes on without it"
        assert until(lambda: said in running.output())
        assert running_node(running, "weld_monitor_node")
        assert running.interrupt() == 0, running.output()


def running_node(running: Running, executable: str) -> bool:
    try:
        return running.node_process(executable) > 0
    except AssertionError:
        return False


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_no_node_outlives_a_closed_terminal_or_a_killed_starter(number: signal.Signals) -> None:
    with up("monitor", "autostart:=false") as running:
        assert until(lambda: running_node(running, "overlay_node") and running_node(running, "weld_monitor_node"))
        nodes = [running.node_process(name) for name in ("overlay_node", "weld_monitor_node")]
        assert running.interrupt(number) == (0 if number is signal.SIGHUP else -number)
        assert until(lambda: not any(alive(pid) for pid in nodes))


@pytest.mark.parametrize("heard", [True, False])
def test_a_node_that_ignores_the_interrupt_does_not_outlive_its_starter(heard: bool) -> None:
    script = """
import os, signal, time
from msstan_ros import node_process
node_process.ORPHAN_GRACE_S = 0.1
signal.signal(signal.SIGINT, signal.SIG_IGN)
node_process.end_with_starter()
print("runs", flush=True)
while True:
    time.sleep(1)
"""
    pipe = subprocess.PIPE
    environment = {**os.environ, LIFELINE: "1"}
    hung = subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    )
    with hung:
        assert hung.stdin and hung.stdout and hung.stderr
        assert hung.stdout.readline() == b"runs\n"
        if not heard:
            hung.stderr.close()
        hung.stdin.close()
        assert hung.wait(30) == HUNG_STATUS
        if heard:
            assert f"process {hung.pid} does not end 0.1 s after its starter" in hung.stderr.read().decode()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_who_watches_and_interrupts_gets_an_ordinary_end() -> None:
    with command("watch") as running:
        wait_for(running.lines, "waiting for the first decision")
        assert running.interrupt() == 0, running.output()


def test_a_listener_does_not_abort_the_process_that_ends_without_leaving_it() -> None:
    """An interrupt may come between any two steps of entering and leaving it."""
    script = """
from msstan_ros.live_status import LiveListener
listener = LiveListener()
listener.node.create_timer(0.001, lambda: None)  # the thread goes in and out of rclpy as the process ends
listener.__enter__()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_demonstration_of_no_scenario_names_those_there_are_and_starts_nothing(tmp_path: Path) -> None:
    with command("demo", "--scenario", "nope", "--out", str(tmp_path / "out")) as running:
        assert running.wait(30) == 1
    (line,) = running.lines
    assert "nope: no such scenario" in line and "gmaw_steel_lap" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("up", "monitor", "namespace:=a b"), ("watch", "--namespace", "a b")])
def test_a_namespace_that_ros_does_not_allow_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    with command(*arguments) as running:
        assert running.wait(30) == 1
    (line,) = running.lines
    assert "namespace 'a b'" in line
