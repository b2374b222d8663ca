"""What a tick costs against resolution, window length, batch, and torches watched by one process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msstan_core.benchmark.tick_parts import stream_of
from msstan_core.benchmark.timing import Contestant, Timings, rounded
from msstan_core.benchmark.variants import (
    runner,
    with_longest_window,
    with_resolution,
    write_backbone,
    write_parts,
    write_step,
)
from msstan_core.benchmark.workload import ticks
from msstan_core.decision.pipeline import Monitor
from msstan_core.inference.model_package import ModelPackage
from msstan_core.model.configuration import ModelConfig, base

RESOLUTIONS_PX = (96, 128, 160, 224)
LONGEST_WINDOWS = (16, 64, 256, 1024)
BATCHES = (1, 2, 4, 8)
TORCHES = (1, 2, 4, 8)

BASE, BASE_BACKBONE = "base, network, 1 thread", "base, camera backbone alone, 1 thread"
BASE_2 = "base, network, 2 threads"
HELD_TICK, GATE = "tick with the frame held", "importance gate"


def scaling_contestants(
    config: ModelConfig, folder: Path, said: Callable[[str], None]
) -> dict[str, list[tuple[int, Contestant]]]:
    """Table name -> (value, contestant) rows; networks with random weights."""
    rows: dict[str, list[tuple[int, Contestant]]] = {"resolution_px": [], "longest_window": [], "batch": []}

    def add(table: str, value: int, changed: ModelConfig, batch: int = 1) -> None:
        said(f"{table} {value}")
        path = write_step(changed, folder / f"{table}_{value}", batch)
        rows[table].append((value, Contestant(f"{table} {value}", runner(path, 1))))

    for px in RESOLUTIONS_PX:
        add("resolution_px", px, with_resolution(config, px))
    for longest in LONGEST_WINDOWS:
        add("longest_window", longest, with_longest_window(config, longest))
    for batch in BATCHES:
        add("batch", batch, config, batch)
    return rows


def base_contestants(folder: Path, said: Callable[[str], None]) -> list[Contestant]:
    """The larger network and its floor."""
    said("base")
    step, backbone = write_step(base(), folder / "base"), write_backbone(base(), folder / "base")
    return [
        Contestant(BASE, runner(step, 1)),
        Contestant(BASE_2, runner(step, 2)),
        Contestant(BASE_BACKBONE, runner(backbone, 1)),
    ]


def sampling_contestants(config: ModelConfig, folder: Path, said: Callable[[str], None]) -> list[Contestant]:
    """The network's tick when the gate holds the frame: gate and the rest of the step, without the backbone."""
    said("importance gate")
    gate, _, held = (runner(path, 1) for path in write_parts(config, folder / "gated"))

    def held_tick() -> None:
        gate()
        held()

    return [Contestant(GATE, gate), Contestant(HELD_TICK, held_tick)]


def torch_contestants(package: ModelPackage) -> list[tuple[int, Contestant]]:
    """So many torches in one process, one after the other in a single thread; the weights are in memory once."""
    monitor = Monitor.load(package.directory)
    stream = ticks(200)
    steps = [stream_of(monitor, stream)]
    steps += [stream_of(monitor.fork(), stream) for _ in range(max(TORCHES) - 1)]

    def all_of(count: int) -> Callable[[], object]:
        return lambda: [step() for step in steps[:count]]

    return [(count, Contestant(f"torches {count}", all_of(count))) for count in TORCHES]


def table(rows: list[tuple[int, Contestant]], timings: dict[str, Timings], per_unit: bool = False) -> dict[str, object]:
    """Value -> figures of its row; with ``per_unit`` also milliseconds over the value (of one torch, of one item)."""
    out: dict[str, object] = {}
    for value, contestant in rows:
        figures: dict[str, float] = dict(timings[contestant.name].percentiles())
        if per_unit:
            figures["p50_each"] = rounded(timings[contestant.name].median / value)
        out[str(value)] = figures
    return out
