"""``msstan evaluate``: how well a model recognises annotated bags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.replay import parse_modalities_argument
from msstan_core.commands.sensor_arguments import add_sensors, sensors_of
from msstan_core.vocabulary import MODALITIES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.evaluation.replayed import ReplayedBag
    from msstan_core.inference.model_card import ModelCard
    from msstan_core.recordings.bag_folders import DescribedBag
    from msstan_core.sensor_settings import SensorSettings

#: Heading of a column -> figure of an imperfection.
_IMPERFECTION_COLUMNS = {
    "F1": "f1",
    "at best threshold": "f1_at_best_threshold",
    "precision": "precision",
    "confidence": "confidence",
    "AUC": "auc",
    "AP": "average_precision",
    "detected": "detected",
    "delay s": "onset_delay_s",
    "false/h": "false_suspicions_per_hour",
    "alarmed": "alarmed",
}

_EPILOG = """\
Figures mean something only on bags that the model was not trained on.

One model: figures per bag are mean and standard deviation over bags, figures over all ticks have the standard error
over resampled bags. Several models (the same recipe with other seeds): mean and standard deviation over them.

  msstan evaluate models/default --data bags/unseen --json result.json
  msstan evaluate seed0 seed1 seed2 --data bags/unseen --subsets --pictures out/pictures --json result.json
"""


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score models on annotated bags",
        description="Replay annotated bags through the monitor and compare what it says with the labels: actions, "
        "their boundaries and calibration, imperfections and their false alarms, by action, imperfection, material "
        "pair, process and, if asked, by which sensors there are; and where the attention goes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model_dir", type=Path, nargs="+", help="model folder; several are one recipe with other seeds")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    parser.add_argument(
        "--modalities", type=parse_modalities_argument, default=frozenset(MODALITIES), help="what the monitor may use"
    )
    parser.add_argument(
        "--subsets", action="store_true", help="also with each modality alone and with each missing (9 times as long)"
    )
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write reliability, confusion and t-SNE as PNG")
    add_sensors(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score every bag with every model; print tables; write pictures and the result file."""
    from rich.console import Console
    from rich.progress import Progress

    from msstan_core.errors import InputError
    from msstan_core.evaluation.bag_scores import score_bag
    from msstan_core.evaluation.model_figures import details_of, metrics_of, replay_all
    from msstan_core.evaluation.spread import over_models
    from msstan_core.evaluation.subsets import ALL, modality_subsets
    from msstan_core.recordings.bag_folders import described_bags
    from msstan_core.recordings.rejections import say_rejections

    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = 140  # a log file is wider than a terminal's default
    sensors = sensors_of(arguments)
    _check_models(arguments.model_dir)
    described = described_bags(arguments.data)
    bags = [bag.path for bag in described]
    _check_labels(arguments.data[0], bags, arguments.namespace)
    subsets = modality_subsets(arguments.modalities) if arguments.subsets else {ALL: arguments.modalities}
    metrics: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    by_subset: list[dict[str, Any]] = []
    first: list[ReplayedBag] = []
    with Progress(console=console, disable=not console.is_terminal) as progress:
        for model_dir in arguments.model_dir:
            own: dict[str, Any] = {}
            for name, modalities in subsets.items():
                card, replays = _replay(replay_all, progress, model_dir, bags, modalities, name, sensors)
                if not replays and name == ALL:
                    names = ", ".join(m.label for m in MODALITIES if m in modalities)
                    problem = f"holds no annotated bag that gives ticks from {names}"
                    raise InputError(arguments.data[0], problem, "name --modalities that the bags hold")
                if name == ALL:
                    metrics.append(metrics_of(replays, card))
                    details.append(details_of(replays, card))
                    first = first or replays
                elif replays:
                    own[name] = metrics_of(replays, card, ranked=False)
            by_subset.append(own)
    scores = [score_bag(replayed) for replayed in first]
    if len(scores) < len(bags):
        reason = "no action labels, or nothing of these modalities"
        console.print(f"[yellow]{len(bags) - len(scores)} of {len(bags)} bags have {reason}: left out")
    learnt_from = _learnt_from(arguments.model_dir, described)
    calibrated_on = _calibrated_on(arguments.model_dir, described)
    for count, what in ((learnt_from, "learnt from"), (calibrated_on, "was calibrated on, thresholds included")):
        if count:
            console.print(f"[yellow]{count} of {len(bags)} bags are of groups that a model {what}: it flatters")
    say_rejections(console, [line for replayed in first for line in replayed.rejections])
    _show(console, metrics[0], details[0], by_subset[0])
    found = {**over_models(details), **({"by_subset": over_models(by_subset)} if arguments.subsets else {})}
    found["learnt_from"], found["calibrated_on"] = learnt_from, calibrated_on
    merged = _write(arguments, over_models(metrics), found, len(bags) - len(scores), len(scores))
    if arguments.pictures is not None:
        for path in _draw(first, arguments.pictures):
            console.print(path)
    mean = {name: merged[name]["mean"] for name in ("action_accuracy", "action_macro_f1", "imperfection_f1", "ece")}
    print(
        f"{arguments.json}: "
        + ", ".join(f"{n.replace('_', ' ')} {'-' if v is None else format(v, '.3f')}" for n, v in mean.items())
    )
    return 0


