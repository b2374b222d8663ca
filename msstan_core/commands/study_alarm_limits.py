"""``msstan study alarm-limits``: what a rate of false alarms costs in imperfections that are still alarmed."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from msstan_core.commands.calibrate import LONGEST_WELD_H, WORK
from msstan_core.vocabulary import SENSORS


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "alarm-limits",
        help="how many imperfections are alarmed at which rate of false alarms",
        description="Set the limits of alarms for several rates, and for several times that a score must hold, from "
        "simulated nominal welds, and count which imperfections of other simulated welds are alarmed then. For "
        "choosing a rate: no test of any.",
        epilog="Welds are simulated once and kept (--work); msstan calibrate with the same folder, seed and model uses "
        "the nominal ones again. Example: msstan study alarm-limits models/default --jobs 2 --json alarm_limits.json",
    )
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("--hours", type=float, default=4.5, help="of nominal welds (default: 4.5)")
    parser.add_argument("--seed", type=int, default=900_000, help="of the first of them (default: 900000)")
    parser.add_argument("--faulty", type=int, default=60, metavar="N", help="welds with disturbances (default: 60)")
    parser.add_argument("--faulty-seed", type=int, default=810_000, help="of the first of them (default: 810000)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for what is done so far")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld, set limits, count, write the result file."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from msstan_core.calibration.joint import least_joint_hours
    from msstan_core.calibration.nominal_scores import NominalWelds, simulated_scores
    from msstan_core.errors import InputError
    from msstan_core.inference.model_card import subset_name
    from msstan_core.inference.model_package import load_package
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.alarm_limits import settings, trade_offs
    from msstan_core.studies.watched_welds import Parts, faulty_scores

    if not 0 < arguments.hours <= 1000:
        raise InputError("--hours", f"is {arguments.hours:g}", "weld between 0 and 1000 hours")
    if arguments.faulty < 1 or arguments.jobs < 1 or min(arguments.seed, arguments.faulty_seed) < 0:
        raise InputError(
            "--faulty, --jobs, --seed", "too small", "give one weld and process at least, no negative seed"
        )
    rate = max(setting.rate_per_hour for setting in settings())
    if arguments.hours + LONGEST_WELD_H < (needed_h := least_joint_hours(rate)):
        raise InputError(
            "--hours", f"{arguments.hours:g} h tell nothing of {rate:g} false alarms an hour", f"weld {needed_h:.2f} h"
        )
    card = load_package(arguments.model).card
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("nominal welds", total=1.0)

        def advance(share: float) -> None:
            progress.update(task, completed=share)

        everything, keep, jobs = subset_name(card.modalities), arguments.work, arguments.jobs
        chosen = NominalWelds(arguments.seed)
        nominal = [
            weld[everything] for weld in simulated_scores(arguments.model, chosen, arguments.hours, keep, jobs, advance)
        ]
        progress.update(task, description="faulty welds", completed=0.0)
        parts = Parts(None, SENSORS, arguments.faulty_seed)
        faulty = list(faulty_scores(arguments.model, parts, arguments.faulty, keep, jobs, advance))
        progress.update(task, description="limits", completed=0.0)
        found = {}
        for setting, figures in trade_offs(card, nominal, faulty, settings()):
            if figures is not None:
                found[str(setting)] = figures
            advance((settings().index(setting) + 1) / len(settings()))
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=1,
        data=f"{len(nominal)} simulated nominal welds, and {arguments.faulty} with disturbances; what the shipped "
        f"limits were chosen by, no test; {card.name} {card.version}",
        metrics={},
        baselines={},
        details={"by_setting": found},
    )
    table = Table("false alarms", "with 95 % at most", "alarmed", "under its name", "median delay s")
    for name, figures in found.items():
        shown = (figures.get(key, math.nan) for key in ("upper95", "said", "named", "said_delay_p50_s"))
        table.add_row(name, *(f"{value:.2f}" for value in shown))
    console.print(table)
    print(f"{arguments.json}: {len(found)} settings")
    return 0
