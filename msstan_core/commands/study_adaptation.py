"""``msstan study adaptation``: what online adaptation gains after a shift, and what it can lose."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msstan_core.studies.adaptation_study import Outcome


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "adaptation",
        help="compare adaptation from feedback with none, entropy minimisation and norm statistics",
        description="Trains networks on one side of a shift (one material pair; the first real runs), lets them meet "
        "the other side in order, with 5 % of the ticks labelled rightly or wrongly, and compares ways of adapting. "
        "What the shift costs is told by networks that learnt half of the other side, too.",
        epilog="Trained networks and features are kept in --work and read again. Example: msstan study adaptation "
        "config/training/default.yaml --data bags/simulated bags/real --json docs/results/adaptation.json",
    )
    parser.add_argument("config", type=Path, help="training YAML of the networks")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="BAGS", help="simulated and real bags")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--seeds", type=int, default=3, help="networks per shift (default: 3)")
    parser.add_argument("--steps", type=int, help="training steps (default: the configuration's)")
    parser.add_argument(
        "--known-pair",
        default="carbon_steel",
        help="metals of the known side, e.g. aluminium+carbon_steel (default: carbon_steel, to itself)",
    )
    parser.add_argument("--work", type=Path, default=Path("out/adaptation"), help="folder for features and networks")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing, compare, write the result file."""
    from rich.console import Console

    from msstan_core.errors import InputError
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.adaptation_domains import open_domain, split_by_pair, split_in_time
    from msstan_core.studies.adaptation_methods import METHODS
    from msstan_core.studies.adaptation_results import PROTOCOL, by_job, figures
    from msstan_core.studies.adaptation_study import outcomes
    from msstan_core.training.configuration import load_training_config, with_changes
    from msstan_core.training.progress import load_recordings, training_bar

    if arguments.seeds < 1:
        raise InputError("--seeds", f"is {arguments.seeds}", "train at least one network per shift")
    console = Console(stderr=True)
    config = load_training_config(arguments.config)
    if arguments.steps is not None:
        config = with_changes(config, {"steps": arguments.steps})
    recordings = load_recordings(console, config, arguments.data, arguments.work / "features")
    shifts: dict[str, Any] = {}
    if any(r.simulated for r in recordings):
        shifts["material"] = (*split_by_pair(recordings, arguments.known_pair), lambda r: r.material_pair)
    if not all(r.simulated for r in recordings):
        shifts["real"] = (*split_in_time(recordings), lambda r: "later runs")
    metrics: dict[str, Any] = {}
    details: dict[str, Any] = {"protocol": PROTOCOL}
    for shift, (home, away, job) in shifts.items():
        rows: list[Outcome] = []
        homes: dict[int, float] = {}
        for seed in range(config.seed, config.seed + arguments.seeds):
            with training_bar(console, f"{shift}, seed {seed}: three trainings") as progress:
                seeded = config.model_copy(update={"seed": seed})
                domain = open_domain(seeded, home, away, job, arguments.work / "networks", progress)
            homes[seed] = domain.home_accuracy
            console.print(f"{shift}, seed {seed}: comparing on {len(away)} welds", highlight=False)
            rows += outcomes(domain, seed)
        metrics[shift] = figures(rows, homes)
        details[f"{shift}: points against frozen by job"] = by_job(rows)
    ours = [found["ours"] for found in metrics.values()]
    worst = min(kind["worst_vs_frozen_points"]["mean"] for found in ours for kind in found.values())
    first = metrics[next(iter(metrics))]["ours"]["right"]
    headline = first["recovered"]
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.seeds,
        data="; ".join(f"{name}: {len(home)} known welds, {len(away)} met" for name, (home, away, _) in shifts.items()),
        metrics={
            "recovered_fraction": headline,
            "recovered_late_fraction": first["recovered_late"],
            "worst_vs_frozen_points": worst,
            **{
                shift: {"home_accuracy": found["home_accuracy"], **found["references"], **found["ours"]}
                for shift, found in metrics.items()
            },
        },
        baselines={
            f"{shift}: {name}": found[name] for shift, found in metrics.items() for name in METHODS if name != "ours"
        },
        details=details,
    )
    print(f"{arguments.json}: {headline['mean']:.2f} of the loss recovered, at worst {worst:+.1f} points vs. frozen")
    return 0
