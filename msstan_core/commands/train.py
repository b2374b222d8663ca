"""``msstan train``: bags and a YAML file in, a model folder out."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.sensor_arguments import add_sensors, sensors_of
from msstan_core.errors import InputError

if TYPE_CHECKING:
    from msstan_core.recordings.bag_folders import DescribedBag
    from msstan_core.training.configuration import TrainingConfig
    from msstan_core.training.recording_features import Recording


#: What to do where nothing can be held out.
_MORE_GROUPS = (
    "add such recordings, tell their groups apart (msstan label BAG --set group=NAME), or set it to 0 to calibrate on "
    "the training recordings"
)


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on bags",
        description="Train MS-STAN on annotated bags and write a model folder (weights, ONNX graph, card). A run that "
        "was interrupted goes on from its last checkpoint when the same command is given again.",
        epilog="Example: msstan train config/training/own_welds.yaml --data bags/ --out my_model",
    )
    parser.add_argument("config", type=Path, help="training YAML, e.g. config/training/own_welds.yaml")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    parser.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        default=[],
        metavar="DATA",
        help="bags that are never trained on: calibration and thresholds are fitted on them, beside the groups of "
        "--data that are held out",
    )
    parser.add_argument(
        "--leave-out",
        metavar="METALS",
        help="train on no weld of these metals, e.g. copper,magnesium: to see what the model is worth on metals it has "
        "never met",
    )
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--seed", type=int, help="overrides the file's seed")
    parser.add_argument("--steps", type=int, help="overrides the file's number of steps")
    parser.add_argument(
        "--from",
        dest="initial",
        type=Path,
        metavar="MODEL_DIR",
        help="start from this model's weights, at a quarter of the learning rate: to adapt it to few labelled welds, "
        "with `trained_part: head` or all; what it has learnt from is never held out",
    )
    parser.add_argument("--cache", type=Path, help="folder for extracted features (default: OUT/features)")
    add_sensors(parser)
    parser.set_defaults(run=run, output_folders=("out",))


def run(arguments: argparse.Namespace) -> int:
    """Extract features, train, fit the decision layer, save."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from msstan_core.calibration.finishing import fit, fit_anomalies, save_model
    from msstan_core.inference.model_package import load_package
    from msstan_core.training.configuration import load_training_config, with_changes
    from msstan_core.training.guarding import guard_set
    from msstan_core.training.network_runs import fully_sensed
    from msstan_core.training.progress import features_of, training_bar
    from msstan_core.training.provenance import no_imperfections, refuse_unshown
    from msstan_core.training.splits import hold_out_fully_sensed
    from msstan_core.training.trainer import train
    from msstan_core.training.transfer import going_on, initial_name, initial_weights

    console = Console(stderr=True)
    _check_out(arguments)
    config = load_training_config(arguments.config)
    changed = {k: getattr(arguments, k) for k in ("seed", "steps") if getattr(arguments, k) is not None}
    config = with_changes(config, changed)
    sensors = sensors_of(arguments)
    cache = arguments.cache or arguments.out / "features"
    initial, began_with = None, None
    if arguments.initial is None and config.trained_part == "measured":
        raise InputError("trained_part: measured", "teaches a model that is there already", "give it: --from MODEL_DIR")
    if arguments.initial is not None:
        initial, began_with = initial_weights(arguments.initial, config), load_package(arguments.initial).card
        began = f"began with the weights of {initial_name(began_with)}; its own card tells of its data"
        config = going_on(config).model_copy(update={"data_description": [began, *config.data_description]})
    learnt = frozenset(began_with.trained_groups or () if began_with else ())
    bags, more_bags = _checked_bags(arguments, config, learnt)
    recordings = features_of(console, config, bags, cache, sensors)
    more = features_of(console, config, more_bags, cache, sensors)
    kept, judging = hold_out_fully_sensed(recordings, config.validation_share, config.seed, learnt)
    held_out = [*judging, *fully_sensed(more)]
    _refuse_nothing_held_out(config, held_out)
    refuse_unshown(config, kept)
    with training_bar(console, f"training {config.name}") as progress:
        model = train(config, kept, arguments.out, held_out=judging, initial=initial, progress=progress)
    if began_with is not None and config.trained_part == "measured":  # another training taught the actions
        model = replace(model, action_prior=np.array(began_with.action_prior, np.float32))
    with console.status("calibrating the actions") as status:
        fitted = fit(model, kept, held_out)
        anomalies = fit_anomalies(
            config, model, fitted, kept, held_out, progress=lambda what: status.update(f"calibrating: {what}")
        )
    metrics: dict[str, object] = {
        "final_loss": model.final_loss,
        "training_seconds": round(model.seconds, 1),
        "weights_of_step": model.steps,
    }
    guard = guard_set(model.model, kept, held_out, config.seed)
    card = save_model(arguments.out, config, model, fitted, anomalies, kept, held_out, metrics, guard, began_with)
    table = Table(title=f"{card.name} {card.version}", show_header=False)
    table.add_row("recordings", f"{len(kept)} trained on, {len(held_out)} held out for calibration")
    table.add_row("actions", ", ".join(card.trained_actions))
    codes = ", ".join(map(str, card.trained_imperfections))
    table.add_row("imperfections", codes or f"none: {no_imperfections(config)}")
    table.add_row("modalities", ", ".join(card.trained_modalities))
    guarded = f"{len(guard.sealed)} ticks" if guard else "none (too little held out): this model will not adapt"
    table.add_row("guard set", guarded)
    table.add_row("calibrated for", f"{len(card.subsets)} sets of modalities")
    for name, value in card.metrics.items():
        if isinstance(value, dict):
            continue  # for the card
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    print(f"{arguments.out}: trained in {model.seconds:.0f} s")
    print(f"try it: msstan replay BAG --model {arguments.out} --csv OUT.csv")
    return 0


