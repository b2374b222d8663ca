"""``msstan study failures``: monitor, gate and clocks fail, and the robot has to weld as programmed again in time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "failures",
        help="let monitor, gate and clocks fail, and time the way back to the programmed setpoints",
        description="Monitor, gate and robot exchange messages as they do live, with random procedures, advice, delays "
        "and clocks, until one thing fails: the monitor is killed, freezes, lies or is late, old or foreign messages "
        "come in, the gate is killed or cut off, a clock is set or stands still. Measures the time until the programme "
        "is applied again against the stated bound, and judges every setpoint by the procedure's ranges, heat input "
        "and rates. Compared with a robot that adds whatever the monitor says. Needs no ROS.",
        epilog="A run takes about 0.05 s. The command fails if a return is late or a limit is left. Example: msstan "
        "study failures --runs 50 --json docs/results/faults.json",
    )
    parser.add_argument("--runs", type=int, default=50, help="seeded runs of every failure (default: 50)")
    parser.add_argument("--failures", help="names, comma-separated (default: all, and the storm of all of them)")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run, judge, write the result file."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from msstan_core.closed_loop.failure_study import names, run_failure, summarise
    from msstan_core.errors import InputError
    from msstan_core.results import command_of, write_result

    if not 1 <= arguments.runs <= 100_000:
        raise InputError("--runs", f"{arguments.runs} asked for", "give a number from 1 to 100000")
    chosen = arguments.failures.split(",") if arguments.failures else list(names())
    for name in chosen:
        if name not in names():
            raise InputError("--failures", f"{name!r} is not possible", f"some of {','.join(names())}")
    console = Console(stderr=True)
    plan = [(name, seed) for seed in range(arguments.runs) for name in chosen]
    shown = track(plan, "failing", console=console, transient=True, disable=not console.is_terminal)
    runs = [run_failure(name, seed) for name, seed in shown]
    metrics, baselines, rows = summarise(runs)
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.runs,
        data="the line from monitor to robot in one process; procedures, advice, delays and clocks drawn from the seed",
        metrics=metrics,
        baselines=baselines,
        details={"by_failure": rows},
    )
    table = Table("failure", "runs", "within bound", "back, s", "worst, s", "bound, s", "violations")
    for row in rows:
        back = row["back_s"] or {}
        table.add_row(
            row["words"],
            str(row["runs"]),
            f"{row['within_bound']:.0%}" if back else "-",
            f"{back['p50']:.2f}" if back else "-",
            f"{back['max']:.2f}" if back else "-",
            f"{row['bound_s']['min']:.2f} to {row['bound_s']['max']:.2f}" if back else "-",
            str(row["violations"]),
        )
    console.print(table)
    late, violations = sum(not r.within_bound for r in runs), sum(r.violations for r in runs)
    print(f"{arguments.json}: {late} late returns and {violations} violations of the procedure in {len(runs)} runs")
    return 0 if late == 0 and violations == 0 else 1
