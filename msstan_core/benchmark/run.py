"""All measurements of ``msstan bench`` in one run, and what of them goes where in the result file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msstan_core.benchmark import scaling, tick_parts
from msstan_core.benchmark.adaptation_load import LEARNING, adaptation_load
from msstan_core.benchmark.hooks import LIVE, measurement
from msstan_core.benchmark.long_stream import paced_stream, streaming_error
from msstan_core.benchmark.peer_updates import PEER_THREADS, TimedPeer, timed_peers
from msstan_core.benchmark.process import lone_monitor
from msstan_core.benchmark.timing import Contestant, Timings, in_turns, ratio, rounded
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.frame_sampling import FrameSampling
from msstan_core.inference.model_package import ModelPackage

#: Metric -> peer of the registry.
RATIOS = {"ratio_x3d_xs": "x3d_xs", "ratio_r3d_18": "r3d_18", "ratio_slowfast": "slowfast_r50"}
_FAST_RATE_HZ = 100.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What to measure."""

    rounds: int = 9  #: turns of every contestant
    peers: Sequence[str] = ()  #: of the registry
    stream_ticks: int = 100_000  #: of the comparison of streaming with unrolled; 0: none
    live_seconds: float = 20.0  #: per audio rate; 0: no measurement over DDS
    scaling: bool = True  #: resolution, window, batch, torches
    starts: int = 3  #: of a monitor without ROS
    fast_seconds: float = 10.0  #: of frames at 100 Hz
    adaptation_rounds: int = 60  #: turns of ticks with and without adaptation; 0: none
    gated: ModelPackage | None = None  #: a model with importance gate, for frames at 100 Hz with skipping


@dataclass(slots=True)
class Result:
    """Parts of the result file."""

    metrics: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


