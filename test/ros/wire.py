"""Real processes started through ``msstan up``, and a listener beside them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from msstan_core.observation import (
    NANOSECONDS_PER_SECOND,
    AudioChunk,
    CameraFrame,
    TelemetrySample,
    ThermalFrame,
    WeldContext,
)
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.vocabulary import Modality

REPOSITORY = Path(__file__).resolve().parents[2]


class Running:
    """A running ``msstan COMMAND``; its output so far is in ``lines``."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, name, *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def output(self) -> str:
        return "\n".join(self.lines)

    def wait(self, seconds: float) -> int:
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s:\n{self.output()}") from None
        self._reader.join(5)
        return status

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.wait(30)

    def node_process(self, executable: str) -> int:
        """PID of a node: a child of ours whose command line names it."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                command = (entry / "cmdline").read_bytes().decode().split("\0")
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            if parent == self.process.pid and ["msstan_ros", executable] == command[2:4]:
                return int(entry.name)
        raise AssertionError(f"{executable} does not run:\n{self.output()}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line.rstrip())


#: The command as the installed `msstan` runs it, without needing an installation.
_COMMAND = """
import argparse, importlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell begins in the background
from msstan_core.errors import InputError
parser = argparse.ArgumentParser()
importlib.import_module("msstan_ros.commands." + sys.argv[1]).register(parser.add_subparsers())
try:
    arguments = parser.parse_args(sys.argv[1:])
    sys.exit(arguments.run(arguments))
except InputError as error:
    print(f"msstan {sys.argv[1]}: {error}", flush=True)
    sys.exit(1)
"""


@contextmanager
def command(name: str, *arguments: str) -> Iterator[Running]:
    """``msstan NAME ARGUMENTS``, ended at the end of the block whatever happens."""
    running = Running(name, *arguments)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
            try:
                running.process.wait(30)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait(5)


@contextmanager
def node_process(module: str, *parameters: str) -> Iterator[subprocess.Popen[bytes]]:
    """A node without anybody who ends the others when it dies."""
    arguments = [item for parameter in parameters for item in ("-p", parameter)]
    running = subprocess.Popen([sys.executable, "-m", "msstan_ros", module, "--ros-args", *arguments], cwd=REPOSITORY)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGCONT)
            running.kill()
        running.wait(10)


def up(*arguments: str) -> AbstractContextManager[Running]:
    """``msstan up ARGUMENTS``."""
    return command("up", *arguments)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def stamps_of(bag: Path, modality: Modality) -> list[int]:
    """Stamps of one modality in a bag."""
    with BagReader(bag) as reader:
        return [s.stamp_ns for s in reader.samples([modality]) if not isinstance(s, WeldContext)]


def write_small_weld(path: Path, seconds: float = 3.0) -> Path:
    """A made-up weld with all four sensors: dark, then bright, hot and loud, then dark again."""
    rng = np.random.default_rng(0)
    start = 1_700_000_000 * NANOSECONDS_PER_SECOND
    samples: list[CameraFrame | ThermalFrame | AudioChunk | TelemetrySample] = []

    def on(t: float) -> bool:
        return 0.3 * seconds < t < 0.8 * seconds

    def stamps(rate_hz: float) -> list[float]:
        return [i / rate_hz for i in range(int(seconds * rate_hz))]

    for t in stamps(25):
        image = rng.integers(0, 30, (60, 80), dtype=np.uint8)
        celsius = np.full((20, 20), 25.0, np.float32)
        if on(t):
            image[20:40, 30:50] = 250
            celsius[8:12, 8:12] = 1500
        samples.append(CameraFrame(start + round(t * 1e9), image=image, frame_id="weld_camera"))
        samples.append(ThermalFrame(start + round(t * 1e9) + 3_000_000, celsius, "thermal_camera"))
    for index in range(int(seconds * 16_000 / 1024)):
        t = index * 1024 / 16_000
        sound = rng.normal(0, 0.2 if on(t) else 0.01, 1024).astype(np.float32)
        samples.append(AudioChunk(start + round(t * 1e9), 16_000, sound))
    for t in stamps(50):
        samples.append(
            TelemetrySample(start + round(t * 1e9) + 1_000_000, 180.0 if on(t) else 0.0, 22.0 if on(t) else 60.0)
        )
    with BagWriter(path, {"simulated": "true"}) as writer:
        writer.write(WeldContext(start))
        for sample in sorted(samples, key=lambda s: s.stamp_ns):
            writer.write(sample)
    return path


def wait_for(lines: list[str], text: str, seconds: float = 60.0) -> None:
    """Until one of the lines contains the text."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(text in line for line in lines):
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} was not said:\n" + "\n".join(lines))
