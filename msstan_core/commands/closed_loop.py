"""``msstan closed-loop``: what the advice is worth, on the simulated cell."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "closed-loop",
        help="weld with the monitor's advice and without, and compare",
        description="Weld seeded faults on the simulated cell: alone, with monitor and gate, and with an oracle in "
        "the monitor's place. Counts seconds of imperfection, detection delays, corrections without cause and "
        "violations of the welding procedure. Runs in one process per job, faster than real time, and goes on where "
        "it was interrupted (OUT.json.welds.jsonl).",
        epilog="Example: msstan closed-loop --welds 50 --jobs 2 --json docs/results/closed_loop.json "
        "--page docs/closed_loop.md",
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--welds", type=int, default=50, help="seeded welds per imperfection (default: 50)")
    parser.add_argument("--imperfections", help="ISO 6520-1 codes, comma-separated; 0: good welds (default: all)")
    parser.add_argument("--model", type=Path, help="model folder (default: the shipped model)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--page", type=Path, help="page whose results section is rewritten, with pictures beside it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld, compare, write."""
    import math

    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.closed_loop.figures import WeldFigures
    from msstan_core.closed_loop.kept_welds import SUFFIX
    from msstan_core.closed_loop.report.study_page import SECTION, write_page
    from msstan_core.closed_loop.report.summary import example_of, summarise
    from msstan_core.closed_loop.study import course, run_study, run_weld
    from msstan_core.closed_loop.tasks import FIRST_SEED, Task, chosen_imperfections, tasks
    from msstan_core.decision.pipeline import Monitor
    from msstan_core.errors import InputError
    from msstan_core.resources import default_model_dir
    from msstan_core.results import command_of, write_result

    if arguments.welds < 1:
        raise InputError("--welds", f"{arguments.welds} asked for", "give a number from 1")
    if arguments.jobs < 1:
        raise InputError("--jobs", f"{arguments.jobs} asked for", "give a number from 1")
    if arguments.page is not None:
        SECTION.check(arguments.page)
    codes = chosen_imperfections(arguments.imperfections)
    model_dir = arguments.model or default_model_dir()
    plan = tasks(codes, range(FIRST_SEED, FIRST_SEED + arguments.welds))
    kept = arguments.json.with_name(arguments.json.name + SUFFIX)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("welding", total=len(plan))

        def said(figures: WeldFigures) -> None:
            progress.advance(bar)
            if figures.wps_violations:
                console.print(f"[red]{figures.wps_violations} violations: {figures.imperfection} {figures.seed}")

        welds = run_study(plan, model_dir, kept, arguments.jobs, said)
    metrics, baselines, table = summarise(welds)
    example = next((c for c in (402, 506) if c in codes), codes[0])
    seed = example_of(welds, example)
    details: dict[str, Any] = {"by_imperfection": table, "example": {"imperfection": example, "seed": seed}}
    monitor = Monitor.load(model_dir)
    for arm in ("none", "monitor", "oracle"):
        details["example"][arm] = course(run_weld(Task(example, seed, arm), monitor))
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.welds,
        data=f"simulated cell, seeds from {FIRST_SEED}; rules were written on smaller seeds; in one process",
        metrics=metrics,
        baselines=baselines,
        details=details,
    )
    if arguments.page is not None:
        for file in write_page(arguments.page, arguments.json):
            print(file)
    ratio, violations = metrics["imperfection_time_ratio"]["mean"], sum(w.wps_violations for w in welds)
    stated = "no imperfection to compare" if math.isnan(ratio) else f"{ratio:.2f} of the imperfection time"
    print(f"{arguments.json}: {stated}, {violations} violations of the procedure in {len(welds)} welds")
    return 0 if violations == 0 else 1
