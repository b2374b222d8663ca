"""``msstan study adaptation``: what online adaptation gains after a shift, and what it can lose."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msstan_core.studies.adaptation_study import Outcome

PROTOCOL = (
    "A network is trained per seed on one side of a shift and meets the other side weld by weld, each job from "
    "its shipped head. material: simulated welds of one material pair, then all others (a job each). real: the first "
    "configurations in time, then the later runs in time order (one job). Each tick is answered before it is labelled; "
    "5 % of the ticks are labelled, in spans of five, drawn evenly over the stretches of the weld. Accuracy is the "
    "share of right ticks before any smoothing. recovered: gain over frozen as a share of what frozen lost against "
    "held-out welds of the known side; late: over the second half of each job. 30 % wrong: so many labels name "
    "another action; all wrong: every label names the next action. Methods without labels do not notice. "
    "own examples: the same learning from the shipped examples alone; what it gains needs no label. "
    "worst_vs_frozen_points: the least difference to frozen over seeds, shifts and kinds of feedback."
)


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "adaptation",
        help="compare adaptation from feedback with none, entropy minimisation and norm statistics",
        description="Trains networks on one side of a shift (one material pair; the first real runs), lets them meet "
        "the other side in order, with 5 % of the ticks labelled rightly or wrongly, and compares ways of adapting.",
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
            with training_bar(console, f"{shift}, seed {seed}: training on {len(home)} welds") as progress:
                seeded = config.model_copy(update={"seed": seed})
                domain = open_domain(seeded, home, away, job, arguments.work / "networks", progress)
            homes[seed] = domain.home_accuracy
            console.print(f"{shift}, seed {seed}: comparing on {len(away)} welds", highlight=False)
            rows += outcomes(domain, seed)
        metrics[shift] = figures(rows, homes)
        details[f"{shift}: points against frozen by job"] = by_job(rows)
    ours = [found["ours"] for found in metrics.values()]
    worst = min(kind["worst_vs_frozen_points"] for found in ours for kind in found.values())
    headline = metrics[next(iter(metrics))]["ours"]["right"]["recovered"]
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.seeds,
        data="; ".join(f"{name}: {len(home)} known welds, {len(away)} met" for name, (home, away, _) in shifts.items()),
        metrics={
            "recovered_fraction": headline,
            "worst_vs_frozen_points": worst,
            **{shift: {"home_accuracy": found["home_accuracy"], **found["ours"]} for shift, found in metrics.items()},
        },
        baselines={
            f"{shift}: {name}": kinds
            for shift, found in metrics.items()
            for name, kinds in found.items()
            if name not in ("ours", "home_accuracy")
        },
        details=details,
    )
    print(f"{arguments.json}: {headline['mean']:.2f} of the loss recovered, at worst {worst:+.1f} points vs. frozen")
    return 0


def figures(rows: list[Outcome], homes: dict[int, float]) -> dict[str, Any]:
    """By method and kind of feedback, over seeds."""
    from msstan_core.studies.adaptation_methods import METHODS
    from msstan_core.studies.adaptation_study import FEEDBACK, accuracy

    found: dict[str, Any] = {"home_accuracy": _spread(list(homes.values()))}
    for method in METHODS:
        found[method] = {}
        for kind in FEEDBACK:
            scores, late, gains, recovered, recovered_late = [], [], [], [], []
            for seed, home in homes.items():
                mine = [r for r in rows if (r.seed, r.feedback, r.method) == (seed, kind, method)]
                frozen = [r for r in rows if (r.seed, r.feedback, r.method) == (seed, kind, "frozen")]
                score, before = accuracy(mine), accuracy(frozen)
                score_late, before_late = accuracy(mine, late=True), accuracy(frozen, late=True)
                scores.append(score)
                late.append(score_late)
                gains.append(100 * (score - before))
                if home > before:
                    recovered.append((score - before) / (home - before))
                if home > before_late:
                    recovered_late.append((score_late - before_late) / (home - before_late))
            found[method][kind] = {
                "accuracy": _spread(scores),
                "late_accuracy": _spread(late),
                "points_vs_frozen": _spread(gains),
                "worst_vs_frozen_points": min(gains),
                "recovered": _spread(recovered),
                "recovered_late": _spread(recovered_late),
            }
    return found


def by_job(rows: list[Outcome]) -> dict[str, dict[str, dict[str, float]]]:
    """Ours against frozen on each job under each kind of feedback: the mean and the worst seed, in points."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    before = {(r.seed, r.feedback, r.job): r.right for r in rows if r.method == "frozen"}
    for kind, job in dict.fromkeys((r.feedback, r.job) for r in rows):
        mine = [r for r in rows if (r.feedback, r.job, r.method) == (kind, job, "ours")]
        points = [100 * (r.right - before[r.seed, kind, job]) / r.ticks for r in mine]
        table.setdefault(kind, {})[job] = {"mean": sum(points) / len(points), "worst": min(points)}
    return table


def _spread(values: list[float]) -> dict[str, float]:
    import numpy as np

    if not values:
        return {"mean": float("nan"), "std": float("nan")}
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0}
