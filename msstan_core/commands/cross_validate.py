"""``msstan cross-validate``: leave-one-configuration-out evaluation of a training recipe."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from msstan_core.training.cross_validation import RecordingScore


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "cross-validate",
        help="evaluate a training recipe, leaving one configuration out at a time",
        description="Train once per seed and per left-out group of recordings, and score the recordings left out. "
        "Simulated recordings are only ever trained on.",
        epilog="Does simulation help on real welds? Run it three times: with real bags only, with --regime pretrained "
        "and with --regime simulated.",
    )
    parser.add_argument("config", type=Path, help="training YAML")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default: 3)")
    parser.add_argument("--groups", nargs="+", help="leave out only these groups")
    parser.add_argument(
        "--regime",
        choices=("together", "simulated", "pretrained"),
        default="together",
        help="train on everything at once (default), on simulation only, or on simulation first and real welds then",
    )
    parser.add_argument("--withhold", nargs="+", default=[], metavar="MODALITY", help="withhold these from everything")
    parser.add_argument(
        "--baseline", type=_baseline, action="append", default=[], metavar="NAME=F1", help="to state beside the result"
    )
    parser.add_argument("--cache", type=Path, default=Path("out/features"), help="folder for extracted features")
    parser.set_defaults(run=run)


def _baseline(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=F1, e.g. boosting=0.937") from None


def run(arguments: argparse.Namespace) -> int:
    """Cross-validate; print a table; write the result file."""
    from rich.console import Console

    from msstan_core.errors import InputError
    from msstan_core.results import write_result
    from msstan_core.training.configuration import WithholdRule, load_training_config
    from msstan_core.training.cross_validation import Regime, cross_validate, summary
    from msstan_core.training.progress import load_recordings

    console = Console(stderr=True)
    config = load_training_config(arguments.config)
    if arguments.withhold:
        everywhere = WithholdRule(where={}, modalities=tuple(arguments.withhold))
        config = config.model_copy(update={"withhold": (*config.withhold, everywhere)})
    recordings = load_recordings(console, config, arguments.data, arguments.cache)
    groups = frozenset(arguments.groups) if arguments.groups else None

    def progress(seed: int, group: str, step: int, steps: int) -> None:
        if step == steps:
            console.print(f"seed {seed}: trained without {group}", highlight=False)

    started = time.monotonic()
    scores: list[RecordingScore] = []

    def write() -> dict[str, dict[str, float]]:
        metrics = summary(scores)
        real, simulated = sum(not r.simulated for r in recordings), sum(r.simulated for r in recordings)
        groups_scored = len({s.group for s in scores})
        write_result(
            arguments.json,
            command=f"msstan cross-validate {arguments.config} --seeds {arguments.seeds} "
            f"--regime {arguments.regime} --data ...",
            seeds=len({s.seed for s in scores}),
            data=f"{real} real and {simulated} simulated recordings, {groups_scored} groups left out in turn",
            metrics=metrics,
            baselines={name: {"macro_f1": {"mean": value}} for name, value in arguments.baseline},
            details={
                "seconds": round(time.monotonic() - started, 1),
                "withheld": arguments.withhold,
                "recordings": [asdict(s) for s in scores],
            },
        )
        return metrics

    regime = Regime(arguments.regime)
    for score in cross_validate(
        config, recordings, arguments.seeds, regime=regime, only_groups=groups, progress=progress
    ):
        scores.append(score)
        write()
    if not scores:
        raise InputError("--groups", "names no group of the data", "see the bags' attribute group")
    console.print(_table(scores))
    f1 = write()["macro_f1"]
    print(f"{arguments.json}: phases macro-F1 {f1['mean']:.3f} +- {f1['std']:.3f} over {arguments.seeds} seeds")
    return 0


def _table(scores: list[RecordingScore]) -> Table:
    from rich.table import Table

    columns = (
        "seed",
        "left out",
        "recording",
        "F1",
        "shift s",
        "unshifted",
        "raw",
        "arc on s",
        "stable s",
        "arc off s",
    )
    table = Table(*columns, "switches")
    for s in scores:
        errors = (f"{e:+.2f}" for e in s.boundary_s)
        figures = (f"{s.macro_f1:.3f}", f"{s.shift_s:+.1f}", f"{s.macro_f1_unshifted:.3f}", f"{s.macro_f1_raw:.3f}")
        table.add_row(str(s.seed), s.group, s.recording, *figures, *errors, str(s.switches))
    return table
