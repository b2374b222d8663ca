"""``msstan study smoothing``: flicker, accuracy and delay of every way of steadying the action."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.fold_arguments import add_regime, add_withhold, with_withheld

if TYPE_CHECKING:
    from rich.console import Console

    from msstan_core.studies.fold_streams import Stream


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "smoothing",
        help="compare equation 49, debouncing and the filters: switches, accuracy, delay",
        description="Streams of recordings that their networks have not seen go through every way of smoothing: real "
        "ones by networks trained without their configuration, simulated ones by a finished model. Settings are chosen "
        "on the streams of the other groups; as the card says: on held-out groups of the training.",
        epilog="Trains one network per configuration and seed (some minutes each on one core); what was computed is "
        "kept in --work and read again, also what msstan cross-validate kept there for the same training. Example: "
        "msstan study smoothing config/training/mig_phases.yaml --folds bags/real bags/simulated --regime pretrained "
        "--json docs/results/smoothing.json; msstan study smoothing --simulated bags/unseen --json "
        "docs/results/smoothing_simulated.json",
    )
    parser.add_argument(
        "config", type=Path, nargs="?", help="training YAML of the networks for the real recordings (with --folds)"
    )
    parser.add_argument(
        "--folds", type=Path, nargs="+", default=[], metavar="BAGS", help="real bags, and simulated ones to train on"
    )
    parser.add_argument("--model", type=Path, help="model for the simulated bags (default: the shipped one)")
    parser.add_argument(
        "--simulated", type=Path, nargs="+", default=[], metavar="BAGS", help="bags of seeds it has not seen"
    )
    parser.add_argument("--json", type=Path, required=True, help="result file to write")
    add_regime(parser)
    add_withhold(parser)
    parser.add_argument("--seeds", type=int, default=3, help="networks per left-out configuration (default: 3)")
    parser.add_argument("--work", type=Path, default=Path("out"), help="folder for features and streams")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train what is missing, compare, write the result file."""
    from rich.console import Console
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.smoothing_study import (
        CARD_FAMILY,
        DEFAULT_FAMILY,
        by_setting,
        compare,
        figures,
        judge_all,
    )

    if arguments.seeds < 1:
        raise InputError("--seeds", f"is {arguments.seeds}", "train at least one network per configuration")
    if not arguments.folds and not arguments.simulated:
        raise InputError("--folds, --simulated", "are both missing", "give real bags, simulated ones, or both")
    if arguments.folds and arguments.config is None:
        raise InputError("config", "is missing", "name the training YAML, e.g. config/training/mig_phases.yaml")
    _check_inputs(arguments)
    console = Console(stderr=True)
    kinds = {"real": _real(arguments, console), "simulated": _simulated(arguments, console)}
    metrics: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for kind, streams in kinds.items():
        if not streams:
            continue
        console.print(f"comparing on {len(streams)} {kind} streams", highlight=False)
        table = [judge_all(stream) for stream in streams]
        found = {family: figures(chosen) for family, chosen in compare(streams, table).items()}
        metrics[kind] = found
        settings[kind] = {f: by_setting(streams, table, f) for f in (DEFAULT_FAMILY, "duration filter", "window (49)")}
        shown = Table(kind, "switches per true", "accuracy", "macro-F1", "added delay ms (p95)", "missed")
        for family, f in found.items():
            cells = (f"{f[name]['mean']:.3f}" for name in ("switches_per_true", "accuracy", "macro_f1"))
            shown.add_row(family, *cells, _delay_text(f["added_delay_ms"]), f"{f['missed_share']['mean']:.3f}")
        console.print(shown)
    headline = next(iter(metrics.values()))[CARD_FAMILY]
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.seeds if arguments.folds else 1,
        data=", ".join(
            f"{len(s)} {kind} streams of {len({x.group for x in s})} groups" for kind, s in kinds.items() if s
        ),
        metrics={
            "switches_per_true": headline["switches_per_true"],
            "delay_ms": headline["added_delay_ms"],
            **{f"{kind}: {family}": f for kind, found in metrics.items() for family, f in found.items()},
        },
        baselines={
            f"raw, {kind}": {"switches_per_true": found["raw"]["switches_per_true"]} for kind, found in metrics.items()
        },
        details={"every_setting": settings, "protocol": PROTOCOL},
    )
    print(
        f"{arguments.json}: {headline['switches_per_true']['mean']:.2f} switches per true one, added delay in ms "
        f"(95th percentile) {_delay_text(headline['added_delay_ms'])}"
    )
    return 0


