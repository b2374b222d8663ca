"""``msstan closed-loop-live``: welds of the closed-loop study as ROS 2 processes, over DDS."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msstan_core.closed_loop.figures import WeldFigures

#: Welds in one process that ``msstan closed-loop`` has kept are looked for under this name, beside the result.
IN_PROCESS_RESULT = "closed_loop.json"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "closed-loop-live",
        help="the closed-loop study over DDS, in the cell's own time (slow)",
        description="""\
Weld a part of the closed-loop study with simulated cell, monitor and gate as processes that talk over DDS, and the
same welds in one process, alone and with the monitor.

A weld over DDS takes its own length over the rate, and some seconds to start and to end. On a machine that is too slow
the cell does not keep its pace, sensors seem silent, and the gate passes nothing while the monitor is DEGRADED: the
figures are the machine's then. Each weld says how often that was (not OK), how many decisions came late, and the cell's
pace. Lower --jobs, then --rate, where the pace is not kept.

The welds have ROS domains of their own on this machine: they hear neither each other nor a running system.
What is done is kept (OUT.json.welds.jsonl): after an interruption the same command goes on. Welds in one process are
taken from closed_loop.json.welds.jsonl beside OUT.json, which msstan closed-loop keeps, where model, simulator, rules
and procedures are the same. A weld that fails is begun anew once.""",
        epilog="""\
Examples:
  msstan closed-loop-live --imperfections 402,506 --json out/live.json        # one weld each, to see how long it takes
  msstan closed-loop-live --welds 50 --rate 0.99 --jobs 2 --json docs/results/closed_loop_live.json \\
    --page docs/closed_loop.md""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--welds", type=int, default=1, help="seeded welds per imperfection (default: 1)")
    parser.add_argument("--imperfections", help="ISO 6520-1 codes, comma-separated; 0: good welds (default: all)")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--rate", type=float, default=0.5, help="pace of the cell, not 1 (default: 0.5)")
    parser.add_argument("--jobs", type=int, default=1, help="welds at once, three processes each (default: 1)")
    parser.add_argument("--log", type=Path, default=Path("out"), help="folder for the nodes' output (default: out)")
    parser.add_argument(
        "--page", type=Path, help="page whose section about welds over DDS is rewritten, with a picture beside it"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld; status 0 only when every weld was heard and no limit was left."""
    import os
    import sys

    from msstan_core.closed_loop.kept_welds import SUFFIX, KeptWelds
    from msstan_core.closed_loop.report.live_page import SECTION, write_live
    from msstan_core.closed_loop.report.summary import summarise_live
    from msstan_core.closed_loop.study import revision_of, welded
    from msstan_core.closed_loop.tasks import FIRST_SEED, LIVE_ARMS, chosen_imperfections, tasks
    from msstan_core.errors import InputError
    from msstan_core.resources import default_model_dir
    from msstan_core.results import command_of, write_result
    from msstan_ros.live_study import nodes_sha256, welded_live
    from msstan_ros.transport import environment_for

    for name in ("welds", "jobs"):
        if (number := getattr(arguments, name)) < 1:
            raise InputError(f"--{name}", f"{number} asked for", "give a number from 1")
    if not 0.05 <= arguments.rate <= 20.0 or arguments.rate == 1.0:
        raise InputError(
            "--rate", f"{arguments.rate:g} is not possible", "0.05 to 20, but not 1: the cell tells the time"
        )
    if arguments.page is not None:
        SECTION.check(arguments.page)
    codes = chosen_imperfections(arguments.imperfections)
    os.environ.update(environment_for(arguments.jobs))
    model_dir = arguments.model or default_model_dir()
    plan = tasks(codes, range(FIRST_SEED, FIRST_SEED + arguments.welds), LIVE_ARMS)

    def said(figures: WeldFigures) -> None:
        kept_up = ""
        if (timing := figures.timing) is not None:
            kept_up = f"; not OK {timing.not_ok:.0%}, late {timing.late:.0%}, pace {timing.pace:.2f}"
        print(
            f"{figures.imperfection} seed {figures.seed} {figures.arm}: {figures.any_s:.1f} s of imperfection, advised "
            f"{figures.advised_s:.1f} s, {figures.wps_violations} violations{kept_up}",
            flush=True,
        )

    def complain(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    kept = arguments.json.with_name(arguments.json.name + SUFFIX)
    beside = arguments.json.with_name(IN_PROCESS_RESULT + SUFFIX)
    revision = revision_of(model_dir)
    with KeptWelds(kept, {**revision, "rate": arguments.rate, "nodes_sha256": nodes_sha256()}) as done:
        in_process = done.missing(task for task in plan if task.arm != "live")
        if in_process and beside.exists() and beside != kept:
            try:
                taken = done.take(in_process, KeptWelds(beside, revision))
                print(f"{taken} welds in one process are taken from {beside}", flush=True)
            except InputError as error:
                complain(f"{error}; welded here instead")
        for figures in welded(done.missing(in_process), model_dir, arguments.jobs):
            done.add(figures)
            said(figures)
        for figures in welded_live(
            done.missing(plan), arguments.jobs, arguments.rate, model_dir, arguments.log, complain
        ):
            done.add(figures)
            said(figures)
        welds = done.of(plan)
    metrics, baselines, table = summarise_live(welds)
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.welds,
        data=f"simulated cell over DDS at {arguments.rate:g} times real time, seeds from {FIRST_SEED}; the same welds "
        "in one process",
        metrics=metrics,
        baselines=baselines,
        details={"rate": arguments.rate, "by_imperfection": table, "welds": [w.as_dict() for w in welds]},
    )
    if arguments.page is not None:
        for file in write_live(arguments.page, arguments.json):
            print(file)
    violations = sum(w.wps_violations for w in welds)
    print(
        f"{arguments.json}: {violations} violations of the procedure in {len(welds)} welds, a third of them over DDS; "
        f"there the monitor was not OK in {metrics['not_ok']['mean']:.1%} of its heartbeats and "
        f"{metrics['late_decisions']['mean']:.1%} of the decisions were late"
    )
    slow = sum(w.timing is not None and not w.timing.kept_up(arguments.rate) for w in welds)
    if slow:
        complain(
            f"the machine did not keep up in {slow} of {len(welds) // 3} welds over DDS: their figures are the "
            "machine's too; weld them anew with fewer --jobs or a lower --rate, into another --json"
        )
    return 0 if violations == 0 else 1
