"""``msstan cross-validate``: leave-one-configuration-out evaluation of a training recipe."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.fold_arguments import add_regime, add_withhold, with_withheld
from msstan_core.commands.sensor_arguments import add_sensors, sensors_of
from msstan_core.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from msstan_core.studies.cross_validation import RecordingScore


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "cross-validate",
        help="evaluate a training recipe, leaving one configuration out at a time",
        description="Train once per seed and per left-out group of recordings, and score the recordings left out. "
        "Simulated recordings are only ever trained on. After an interruption the same command goes on.",
        epilog="Does simulation help on real welds? Run it three times: with real bags only, with --regime pretrained "
        "and with --regime simulated.",
    )
    parser.add_argument("config", type=Path, help="training YAML")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds (default: 3)")
    parser.add_argument("--groups", nargs="+", help="leave out only these groups")
    add_regime(parser)
    add_withhold(parser)
    parser.add_argument(
        "--baseline", type=_baseline, action="append", default=[], metavar="NAME=F1", help="to state beside the result"
    )
    parser.add_argument("--cache", type=Path, default=Path("out/features"), help="folder for extracted features")
    parser.add_argument(
        "--work", type=Path, default=Path("out/streams"), help="folder where what is done is kept, and read again"
    )
    add_sensors(parser)
    parser.set_defaults(run=run)


def _baseline(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        score = float(value)
    except ValueError:
        score = math.nan
    if not name or not math.isfinite(score):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=F1, e.g. boosting=0.937")
    return name, score


def run(arguments: argparse.Namespace) -> int:
    """Cross-validate; print a table; write the result file."""
    from rich.console import Console

    from msstan_core.results import command_of, write_result
    from msstan_core.studies.cross_validation import score_of, summary
    from msstan_core.studies.fold_streams import streams_of_folds
    from msstan_core.studies.folds import Regime
    from msstan_core.training.configuration import load_training_config
    from msstan_core.training.progress import load_recordings

    if arguments.seeds < 1:
        raise InputError("--seeds", f"is {arguments.seeds}", "give 1 or more")
    console = Console(stderr=True)
    config = with_withheld(load_training_config(arguments.config), arguments.withhold)
    _check_split(arguments)
    recordings = load_recordings(console, config, arguments.data, arguments.cache, sensors_of(arguments))
    groups = frozenset(arguments.groups) if arguments.groups else None

    def progress(seed: int, group: str, step: int, steps: int, loss: float) -> None:
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
            command=command_of(arguments),
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
    for stream in streams_of_folds(
        config,
        recordings,
        arguments.seeds,
        arguments.work,
        regime=regime,
        simulation_steps=arguments.simulation_steps,
        only_groups=groups,
        progress=progress,
    ):
        scores.append(score_of(stream))
        write()
    console.print(_table(scores))
    f1 = write()["macro_f1"]
    print(f"{arguments.json}: phases macro-F1 {f1['mean']:.3f} +- {f1['std']:.3f} over {arguments.seeds} seeds")
    return 0


def _check_split(arguments: argparse.Namespace) -> None:
    """See that there is something to leave out and to train on, by the bags' attributes, before any is read.

    Raises:
        InputError: naming the option that asks for what is not there.
    """
    from msstan_core.recordings.bag_folders import described_bags
    from msstan_core.training.splits import leave_one_group_out

    bags = described_bags(arguments.data)
    left_out = {group for group, _, _ in leave_one_group_out(bags)}
    for group in arguments.groups or ():
        if group not in left_out:
            raise InputError(
                "--groups", f"no real recording is of {group!r}", f"there are {', '.join(sorted(left_out))}"
            )
    if arguments.regime != "together" and not any(bag.simulated for bag in bags):
        raise InputError(
            "--data",
            f"holds no simulated recording for --regime {arguments.regime}",
            "add the output of msstan simulate",
        )


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