PROTOCOL = (
    "Real streams come from networks trained without the recording's configuration; simulated ones from a finished "
    "model on seeds that it was not trained on. A family's setting (time constant, least duration, emission power) for "
    "one stream is the one with the best score on the streams of all other groups: macro-F1, less 0.05 per excess "
    "switch per true one and per second of added delay. added_delay_ms: where the smoothed answers change over, less "
    "where the unsmoothed ones do (the single change that leaves the fewest ticks wrong), around each true switch; a "
    "label's clock does not enter. delay_to_label_ms does contain it. missed_share: true switches whose new action is "
    "never said within 3 s. Accuracy and macro-F1 on real streams are at the best common shift of the labels; "
    "extinction counts as deposition there."
)


def _delay_text(delay_ms: dict[str, float]) -> str:
    """Median and 95th percentile; "-" where no true switch was found."""
    return f"{delay_ms['p50']:.0f} ({delay_ms['p95']:.0f})" if delay_ms else "-"


def _check_inputs(arguments: argparse.Namespace) -> None:
    """See that bags and model are there, before networks are trained on some of them.

    Raises:
        InputError: naming what is not.
    """
    from msstan_core.inference.model_package import load_package
    from msstan_core.recordings.bag_folders import find_bags
    from msstan_core.resources import default_model_dir

    find_bags(arguments.folds)
    find_bags(arguments.simulated)
    if arguments.simulated:
        load_package(arguments.model or default_model_dir())


def _real(arguments: argparse.Namespace, console: Console) -> list[Stream]:
    from msstan_core.studies.fold_streams import streams_of_folds
    from msstan_core.studies.folds import Regime
    from msstan_core.training.configuration import load_training_config
    from msstan_core.training.progress import load_recordings, training_bar

    if not arguments.folds:
        return []
    config = with_withheld(load_training_config(arguments.config), arguments.withhold)
    recordings = load_recordings(console, config, arguments.folds, arguments.work / "features")
    with training_bar(console, "training without each configuration") as progress:

        def update(seed: int, group: str, step: int, steps: int, loss: float) -> None:
            progress(step, steps, loss)

        regime = Regime(arguments.regime)
        kept = arguments.work / "streams"
        streams = streams_of_folds(
            config,
            recordings,
            arguments.seeds,
            kept,
            regime=regime,
            simulation_steps=arguments.simulation_steps,
            progress=update,
        )
        return list(streams)


def _simulated(arguments: argparse.Namespace, console: Console) -> list[Stream]:
    from msstan_core.inference.model_package import load_package
    from msstan_core.inference.network import load_network
    from msstan_core.recordings.bag_folders import find_bags
    from msstan_core.resources import default_model_dir
    from msstan_core.studies.fold_streams import streams_of_model
    from msstan_core.training.recording_features import FeatureExtractor
    from msstan_core.vocabulary import MODALITIES

    if not arguments.simulated:
        return []
    package = load_package(arguments.model or default_model_dir())
    extract = FeatureExtractor(package.card.config, arguments.work / "features")
    unknown = frozenset(MODALITIES) - package.card.modalities  # what it never learnt is withheld, as it is live
    recordings = (extract(bag, unknown) for bag in find_bags(arguments.simulated))
    return list(streams_of_model(load_network(package), package.card, recordings))
