"""``msstan bench``: what the monitor costs on this machine, beside its peers."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

#: Peers that are timed unless asked otherwise.
DEFAULT_PEERS = (
    "svm_hog",
    "cnn_lstm",
    "timesformer",
    "r3d_18",
    "slowfast_r50",
    "i3d_r50",
    "tsn_r50",
    "x3d_xs",
    "x3d_s",
    "tsm_mobilenetv2",
    "gru",
    "gru_camera",
    "frame_mlp",
    "tick_mlp",
    "telemetry_mlp",
)

#: Those of ``--quick``: one of each kind.
QUICK_PEERS = ("svm_hog", "x3d_xs", "gru")


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the monitor's cost on this machine, beside its peers",
        description="Time a tick in parts, its floor (the camera backbone alone in the same runtime), every peer of "
        "the comparison, and the cost against resolution, window, batch and torches, all in turns, so that a slow "
        "moment of the machine hits all alike. Where ROS and msstan_ros are installed also sensors and monitor as "
        "processes that talk over DDS: stamp to message, CPU, memory, loss. About fifteen minutes on two idle "
        "cores; quote the ratios, machines differ.",
        epilog="With --soak-minutes only the live monitor is measured, for that long, and the file holds its course. "
        "--page-only writes the page anew from --json, and from soak.json and sampling.json beside it.",
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument(
        "--quick", action="store_true", help="everything in about a minute: to see that it runs, not to be quoted"
    )
    parser.add_argument("--rounds", type=int, help="turns of every part (default: 9)")
    parser.add_argument("--peers", help="names with commas, all, or none (default: all); " + ", ".join(DEFAULT_PEERS))
    parser.add_argument("--no-scaling", action="store_true", help="leave out resolution, window, batch and torches")
    parser.add_argument(
        "--stream-ticks",
        type=int,
        metavar="N",
        help="ticks over which streaming is held against unrolled; 0: none (default: 100000)",
    )
    parser.add_argument(
        "--gated",
        type=Path,
        metavar="MODEL",
        help="a model with importance gate, for 100 frames a second with skipping (default: --model, if it has one)",
    )
    parser.add_argument("--live", type=float, metavar="SECONDS", help="over DDS, per audio rate; 0: not (default: 20)")
    parser.add_argument("--soak-minutes", type=float, metavar="N", help="only the live monitor, for N minutes")
    parser.add_argument(
        "--page", type=Path, help="also write the figures as a page (docs/performance.md) with pictures"
    )
    parser.add_argument("--page-only", action="store_true", help="measure nothing: write --page from --json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure; print a table; write result file and page."""
    from msstan_core.benchmark.page import write_page
    from msstan_core.errors import InputError
    from msstan_core.inference.model_package import load_package
    from msstan_core.resources import default_model_dir

    if arguments.page_only:
        if arguments.page is None:
            raise InputError("--page-only", "needs a page to write", "name it: --page docs/performance.md")
        write_page(arguments.json, arguments.page)
        print(f"{arguments.page}: written from {arguments.json}")
        return 0
    for name, least in (("rounds", 1), ("stream_ticks", 0), ("live", 0)):
        value = getattr(arguments, name)
        if value is not None and not least <= value < math.inf:
            raise InputError(f"--{name.replace('_', '-')}", f"is {value:g}", f"give a finite number from {least} on")
    soak = arguments.soak_minutes
    if soak is not None and not 0 < soak < math.inf:
        raise InputError("--soak-minutes", f"is {soak:g}", "give a finite number above 0")
    if soak is not None and arguments.page is not None:
        raise InputError("--page", "is not written with --soak-minutes", "write it then: --page-only")
    package = load_package(arguments.model or default_model_dir())
    if arguments.soak_minutes is not None:
        return _soak(arguments, package.directory)
    return _bench(arguments, package)


