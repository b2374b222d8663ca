"""``msstan evaluate``: how well a model recognises annotated bags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from msstan_core.commands.replay import parse_modalities_argument
from msstan_core.vocabulary import MODALITIES


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a model on annotated bags",
        description="Replay annotated bags through the monitor and compare its actions with the labels.",
        epilog="Figures mean something only on bags that the model was not trained on.",
    )
    parser.add_argument("model_dir", type=Path, help="model folder")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument(
        "--modalities", type=parse_modalities_argument, default=frozenset(MODALITIES), help="what the monitor may use"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score every bag; print a table; write the result file."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from msstan_core.decision.pipeline import Monitor
    from msstan_core.errors import InputError
    from msstan_core.results import write_result
    from msstan_core.training.evaluation import score_bag, summarise
    from msstan_core.training.recording_features import find_bags

    console = Console(stderr=True)
    bags = find_bags(arguments.data)
    monitor = Monitor.load(arguments.model_dir, modalities=arguments.modalities)
    shown = track(bags, "replaying", console=console, disable=not console.is_terminal)
    scores = [score for bag in shown if (score := score_bag(monitor, bag, arguments.modalities)) is not None]
    if not scores:
        raise InputError(arguments.data[0], "holds no annotated bag", "add annotations.csv to the bags")
    table = Table("bag", "ticks", "accuracy", "macro-F1", "phases F1", "arc on s", "stable s", "arc off s", "ms/tick")
    for s in scores:
        errors = (f"{e:+.2f}" for e in s.boundary_s)
        table.add_row(
            s.bag,
            str(s.ticks),
            f"{s.accuracy:.3f}",
            f"{s.macro_f1:.3f}",
            f"{s.phase_macro_f1:.3f}",
            *errors,
            f"{s.tick_ms:.2f}",
        )
    console.print(table)
    metrics = summarise(scores)
    for name in ("macro_f1", "phase_macro_f1", "arc_accuracy", "arc_off_delay_s", "ece"):
        console.print(f"{name}: {metrics[name]['mean']:.3f} +- {metrics[name]['std']:.3f} over {len(scores)} bags")
    names = ",".join(m.label for m in MODALITIES if m in arguments.modalities)
    write_result(
        arguments.json,
        command=f"msstan evaluate {arguments.model_dir} --modalities {names} --data ...",
        seeds=1,
        data=f"{len(scores)} annotated bags; see details",
        metrics=metrics,
        baselines={},
        details={"bags": [s.as_dict() for s in scores], "skipped": len(bags) - len(scores)},
    )
    print(f"{arguments.json}: macro-F1 {metrics['macro_f1']['mean']:.3f}, accuracy {metrics['accuracy']['mean']:.3f}")
    return 0
