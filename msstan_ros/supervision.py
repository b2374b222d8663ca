"""Runs the nodes of a :mod:`msstan_ros.bringup` profile as processes, without the ROS 2 launch system."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from msstan_core.errors import InputError
from msstan_ros.lifecycle_client import bring_up, refuse_running
from msstan_ros.node_description import PACKAGE, NodeSpec
from msstan_ros.node_process import LIFELINE
from msstan_ros.transport import environment

#: After SIGINT a node has this long to end by itself, then SIGTERM, then SIGKILL, s (as ros2 launch does it).
GRACE_S = 5.0
#: How often the processes are looked at, s.
POLL_S = 0.05
#: What a node says of its refusal comes by another way than the refusal, in this time at most, s.
REASON_S = 1.0
#: An error in the log of a node: severity, time, logger, text.
_ERROR = re.compile(r"^\[ERROR\] \[[\d.]+\] \[[^]]*\]: (.+)$")


@dataclass(slots=True)
class _Running:
    spec: NodeSpec
    process: subprocess.Popen[str]
    errors: list[str]  #: what the node has logged as errors so far
    reader: threading.Thread


class Supervisor:
    """Starts processes, passes their output on line by line, and ends them together. Restarts nothing.

    Args:
        nodes: what to run.
        say: gets every output line, with the node's name in front; called from several threads, one line at a time.
        domain: ROS domain of the processes; None: that of ``ROS_DOMAIN_ID``.
    """

    def __init__(self, nodes: Sequence[NodeSpec], say: Callable[[str], None], domain: int | None = None) -> None:
        self._nodes = tuple(nodes)
        self._say = say
        self._domain = domain
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._lifeline = -1  #: never written: the nodes' standard input ends with this process, however it ends

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, interrupted: threading.Event | None = None) -> None:
        """Start all processes, then configure and activate the managed nodes that ask for it, in their order.

        Args:
            interrupted: once it is set the call returns soon, whatever is up by then.

        Raises:
            InputError: when a managed node of one of these names runs already, and nothing is started; when a node
                cannot be brought up, and the others still run then.
        """
        is_interrupted = (interrupted or threading.Event()).is_set
        variables, remark = environment()
        if remark:
            self.say("up", remark)
        # The bring-up talks to the nodes over DDS in this process: it needs the same transport settings.
        os.environ.update(variables)
        refuse_running([spec.full_name for spec in self._nodes if spec.lifecycle], self._domain)
        lifeline, self._lifeline = os.pipe()
        try:
            for spec in self._nodes:
                self._running.append(self._start(spec, variables, lifeline))
        finally:
            os.close(lifeline)
        for running in self._running:
            if running.spec.lifecycle and running.spec.autostart:
                self._bring_up(running, lambda: self._all_run() and not is_interrupted())

    def wait(self, interrupted: threading.Event) -> int:
        """Wait until an essential process ends or ``interrupted`` is set; then end all.

        Returns:
            0 when interrupted, or when a node that is meant to end everything ended with 0; else that node's status,
            or 1 for a node that was meant to stay.
        """
        while not interrupted.wait(POLL_S):
            if (status := self.poll()) is not None:
                return status
        self.stop()
        return 0

    def poll(self) -> int | None:
        """None while all essential ones run; otherwise ends all and returns the status as :meth:`wait` does."""
        for running in tuple(self._running):
            status = running.process.poll()
            if status is None:
                continue
            running.reader.join(1.0)
            expected = running.spec.ends_all and status == 0
            cause = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
            if not running.spec.essential:
                self.say("up", f"{running.spec.name} ended unasked with {cause}; the rest goes on without it")
                self._running.remove(running)
                continue
            if not expected:
                self.say("up", f"{running.spec.name} ended unasked with {cause}; ending the rest")
            self.stop()
            return 0 if expected else status if status > 0 else 1
        return None

    def stop(self) -> None:
        """End all processes: SIGINT, then SIGTERM, then SIGKILL, each after some grace."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            alive = [r for r in self._running if r.process.poll() is None]
            for running in alive:
                if number is not signal.SIGINT:
                    self.say("up", f"{running.spec.name} does not end, sending {number.name}")
                running.process.send_signal(number)
            until = time.monotonic() + GRACE_S
            for running in alive:
                try:
                    running.process.wait(max(0.0, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue  # the next, stronger signal follows
        for running in self._running:
            running.reader.join(1.0)
        self._running.clear()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def process_id(self, node_name: str) -> int:
        """PID of a running node's process."""
        return next(r.process.pid for r in self._running if r.spec.name == node_name)

    def say(self, name: str, line: str) -> None:
        """Pass one line on, under a name."""
        with self._lock, contextlib.suppress(OSError):  # the terminal may be gone; the nodes are ended in order anyway
            self._say(f"[{name}] {line}")

    def _bring_up(self, running: _Running, still_runs: Callable[[], bool]) -> None:
        try:
            bring_up(running.spec.full_name, still_runs, self._domain)
        except InputError as error:
            until = time.monotonic() + REASON_S
            while not running.errors and time.monotonic() < until and running.process.poll() is None:
                time.sleep(POLL_S)
            if running.errors and "; " in (reason := running.errors[-1]):  # the node's own, with the remedy
                problem, remedy = reason.rsplit("; ", 1)
                raise InputError(error.where, problem, remedy) from None
            raise

    def _all_run(self) -> bool:
        return all(r.process.poll() is None for r in self._running if r.spec.essential)

    def _start(self, spec: NodeSpec, variables: dict[str, str], lifeline: int) -> _Running:
        command = [sys.executable, "-m", PACKAGE, spec.executable, *spec.ros_arguments()]
        if self._domain is not None:
            variables = {**variables, "ROS_DOMAIN_ID": str(self._domain)}
        try:
            process = subprocess.Popen(
                command,
                stdin=lifeline,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                bufsize=1,
                env={**os.environ, **variables, "PYTHONUNBUFFERED": "1", LIFELINE: "1"},
                start_new_session=True,  # Ctrl-C reaches this process only, which then ends the nodes in order
            )
        except OSError as error:
            raise InputError(spec.name, f"cannot be started ({error.strerror})", "check the installation") from error
        errors: list[str] = []
        reader = threading.Thread(target=self._pass_on, args=(spec.name, process, errors), daemon=True)
        reader.start()
        return _Running(spec, process, errors, reader)

    def _pass_on(self, name: str, process: subprocess.Popen[str], errors: list[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                self.say(name, line.rstrip())
                if found := _ERROR.search(line.rstrip()):
                    errors.append(found[1])
