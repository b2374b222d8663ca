"""``msstan study false-alarms``: alarms an hour on nominal welds of unseen materials, delays on faulty ones."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from msstan_core.vocabulary import SENSORS


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "false-alarms",
        help="false alarms an hour on simulated nominal welds, and the delay of alarms on faulty ones",
        description="Weld randomised parts before a monitor. Those without disturbances must raise no alarm: every "
        "alarm of theirs is a false one, every other event a false suspicion, counted an hour with exact 95 % "
        "intervals. Those with disturbances give how often and how late each imperfection is said. For unseen "
        "materials name pairs that the model was not trained on, and for any a first seed that its training set and "
        "its calibration do not hold.",
        epilog="A core draws and watches all four sensors two to five times as fast as real time (ten hours of welds "
        "take two to five), microphone and telemetry alone many times faster. Interrupted runs go on where they were "
        "(--work), and what the network said is kept: other thresholds are counted in seconds. With no alarm at all, a "
        "bound of one an hour needs 3.7 hours. Example: msstan study false-alarms models/default --hours 10 --faulty "
        "120 --jobs 2 --json docs/results/false_alarms_shipped.json",
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
    parser.add_argument(
        "--own-limits",
        type=float,
        metavar="RATE",
        help="also judge each half of the welds by alarm limits for this many false alarms an hour that the nominal "
        "ones of the other half set, as a cell sets them by its own good welds (msstan calibrate --nominal)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--picture", type=Path, help="picture to write: how soon each imperfection is said")
    parser.add_argument("--work", type=Path, default=Path("out/false_alarms"), help="folder for what is done so far")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Weld, count, write the result file."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.inference.card_text import alarm_promise
    from msstan_core.inference.model_package import load_package
    from msstan_core.results import command_of, write_result
    from msstan_core.simulation.material_pairs import parse_pairs
    from msstan_core.studies.alarm_picture import draw_delays
    from msstan_core.studies.false_alarms import Level, delays, rates
    from msstan_core.studies.own_limits import Watched, judged_by_other_half
    from msstan_core.studies.watched_welds import Parts, welds

    if not 0 < arguments.hours <= 1000:
        raise InputError("--hours", f"is {arguments.hours:g}", "weld between 0 and 1000 hours")
    if arguments.faulty < 0 or not 0 <= arguments.seed < 2**62:
        raise InputError("--faulty, --seed", "must not be negative", "give 0 or more")
    if arguments.own_limits is not None and not 0 < arguments.own_limits <= 60:
        raise InputError("--own-limits", f"is {arguments.own_limits:g}", "choose up to 60 an hour")
    if arguments.jobs < 1:
        raise InputError("--jobs", f"is {arguments.jobs}", "give a number from 1")
    pairs = None if arguments.materials is None else tuple(parse_pairs(arguments.materials))
    parts = Parts(pairs, tuple(arguments.sensors), arguments.seed)
    card = load_package(arguments.model).card
    console = Console(stderr=True)
    both: list[Watched] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("welding", total=1.0)
        for weld_and_scores in welds(
            arguments.model,
            parts,
            arguments.hours,
            arguments.faulty,
            arguments.work,
            arguments.jobs,
            lambda what, share: progress.update(task, description=what, completed=share),
        ):
            both.append(weld_and_scores)
    watched = [weld for weld, _ in both]
    found = rates(watched)
    levels: tuple[Level, ...] = ("alarm", "suspicion")
    said: dict[str, dict[str, dict[str, float]]] = {level: delays(watched, level) for level in levels}
    headline, suspicions = found["false_alarms_per_hour"], found["false_suspicions_per_hour"]
    own_figures: dict[str, Any] = {}
    if arguments.own_limits is not None:
        judged = judged_by_other_half(card, both, arguments.own_limits)
        own_figures = {
            "own_limits_chosen_per_hour": {"mean": arguments.own_limits},
            "own_limits_promised_upper95_per_hour": {"mean": judged.upper95_per_hour},
            "own_limits_false_alarms_per_hour": rates(judged.welds)["false_alarms_per_hour"],
            "own_limits_alarmed": {"mean": delays(judged.welds, "alarm").get("all", {}).get("said", math.nan)},
        }
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=1,
        data=f"{found['welds']} simulated nominal welds, {found['hours']:.2f} h ({found['arc_hours']:.2f} h of arc), "
        f"and {arguments.faulty} with disturbances; {arguments.materials or 'all materials'}; {found['left_out']} "
        f"welds without disturbances had an imperfection all the same and are left out; {card.name} {card.version}. "
        f"{alarm_promise(card)}",
        metrics={
            "false_alarms_per_hour": headline,
            "false_alarms_per_arc_hour": found["false_alarms_per_arc_hour"],
            "false_suspicions_per_hour": suspicions,
            "hours": {"mean": found["hours"]},
            "alarmed": {"mean": said["alarm"].get("all", {}).get("said", math.nan)},
            "suspected": {"mean": said["suspicion"].get("all", {}).get("said", math.nan)},
            "by_kind": found["by_kind"],
            "delays": said,
            **own_figures,
        },
        baselines={},
    )
    if arguments.picture is not None:
        draw_delays(watched, arguments.picture)
    table = Table("imperfection", "spans", "suspected", "median s", "p95 s", "alarmed", "median s", "p95 s")
    for code, own in said["suspicion"].items():
        cells = [
            f"{figures.get(key, math.nan):.2f}"
            for figures in (own, said["alarm"][code])
            for key in ("said", "said_delay_p50_s", "said_delay_p95_s")
        ]
        table.add_row(code, f"{own['spans']:.0f}", *cells)
    console.print(table)
    lines = [("alarms", headline), ("suspicions", suspicions)]
    if own_figures:
        lines.append(("alarms by own limits", own_figures["own_limits_false_alarms_per_hour"]))
    for name, rate in lines:
        print(
            f"{arguments.json}: {rate['mean']:.2f} false {name} an hour in {found['hours']:.2f} h "
            f"(95 %: {rate['lower95']:.2f} to {rate['upper95']:.2f})"
        )
    return 0
