"""``msstan bench``: what one tick costs on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the cost of a tick on this machine",
        description="Time one tick (all four modalities) in ONNX Runtime and torch beside its floor, the camera "
        "backbone alone in the same runtime. Parts are timed in turns; quote the ratios, machines differ.",
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--ticks", type=int, default=300, help="counted ticks (default: 300)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure; print a table; write the result file."""
    from rich.console import Console
    from rich.table import Table

    from msstan_core.benchmark.tick import measure_tick
    from msstan_core.errors import InputError
    from msstan_core.inference.model_package import load_package
    from msstan_core.resources import default_model_dir
    from msstan_core.results import write_result

    if arguments.ticks < 1:
        raise InputError("--ticks", f"is {arguments.ticks}", "count at least one tick")
    package = load_package(arguments.model or default_model_dir())
    figures = measure_tick(package, arguments.ticks)
    table = Table("figure", "median", "p99")
    for name, values in figures.items():
        table.add_row(name, f"{values['p50']:g}", f"{values['p99']:g}" if "p99" in values else "")
    Console(stderr=True).print(table)
    metrics = {"tick_ms": figures["tick_onnx_1_thread_ms"], **figures}
    write_result(
        arguments.json,
        command=f"msstan bench --ticks {arguments.ticks} --json {arguments.json}",
        seeds=1,
        data="random images, sound and telemetry of a usual cell's sizes",
        metrics=metrics,
        baselines={"camera backbone alone": {"tick_ms": figures["backbone_onnx_1_thread_ms"]}},
    )
    median, ratio = figures["tick_onnx_1_thread_ms"]["p50"], figures["backbone_ratio"]["p50"]
    print(f"{arguments.json}: {median:.2f} ms a tick, {ratio:.2f} times the backbone alone")
    return 0