def _check_models(folders: list[Path]) -> None:
    """See that every model can be read and is there once, before the first one is replayed for an hour.

    Raises:
        InputError: naming the model.
    """
    from msstan_core.errors import InputError
    from msstan_core.inference.model_package import load_package

    seen: set[Path] = set()
    for folder in folders:
        load_package(folder)
        if folder.resolve() in seen:
            raise InputError(folder, "is named twice", "a spread over seeds needs each model once")
        seen.add(folder.resolve())


def _learnt_from(folders: list[Path], bags: list[DescribedBag]) -> int:
    """How many of the bags are of groups that any of these models has learnt from, as far as their cards know."""
    from msstan_core.inference.model_package import load_package

    learnt = {group for folder in folders for group in load_package(folder).card.trained_groups or ()}
    return sum(bag.group in learnt for bag in bags)


def _calibrated_on(folders: list[Path], bags: list[DescribedBag]) -> int:
    """How many are of groups that only calibration or thresholds of these models come from, not the weights."""
    from msstan_core.inference.model_package import load_package

    cards = [load_package(folder).card for folder in folders]
    learnt = {group for card in cards for group in card.trained_groups or ()}
    seen = {group for card in cards for group in (*(card.held_out_groups or ()), *card.calibrated_groups)}
    return sum(bag.group in seen - learnt for bag in bags)


def _check_labels(folder: Path, bags: list[Path], namespace: str | None) -> None:
    """See that the labels of all bags can be read, and that there are some.

    Raises:
        InputError: naming the line of a bad label, or ``folder`` where no action is labelled.
    """
    from msstan_core.errors import InputError
    from msstan_core.recordings.bag import BagReader

    labelled = False
    for bag in bags:
        with BagReader(bag, namespace=namespace) as reader:
            labelled |= any(a.kind == "action" for a in reader.annotations)
    if not labelled:
        raise InputError(folder, "holds no annotated bag", "label the bags: msstan label --help")


def _replay(
    replay_all: Any,
    progress: Progress,
    model_dir: Path,
    bags: list[Path],
    modalities: Any,
    name: str,
    sensors: SensorSettings,
) -> tuple[ModelCard, list[ReplayedBag]]:
    task = progress.add_task(f"{model_dir.name}, {name}", total=len(bags))
    card, replays = replay_all(model_dir, bags, modalities, lambda bag: progress.update(task, advance=1), sensors)
    return card, replays


def _write(
    arguments: argparse.Namespace, metrics: dict[str, Any], details: dict[str, Any], skipped: int, scored: int
) -> dict[str, Any]:
    from msstan_core.evaluation.spread import rounded
    from msstan_core.results import command_of, write_result

    merged: dict[str, Any] = rounded(metrics)
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=len(arguments.model_dir),
        data=f"{scored} annotated bags; see details",
        metrics=merged,
        baselines={},
        details={
            "spread": "over models" if len(arguments.model_dir) > 1 else "over bags; pooled figures: resampled bags",
            **rounded(details),
            "skipped": skipped,
        },
    )
    return merged


def _draw(replays: list[ReplayedBag], folder: Path) -> list[Path]:
    from msstan_core.evaluation.pictures import draw_confusion, draw_embeddings, draw_reliability

    paths = [folder / f"{name}.png" for name in ("reliability", "confusion", "embeddings")]
    for draw, path in zip((draw_reliability, draw_confusion, draw_embeddings), paths, strict=True):
        draw(replays, path)
    return paths


def _show(console: Console, metrics: dict[str, Any], details: dict[str, Any], subsets: dict[str, Any]) -> None:
    """Tables of the first model."""
    from rich.table import Table

    table = Table("bag", "ticks", "accuracy", "macro-F1", "phases F1", "arc on s", "stable s", "arc off s", "ms/tick")
    for s in details["bags"]:
        errors = (f"{e:+.2f}" for e in s["boundary_s"])
        figures = (f"{s[name]:.3f}" for name in ("accuracy", "macro_f1", "phase_macro_f1"))
        table.add_row(s["bag"], str(s["ticks"]), *figures, *errors, f"{s['tick_ms']:.2f}")
    console.print(table)
    table = Table("action", "ticks", "precision", "recall", "F1", "AUC", "onset delay s", "missed")
    columns = ("precision", "recall", "f1", "auc", "onset_delay_s", "onsets_missed")
    for name, own in details["by_action"].items():
        table.add_row(name, str(own["ticks"]), *(f"{own[c]:.3f}" for c in columns))
    console.print(table)
    table = Table("imperfection", "spans", *_IMPERFECTION_COLUMNS)
    for name, own in details["by_imperfection"].items():
        values = [f"{own[c]:.3f}" if c in own else "" for c in _IMPERFECTION_COLUMNS.values()]
        table.add_row(name if own["trained"] else f"{name} (not trained)", str(own["spans"]), *values)
    console.print(table)
    table = Table("share of attention", "on key frames", "even attention", "on background", "even attention")
    names = ("attention_on_key_frames", "even_on_key_frames", "attention_on_background", "even_on_background")
    for name, own in {"all": metrics, **subsets}.items():
        table.add_row(name, *(f"{own[figure]['mean']:.3f}" for figure in names))
    console.print(table)
    shown = ("action_accuracy", "action_macro_f1", "ece", "imperfection_f1", "false_suspicions_per_hour")
    table = Table("modalities", *shown)
    for name, own in {"all": metrics, **subsets}.items():
        table.add_row(name, *(f"{own[c]['mean']:.3f} +- {own[c]['std']:.3f}" for c in shown))
    console.print(table)
