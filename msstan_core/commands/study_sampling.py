"""``msstan study sampling``: what skipping frames by importance saves, and what it costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "sampling",
        help="time saved and macro-F1 lost by skipping frames, over shares and thresholds",
        description="Replay annotated bags with camera through one monitor per share and per fixed threshold of the "
        "importance gate and one that looks at every frame, tick by tick in turns. Time is processor time of all "
        "threads: other load does not count. The headline is the default share; a recommended one is chosen on the "
        "simulated welds.",
        epilog="Use welds that the model was not trained on. A minute of recording takes about a minute on one core.",
    )
    parser.add_argument("model", type=Path, help="model folder with an importance gate")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay; print a table; write the result file."""
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.inference.frame_sampling import FrameSampling
    from msstan_core.inference.model_package import load_package
    from msstan_core.recordings.bag_folders import find_bags
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.sampling_study import curves, overall, recommended, tried_settings, watch

    console = Console(stderr=True)
    package = load_package(arguments.model)
    settings = tried_settings(package)
    welds = []
    bags = find_bags(arguments.data)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for number, bag in enumerate(bags, 1):
            task = progress.add_task(f"{number} of {len(bags)}: {bag.name}", total=1.0)

            def done(share: float, task: TaskID = task) -> None:
                progress.update(task, completed=share)

            weld = watch(package, bag, settings, done)
            progress.remove_task(task)
            if weld is None:
                console.print(f"[yellow]{bag.name}: no camera or no labels, left out", highlight=False)
            else:
                welds.append(weld)
    if not welds:
        raise InputError(arguments.data[0], "holds no annotated bag with a camera", "give such bags with --data")
    by_share, by_threshold = curves(welds, settings)
    usual = FrameSampling()
    headline = overall(welds, settings.index(usual))
    by_kind = {kind: curve[f"{usual.share:g}"] for kind, curve in by_share.items()}
    chosen = recommended(by_share.get("simulated", by_share.get("real", {})))
    for what, found in (("share looked at", by_share), ("threshold", by_threshold)):
        for kind, curve in found.items():
            table = Table(f"{kind}: {what}", "frames skipped", "time saved", "macro-F1 lost", "ticks changed")
            for value, row in curve.items():
                figures = ("skipped", "time_saved", "f1_loss", "changed")
                table.add_row(value, *(f"{row[figure]['mean']:.3f}" for figure in figures))
            console.print(table)
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=1,
        data=f"{len(welds)} annotated welds with camera, {sum(w.simulated for w in welds)} of them simulated; model "
        f"{package.card.name} {package.card.version}",
        metrics={name: headline[name] for name in ("time_saved", "f1_loss", "skipped", "changed")} | by_kind,
        baselines={"every frame looked at": {"f1": {kind: _mean_f1(welds, kind) for kind in by_share}}},
        details={
            "own_share": usual.share,
            "own_threshold": package.card.config.sampling.threshold,
            "recommended": {"share": chosen, "chosen on": "simulated" if "simulated" in by_share else "real"},
            "share_curves": by_share,
            "curves": by_threshold,
            "one tick": {weld.bag: {"ticks": weld.ticks, "rarest action": weld.rarest} for weld in welds},
        },
    )
    saved, lost = headline["time_saved"]["mean"], headline["f1_loss"]["mean"]
    print(f"{arguments.json}: {saved:.0%} of the time saved, {100 * lost:.2f} points of macro-F1 lost")
    return 0


def _mean_f1(welds: list[Any], kind: str) -> float:
    scores = [float(weld.f1[0]) for weld in welds if weld.simulated == (kind == "simulated")]
    return round(sum(scores) / len(scores), 4)
