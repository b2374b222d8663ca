"""The monitor under the load of a usual cell, every part a process of its own, over DDS: latency, CPU, memory, loss.

``msstan bench`` finds :func:`measure` and :func:`soak` by the entry points of group ``msstan.benchmarks``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msstan_core.benchmark.process import cpu_seconds, peak_resident_mb, resident_mb
from msstan_core.benchmark.timing import percentiles, rounded
from msstan_core.benchmark.workload import CAMERA_HZ
from msstan_core.errors import InputError
from msstan_core.vocabulary import MODALITIES, Modality
from msstan_ros.bringup import profile_named
from msstan_ros.latency_probe import Heard, LatencyProbe
from msstan_ros.node_description import NodeSpec
from msstan_ros.supervision import Supervisor
from msstan_ros.transport import environment

#: Rates of the microphone that are measured one after the other.
SAMPLE_RATES_HZ = (16_000, 48_000)
#: The sources have this long to flow before the monitor starts, s.
SOURCES_S = 4.0
#: Not counted after the first result, s: the lifecycle still settles.
SETTLE_S = 3.0
FIRST_RESULT_TIMEOUT_S = 60.0
_MONITOR = "weld_monitor"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was observed of the monitor over some time."""

    heard: Heard
    seconds: float
    cpu_share: float  #: of one core
    rss_mb: float
    dropped: tuple[int, ...]  #: by modality
    received: tuple[int, ...]  #: by modality

    def figures(self) -> dict[str, Any]:
        """For the result file."""
        latency = self.heard.latency_ms()
        return {
            "actions": len(latency),
            "rate_hz": rounded(len(latency) / self.seconds),
            "end_to_end_ms": {**percentiles(latency), "max": rounded(float(latency.max())) if len(latency) else None},
            "inference_ms": percentiles(1e3 * self.heard.inference_s),
            "frames_without_result": self.heard.frames_without_result(CAMERA_HZ),
            "lost_results": self.heard.lost_results(),
            "dropped": dict(zip((m.label for m in MODALITIES), self.dropped, strict=True)),
            "received": dict(zip((m.label for m in MODALITIES), self.received, strict=True)),
            "cpu_share": rounded(self.cpu_share, 3),
            "rss_mb": round(self.rss_mb, 1),
        }

    @property
    def lost(self) -> int:
        """Samples that the monitor dropped, frames that never reached it, and results that did not arrive."""
        unexplained = self.heard.frames_without_result(CAMERA_HZ) - self.dropped[Modality.CAMERA]
        return sum(self.dropped) + max(0, unexplained) + self.heard.lost_results()


def measure(model_dir: Path, seconds: float) -> dict[str, Any]:
    """The monitor for ``seconds`` at each rate of the microphone.

    Returns:
        ``end_to_end_ms`` over both, ``first_action_s``, ``rss_mb``, ``peak_rss_mb``, ``cpu_share``, ``lost``, and the
        figures of each rate by its name.

    Raises:
        InputError: when a process fails or the monitor says nothing.
    """
    stretches, first, peaks, by_rate = [], [], [], {}
    for rate in SAMPLE_RATES_HZ:
        with _running(model_dir, rate) as live:
            stretch = live.observe(seconds)
            peaks.append(peak_resident_mb(live.pid))
        stretches.append(stretch)
        first.append(live.first_action_s)
        by_rate[f"sound at {rate} Hz"] = {**stretch.figures(), "first_action_s": round(live.first_action_s, 2)}
    latency = np.concatenate([s.heard.latency_ms() for s in stretches])
    return {
        "end_to_end_ms": {**percentiles(latency), "max": rounded(float(latency.max()))},
        "first_action_s": {"p50": round(float(np.median(first)), 2), "p99": round(max(first), 2)},
        "rss_mb": {"p50": round(float(np.median([s.rss_mb for s in stretches])), 1)},
        "peak_rss_mb": round(max(peaks), 1),
        "cpu_share": {"p50": rounded(float(np.median([s.cpu_share for s in stretches])), 3)},
        "lost": sum(s.lost for s in stretches),
        **by_rate,
    }


