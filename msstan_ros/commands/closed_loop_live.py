"""``msstan closed-loop-live``: welds of the closed-loop study as ROS 2 processes, over DDS."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msstan_core.closed_loop.figures import WeldFigures
    from msstan_core.closed_loop.study import Task


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "closed-loop-live",
        help="the closed-loop study over DDS, in the cell's own time (slow)",
        description="Weld a part of the closed-loop study with simulated cell, monitor and gate as processes that talk "
        "over DDS, and the same welds in one process, alone and with the monitor. A weld over DDS takes its own length "
        "over the rate, and some seconds to start. Goes on where it was interrupted (OUT.json.welds.jsonl).",
        epilog="Example: msstan closed-loop-live --welds 2 --json docs/results/closed_loop_live.json "
        "--page docs/closed_loop.md",
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--welds", type=int, default=1, help="seeded welds per imperfection (default: 1)")
    parser.add_argument("--imperfections", help="ISO 6520-1 codes, comma-separated; 0: good welds (default: all)")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--rate", type=float, default=0.5, help="pace of the cell, not 1 (default: 0.5)")
    parser.add_argument("--log", type=Path, default=Path("out"), help="folder for the nodes' output (default: out)")
    parser.add_argument("--page", type=Path, help="page whose section about welds over DDS is rewritten")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld; status 0 only when every weld was heard and no limit was left."""
    from msstan_core.closed_loop.page import check_page, write_live
    from msstan_core.closed_loop.study import (
        FIRST_SEED,
        LIVE_ARMS,
        chosen_imperfections,
        run_study,
        summarise_live,
        tasks,
    )
    from msstan_core.errors import InputError
    from msstan_core.resources import default_model_dir
    from msstan_core.results import command_of, write_result
    from msstan_ros.live_weld import weld_live

    if arguments.welds < 1:
        raise InputError("--welds", f"{arguments.welds} asked for", "give a number from 1")
    if not 0.05 <= arguments.rate <= 20.0 or arguments.rate == 1.0:
        raise InputError(
            "--rate", f"{arguments.rate:g} is not possible", "0.05 to 20, but not 1: the cell tells the time"
        )
    if arguments.page is not None:
        check_page(arguments.page, live=True)
    model_dir = arguments.model or default_model_dir()
    codes = chosen_imperfections(arguments.imperfections)

    def over_dds(task: Task) -> WeldFigures:
        return weld_live(task, arguments.rate, model_dir, arguments.log)

    def said(figures: WeldFigures) -> None:
        print(
            f"{figures.imperfection} seed {figures.seed} {figures.arm}: {figures.any_s:.1f} s of imperfection, advised "
            f"{figures.advised_s:.1f} s, {figures.wps_violations} violations",
            flush=True,
        )

    plan = tasks(codes, range(FIRST_SEED, FIRST_SEED + arguments.welds), LIVE_ARMS)
    kept = arguments.json.with_name(arguments.json.name + ".welds.jsonl")
    welds = run_study(plan, model_dir, kept, 1, said, {"live": over_dds})
    metrics, baselines, table = summarise_live(welds)
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.welds,
        data=f"simulated cell over DDS at {arguments.rate:g} times real time, seeds from {FIRST_SEED}; the same welds "
        "in one process",
        metrics=metrics,
        baselines=baselines,
        details={"by_imperfection": table, "welds": [w.as_dict() for w in welds]},
    )
    if arguments.page is not None:
        write_live(arguments.page, arguments.json)
        print(arguments.page)
    violations = sum(w.wps_violations for w in welds)
    print(f"{arguments.json}: {violations} violations of the procedure in {len(welds)} welds, a third of them over DDS")
    return 0 if violations == 0 else 1
