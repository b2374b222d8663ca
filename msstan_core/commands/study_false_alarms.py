"""``msstan study false-alarms``: alarms an hour on nominal welds of unseen materials, delays on faulty ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

SENSORS = ("camera", "thermal", "microphone", "telemetry")


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "false-alarms",
        help="false alarms an hour on simulated nominal welds, and the delay of alarms on faulty ones",
        description="Weld randomised parts before a monitor. Those without disturbances must raise no "
        "alarm: every event of theirs is a false one, counted an hour with its exact 95 %% interval. Those with "
        "disturbances give how often and how late each imperfection is said. For unseen materials name pairs that the "
        "model was not trained on, and for any a first seed that its training set does not hold.",
        epilog="A core draws and watches all four sensors two to five times as fast as real time (ten hours of welds "
        "take two to five), microphone and telemetry alone many times faster. Interrupted runs go on where they were "
        "(--work). "
        "With no alarm at all, a bound of one an hour needs 3.7 hours. Example: msstan study false-alarms "
        "models/default --materials aluminium+carbon_steel,titanium+nickel --hours 4 --faulty 40 --json "
        "docs/results/false_alarms.json",
    )
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument(
        "--materials",
        metavar="PAIRS",
        help="e.g. aluminium+carbon_steel,titanium+nickel (default: all, as they are met)",
    )
    parser.add_argument("--hours", type=float, default=4.0, help="of nominal welds (default: 4)")
    parser.add_argument("--faulty", type=int, default=40, metavar="N", help="welds with disturbances (default: 40)")
    parser.add_argument("--seed", type=int, default=500_000, help="of the first weld (default: 500000)")
    parser.add_argument(
        "--sensors", nargs="+", choices=SENSORS, default=list(SENSORS), help="simulate only these (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--work", type=Path, default=Path("out/false_alarms"), help="folder for what is done so far")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld, count, write the result file."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.inference.model_package import load_package
    from msstan_core.results import write_result
    from msstan_core.simulation.material_pairs import parse_pairs
    from msstan_core.studies.false_alarms import Parts, delays, rates, welds

    if not 0 < arguments.hours <= 1000:
        raise InputError("--hours", f"is {arguments.hours:g}", "weld between 0 and 1000 hours")
    if arguments.faulty < 0 or not 0 <= arguments.seed < 2**62:
        raise InputError("--faulty, --seed", "must not be negative", "give 0 or more")
    if arguments.jobs < 1:
        raise InputError("--jobs", f"is {arguments.jobs}", "give a number from 1")
    pairs = None if arguments.materials is None else tuple(parse_pairs(arguments.materials))
    parts = Parts(pairs, tuple(arguments.sensors), arguments.seed)
    card = load_package(arguments.model).card
    console = Console(stderr=True)
    watched = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("welding", total=1.0)
        for weld in welds(
            arguments.model,
            parts,
            arguments.hours,
            arguments.faulty,
            arguments.work,
            arguments.jobs,
            lambda what, share: progress.update(task, description=what, completed=share),
        ):
            watched.append(weld)
    found, late = rates(watched), delays(watched)
    headline = found["false_alarms_per_hour"]
    sensors = " ".join(arguments.sensors)
    of_materials = f" --materials {arguments.materials}" if arguments.materials else ""
    write_result(
        arguments.json,
        command=f"msstan study false-alarms MODEL{of_materials} --hours {arguments.hours:g} "
        f"--faulty {arguments.faulty} --seed {arguments.seed} --sensors {sensors}",
        seeds=1,
        data=f"{found['welds']} simulated nominal welds, {found['hours']:.2f} h ({found['arc_hours']:.2f} h of arc), "
        f"and {arguments.faulty} with disturbances; {arguments.materials or 'all materials'}; {found['left_out']} "
        f"welds without disturbances had an imperfection all the same and are left out; {card.name} {card.version}",
        metrics={
            "false_alarms_per_hour": headline,
            "false_alarms_per_arc_hour": found["false_alarms_per_arc_hour"],
            "hours": {"mean": found["hours"]},
            "by_kind": found["by_kind"],
            "delays": late,
        },
        baselines={},
    )
    table = Table("imperfection", "spans", "named", "median s", "p95 s", "said at all")
    for code, own in late.items():
        cells = (f"{own.get(n, float('nan')):.2f}" for n in ("named", "named_delay_p50_s", "named_delay_p95_s", "said"))
        table.add_row(code, f"{own['spans']:.0f}", *cells)
    console.print(table)
    print(
        f"{arguments.json}: {headline['mean']:.2f} false alarms an hour in {found['hours']:.2f} h "
        f"(95 %: {headline['lower95']:.2f} to {headline['upper95']:.2f})"
    )
    return 0