def soak(
    model_dir: Path, seconds: float, period_s: float = 60.0, said: Callable[[str], None] = print
) -> dict[str, Any]:
    """The monitor under full load for long.

    Args:
        model_dir: of the model. seconds: how long. period_s: of one row of the course. said: told each row.

    Returns:
        ``course``: one row a period; ``growth_mb_per_hour`` (line through the memory of the last two thirds),
        ``latency_drift_ms`` (median of the last quarter less that of the first), ``end_to_end_ms``, ``lost``, ...

    Raises:
        InputError: when a process fails or the monitor says nothing.
    """
    course: list[Stretch] = []
    until = time.monotonic() + seconds
    with _running(model_dir, SAMPLE_RATES_HZ[-1]) as live:
        first, until = live.first_action_s, time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0.5:
            stretch = live.observe(min(period_s, left))
            course.append(stretch)
            figures = stretch.figures()
            said(
                f"{len(course) * period_s / 60:.0f} min: p50 {figures['end_to_end_ms']['p50']} ms, p99 "
                f"{figures['end_to_end_ms']['p99']} ms, {stretch.rss_mb:.1f} MB, {stretch.lost} lost"
            )
    latency = np.concatenate([s.heard.latency_ms() for s in course])
    quarter = max(1, len(course) // 4)
    early, late = (
        float(np.median(np.concatenate([s.heard.latency_ms() for s in part])))
        for part in (course[:quarter], course[-quarter:])
    )
    steady = course[len(course) // 3 :]
    return {
        "minutes": rounded(sum(s.seconds for s in course) / 60.0),
        "actions": len(latency),
        "lost": sum(s.lost for s in course),
        "end_to_end_ms": percentiles(latency),
        "latency_drift_ms": rounded(late - early, 3),
        "rss_mb": {"p50": round(float(np.median([s.rss_mb for s in steady])), 1)},
        "growth_mb_per_hour": _growth_per_hour(steady),
        "cpu_share": {"p50": rounded(float(np.median([s.cpu_share for s in course])), 3)},
        "first_action_s": {"p50": round(first, 2)},
        "course": [s.figures() for s in course],
    }


def _growth_per_hour(course: list[Stretch]) -> float:
    """Slope of a line through the memory, MB an hour; 0 for a single row."""
    if len(course) < 2:
        return 0.0
    hours = np.cumsum([s.seconds for s in course]) / 3600.0
    return rounded(float(np.polyfit(hours, [s.rss_mb for s in course], 1)[0]), 3)


class _Live:
    """The monitor while it runs."""

    def __init__(self, probe: LatencyProbe, nodes: Supervisor, sources: Supervisor, first_action_s: float) -> None:
        self.first_action_s = first_action_s
        self.pid = nodes.process_id(_MONITOR)
        self._probe, self._supervisors = probe, (nodes, sources)

    def observe(self, seconds: float) -> Stretch:
        """Let it run and note what comes.

        Raises:
            InputError: when a process ends meanwhile or no result comes.
        """
        self._probe.take()
        began, used, before = time.monotonic(), cpu_seconds(self.pid), self._counts()
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            if any(supervisor.poll() is not None for supervisor in self._supervisors):
                raise InputError("live measurement", "a process ended meanwhile", "read its output above")
        heard, elapsed = self._probe.take(), time.monotonic() - began
        if len(heard.sequence) == 0:
            raise InputError("live measurement", "the monitor has fallen silent", "read its output above")
        after = self._counts()
        received, dropped = (tuple(int(n) for n in np.subtract(a, b)) for a, b in zip(after, before, strict=True))
        share = (cpu_seconds(self.pid) - used) / elapsed
        return Stretch(heard, elapsed, share, resident_mb(self.pid), dropped, received)

    def _counts(self) -> tuple[list[int], list[int]]:
        state = self._probe.state
        if state is None:
            raise InputError("weld/state", "no heartbeat was heard", "check ROS_DOMAIN_ID and the monitor's output")
        return list(state.received), list(state.dropped)


@contextmanager
def _running(model_dir: Path, sample_rate_hz: int) -> Iterator[_Live]:
    """Sources first, as in a cell; then the monitor; from its first result on and a little later."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.update(environment()[0])
    complaints: list[str] = []

    def keep(line: str) -> None:
        if any(word in line for word in ("WARN", "ERROR", "FATAL", "Error", "ended unasked")):
            complaints.append(line)
            print(line, flush=True)

    sources = [_source(modality, sample_rate_hz) for modality in MODALITIES]
    monitor = profile_named("monitor").describe({"model": str(model_dir), "overlay": "false"})
    with LatencyProbe() as probe, Supervisor(sources, keep) as playing, Supervisor(monitor, keep) as nodes:
        playing.start()
        time.sleep(SOURCES_S)
        began_ns = time.time_ns()
        nodes.start()
        if not probe.first.wait(FIRST_RESULT_TIMEOUT_S):
            reason = complaints[-1] if complaints else "nothing was said"
            problem = f"no result after {FIRST_RESULT_TIMEOUT_S:.0f} s ({reason})"
            raise InputError("live measurement", problem, "read the output above")
        time.sleep(SETTLE_S)
        yield _Live(probe, nodes, playing, (probe.first_ns - began_ns) / 1e9)


def _source(modality: Modality, sample_rate_hz: int) -> NodeSpec:
    return NodeSpec(
        f"{modality.label}_source",
        "load_source_node",
        parameters={"modality": modality.label, "sample_rate_hz": sample_rate_hz},
    )