def measure(
    package: ModelPackage,
    settings: Settings,
    said: Callable[[str], None],
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Result:
    """Run everything.

    Args:
        package: the model. settings: what to measure.
        said: told what begins. progress: told the share done of what runs.

    Raises:
        InputError: when the model cannot be run.
    """
    result = Result()
    said("starting monitors")
    lone = lone_monitor(package.directory, settings.starts)
    if settings.live_seconds > 0:
        said("live over DDS")
        result.details["live"] = _live(package, settings.live_seconds)
    with tempfile.TemporaryDirectory() as name:
        _timings(package, settings, Path(name), said, progress, result)
    if settings.adaptation_rounds > 0:
        said("with and without adaptation")
        load = adaptation_load(
            package, settings.adaptation_rounds, progress=lambda share: progress("adaptation", share)
        )
        result.details["adaptation"] = load
        if "ratio" in load:
            result.metrics["adaptation_ratio"] = load["ratio"][LEARNING]
            result.metrics["adaptation_p99_ratio"] = load["p99_ratio"][LEARNING]
    said(f"{_FAST_RATE_HZ:.0f} frames a second")
    _fast_stream(package, None, "late_at_100_hz", settings, result)
    if settings.gated is not None:
        _fast_stream(settings.gated, FrameSampling(), "late_at_100_hz_skipping", settings, result)
    if settings.stream_ticks > 0:
        said(f"streaming against unrolled, {settings.stream_ticks} ticks")
        error = streaming_error(package, settings.stream_ticks, lambda share: progress("streaming", share))
        result.details["streaming_against_unrolled"] = error
        result.metrics["streaming_difference"] = error["probability_difference"]
    result.details["process"] = lone
    _headline(result, lone)
    return result


def _fast_stream(
    package: ModelPackage, sampling: FrameSampling | None, metric: str, settings: Settings, result: Result
) -> None:
    monitor = Monitor.load(package.directory, sampling=sampling)
    fast = paced_stream(monitor, _FAST_RATE_HZ, settings.fast_seconds)
    model = {"model": f"{package.card.name} {package.card.version}", "sampling": sampling is not None}
    result.details.setdefault("frames_at_100_hz", []).append({**model, **fast})
    result.metrics[metric] = rounded(fast["late"] / fast["frames"])


def _live(package: ModelPackage, seconds: float) -> dict[str, Any]:
    found = measurement(LIVE)
    if found is None:
        return {"left out": "no ROS here, or msstan_ros is not installed (make setup)"}
    return found(package.directory, seconds)


def _timings(
    package: ModelPackage,
    settings: Settings,
    folder: Path,
    said: Callable[[str], None],
    progress: Callable[[str, float], None],
    result: Result,
) -> None:
    """Everything that is timed in turns."""
    config = package.card.config

    def preparing(what: str) -> None:
        said(f"preparing {what}")

    contestants = [
        *tick_parts.tick_contestants(package, folder),
        *tick_parts.preprocessing_contestants(package),
        *scaling.base_contestants(folder, preparing),
        *scaling.sampling_contestants(config, folder, preparing),
    ]
    rows: dict[str, list[tuple[int, Contestant]]] = {}
    if settings.scaling:
        rows = scaling.scaling_contestants(config, folder, preparing)
        rows["torches"] = scaling.torch_contestants(package)
    peers = timed_peers(settings.peers, folder / "peers", preparing)
    contestants += [contestant for table in rows.values() for _, contestant in table]
    contestants += [peer.contestant for peer in peers]
    said(f"timing {len(contestants)} parts in turns")
    timings = in_turns(contestants, settings.rounds, lambda share: progress("timing", share))
    tables = {n: scaling.table(r, timings, per_unit=n in ("torches", "batch")) for n, r in rows.items()}
    named = {c.name for table in rows.values() for _, c in table} | {p.contestant.name for p in peers}
    result.details["threads"] = {"MS-STAN": 1, "peers": list(PEER_THREADS), "of the machine": os.cpu_count()}
    result.details["rounds"] = settings.rounds
    result.details["parts_ms"] = {name: t.percentiles() for name, t in timings.items() if name not in named}
    result.details.update(tables)
    _compare(timings, peers, result)


def _compare(timings: dict[str, Timings], peers: list[TimedPeer], result: Result) -> None:
    network, floor = timings[tick_parts.NETWORK], timings[tick_parts.BACKBONE]
    preprocessing, decided = timings[tick_parts.PREPROCESSING], timings[tick_parts.MONITOR]
    result.metrics |= {
        "tick_ms": network.percentiles(),
        "monitor_tick_ms": decided.percentiles(),
        "base_tick_ms": timings[scaling.BASE].percentiles(),
        "held_tick_ms": timings[scaling.HELD_TICK].percentiles(),
        "backbone_ratio": ratio(network, floor),
        "base_backbone_ratio": ratio(timings[scaling.BASE], timings[scaling.BASE_BACKBONE]),
        "preprocessing_ratio": ratio(preprocessing, network),
    }
    result.baselines["camera backbone alone"] = {"tick_ms": floor.percentiles()}
    for peer in peers:
        timed = timings[peer.contestant.name]
        against = ratio(timed, network)
        result.baselines[peer.name] = {
            **peer.figures(timed),
            "ratio": against,
            "ratio_to_monitor_tick": rounded(timed.median / decided.median),
        }
        for metric, key in RATIOS.items():
            if key == peer.key:
                result.metrics[metric] = against


def _headline(result: Result, lone: dict[str, Any]) -> None:
    """Latency through DDS, memory and start-up: of the live process where it was measured, else of the lone one."""
    live = result.details.get("live", {})
    result.metrics["rss_mb"] = {"p50": lone["rss_mb"]}
    result.metrics["first_action_s"] = lone["first_action_s"]
    if "end_to_end_ms" in live:
        for name in ("end_to_end_ms", "rss_mb", "first_action_s", "cpu_share", "lost"):
            result.metrics[name] = live[name]