def settings_of(arguments: argparse.Namespace, package: Any) -> Any:
    """What the options ask for: those of a full run or of ``--quick``, changed by the options that were given.

    Args:
        arguments: the options. package: the model that is measured.

    Raises:
        InputError: naming an unknown peer.
    """
    from dataclasses import replace

    from msstan_core.benchmark.run import Settings

    usual = Settings(peers=DEFAULT_PEERS)
    if arguments.quick:
        usual = Settings(
            rounds=2,
            peers=QUICK_PEERS,
            stream_ticks=1000,
            live_seconds=4.0,
            scaling=False,
            starts=1,
            fast_seconds=2.0,
            adaptation_rounds=3,
        )
    given = {
        "rounds": arguments.rounds,
        "stream_ticks": arguments.stream_ticks,
        "live_seconds": arguments.live,
        "peers": None if arguments.peers is None else chosen_peers(arguments.peers),
        "scaling": False if arguments.no_scaling else None,
        "gated": _with_gate(package) if arguments.gated is None else gated_package(arguments.gated),
    }
    return replace(usual, **{name: value for name, value in given.items() if value is not None})


def gated_package(folder: Path) -> Any:
    """The model that ``--gated`` names.

    Raises:
        InputError: when it cannot be read or has no importance gate.
    """
    from msstan_core.errors import InputError
    from msstan_core.inference.model_package import load_package

    package = _with_gate(load_package(folder))
    if package is None:
        raise InputError("--gated", f"{folder} has no importance gate", "give a model with one, e.g. models/default")
    return package


def _with_gate(package: Any) -> Any:
    """The model if it has an importance gate, else None."""
    return package if package.card.config.sampling.enabled else None


def chosen_peers(text: str) -> tuple[str, ...]:
    """The peers that ``--peers`` names.

    Raises:
        InputError: naming an unknown one.
    """
    from msstan_core.errors import InputError

    if text in ("all", "none"):
        return DEFAULT_PEERS if text == "all" else ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in DEFAULT_PEERS:
            raise InputError("--peers", f"knows no {name}", f"choose from {', '.join(DEFAULT_PEERS)}")
    return names


def _bench(arguments: argparse.Namespace, package: Any) -> int:
    import gc
    import time

    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.benchmark.page import text_table, write_page
    from msstan_core.benchmark.run import measure
    from msstan_core.results import command_of, write_result

    settings = settings_of(arguments, package)
    console = Console(stderr=True)
    began = time.monotonic()
    gc.freeze()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)

        def said(what: str) -> None:
            progress.update(task, description=what, completed=0.0)
            if not console.is_terminal:
                console.print(f"{time.monotonic() - began:5.0f} s  {what}", highlight=False)

        result = measure(package, settings, said, lambda what, share: progress.update(task, completed=share))
    result.details["duration_s"] = round(time.monotonic() - began)
    result.details["quick"] = arguments.quick
    card = package.card
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=1,
        data=f"made-up streams of a usual cell's sizes; model {card.name} {card.version}, base and peers with random "
        "weights",
        metrics=result.metrics,
        baselines=result.baselines,
        details=result.details,
    )
    console.print(text_table(arguments.json))
    if arguments.page is not None:
        write_page(arguments.json, arguments.page)
    tick, against = result.metrics["tick_ms"], result.metrics["backbone_ratio"]["p50"]
    print(f"{arguments.json}: {tick['p50']:.2f} ms a tick (p99 {tick['p99']:.2f}), {against:.2f} x the backbone alone")
    return 0


def _soak(arguments: argparse.Namespace, model_dir: Path) -> int:
    from msstan_core.benchmark.hooks import SOAK, measurement
    from msstan_core.errors import InputError
    from msstan_core.results import command_of, write_result

    found = measurement(SOAK)
    if found is None:
        raise InputError("--soak-minutes", "needs ROS and msstan_ros", "run it where ROS 2 is installed (make setup)")
    figures = found(model_dir, 60.0 * arguments.soak_minutes)
    course = figures.pop("course")
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=1,
        data="made-up streams of a usual cell's sizes, over DDS",
        metrics=figures,
        baselines={},
        details={"course": course},
    )
    latency, grown = figures["end_to_end_ms"], figures["growth_mb_per_hour"]
    print(
        f"{arguments.json}: {figures['actions']} actions, {figures['lost']} lost, p99 {latency['p99']:.1f} ms, memory "
        f"{grown:+.1f} MB an hour"
    )
    return 0 if figures["lost"] == 0 else 1