def _check_out(arguments: argparse.Namespace) -> None:
    """See that ``--out`` is a new folder, an empty one, or one that a training has written to.

    Raises:
        InputError: when it is the model to begin with, or holds something else.
    """
    from msstan_core.inference.model_package import CARD_FILE
    from msstan_core.training.checkpoint import CHECKPOINT_FILE

    out: Path = arguments.out
    if arguments.initial is not None and out.resolve() == arguments.initial.resolve():
        raise InputError("--out", f"{out} is the model to begin with", "give another folder")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if names and names.isdisjoint({CARD_FILE, CHECKPOINT_FILE, "features"}):
        raise InputError(out, "is not empty and no model folder", "give a new folder with --out")
    if CARD_FILE in names and CHECKPOINT_FILE not in names:  # whose weights would be gone
        raise InputError(out, "holds a model that is no training to go on with", "give a new folder with --out")


def _refuse_nothing_held_out(config: TrainingConfig, held_out: list[Recording]) -> None:
    """Raise InputError where a share should be held out for calibration and nothing with labels is."""
    from msstan_core.training.semi_supervised import is_labelled

    if config.validation_share > 0 and not any(is_labelled(r) for r in held_out):
        raise InputError(
            f"validation_share: {config.validation_share}",
            "holds out no labelled recording that has all sensors (of each kind four groups are needed)",
            _MORE_GROUPS,
        )


def _checked_bags(
    arguments: argparse.Namespace, config: TrainingConfig, learnt: frozenset[str]
) -> tuple[list[DescribedBag], list[DescribedBag]]:
    """(bags to train on, bags for calibration alone), known to be enough by their attributes before any is read.

    Args:
        arguments, config: of the command. learnt: groups that taught the weights to begin with.

    Raises:
        InputError: naming the option or field that asks for what is not there.
    """
    from msstan_core.recordings.bag_folders import described_bags, refuse_copies
    from msstan_core.training.splits import hold_out_groups, parse_metals, without_metals

    bags, more = described_bags(arguments.data), described_bags(arguments.calibration)
    if arguments.leave_out is not None:
        unseen = parse_metals(arguments.leave_out, "--leave-out")
        bags, more = (without_metals(side, unseen, "--leave-out") for side in (bags, more))
    shared = sorted({bag.group for bag in bags} & {bag.group for bag in more})
    if shared:
        raise InputError("--calibration", f"shares the group {shared[0]} with --data", "leave it out of one of them")
    refuse_copies(bag.path for bag in [*bags, *more])
    taught = sorted({bag.group for bag in more} & learnt)
    if taught:
        problem = f"holds the group {taught[0]}, from which {arguments.initial} has learnt"
        raise InputError("--calibration", problem, "give welds that it has not seen")
    _, held_out = hold_out_groups(bags, config.validation_share, config.seed, learnt)
    if config.validation_share > 0 and not held_out and not more and learnt.issuperset(bag.group for bag in bags):
        raise InputError(
            f"validation_share: {config.validation_share}",
            f"holds out nothing: {arguments.initial} has learnt from all these recordings",
            "add some that it has not seen, or set it to 0 to calibrate on the training recordings",
        )
    if config.validation_share > 0 and not held_out and not more:
        raise InputError(
            f"validation_share: {config.validation_share}",
            f"holds out nothing of {len({bag.group for bag in bags})} groups of recordings (four are needed)",
            _MORE_GROUPS,
        )
    return bags, more
