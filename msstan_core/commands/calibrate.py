"""``msstan calibrate``: thresholds of a finished model for a chosen rate of false alarms, from nominal welds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.replay import parse_modalities_argument
from msstan_core.commands.sensor_arguments import add_sensors, sensors_of
from msstan_core.vocabulary import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msstan_core.calibration.nominal_scores import BySubset
    from msstan_core.sensor_settings import SensorSettings
    from msstan_core.simulation.material_pairs import Pair

_EPILOG = """\
One false alarm an hour, all imperfections together, takes 80 minutes of nominal welding (time with the arc off counts,
as it is watched too), half that rate twice as much. With the least, the rate holds on average over such calibrations,
three times it with 95 % confidence. Limits of sets of sensors that this run does not measure stay as they are: a looser
rate with --subsets first, then a stricter one for all sensors. Interrupted simulations go on where they were
(--work). A model holds its promise on welds like those it was calibrated on: use your own cell's where you can.

  msstan calibrate models/default --nominal bags/good --modalities camera,acoustic,telemetry --out models/mine
  msstan calibrate models/default --simulate-hours 2 --seed 900000 --jobs 2 --out models/mine
  msstan calibrate models/mine --severities bags/inspected --out models/mine_with_severities
"""


#: No simulated weld lasts longer. The last one may end so much after the hours asked for.
LONGEST_WELD_H = 5 / 60

#: Defaults. Where scores of simulated welds are kept; the seed of the first; false alarms an hour.
WORK = Path("out/calibrate")
FIRST_SEED = 900_000
RATE_PER_HOUR = 1.0

#: Option -> the welds that it has a part in.
_PART_IN = {
    "params": ("--nominal", "--severities"),
    "namespace": ("--nominal", "--severities"),
    "false_alarms_per_hour": ("--nominal", "--simulate-hours"),
    "novelty_alarms": ("--nominal", "--simulate-hours"),
    "modalities": ("--nominal", "--simulate-hours"),
    "subsets": ("--nominal", "--simulate-hours"),
    "materials": ("--simulate-hours",),
    "seed": ("--simulate-hours",),
    "jobs": ("--simulate-hours",),
    "work": ("--simulate-hours",),
}


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "calibrate",
        help="set a model's alarm limits for a rate of false alarms, from nominal welds",
        description="Let a model watch nominal welds and set the limits from which a suspicion is an alarm, so that "
        "all alarms together keep to a rate of false ones. Nothing is trained, suspicions stay as they are; the model "
        "card says what is promised.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model_dir", type=Path, help="model folder")
    welds = parser.add_mutually_exclusive_group(required=True)
    welds.add_argument("--nominal", type=Path, nargs="+", metavar="BAG", help="bags of good welds, or folders of them")
    welds.add_argument(
        "--severities",
        type=Path,
        nargs="+",
        metavar="BAG",
        help="bags whose imperfections are labelled with a severity: fit how bad each is by the telemetry; alarm "
        "limits stay as they are",
    )
    welds.add_argument("--simulate-hours", type=float, metavar="H", help="simulate this much nominal welding")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument(
        "--model-version", metavar="VERSION", help="version that its card states (default: that of the model)"
    )
    parser.add_argument("--false-alarms-per-hour", type=float, metavar="RATE", help=f"(default: {RATE_PER_HOUR:g})")
    parser.add_argument(
        "--novelty-alarms", action="store_true", help="novelty raises alarms too, at some cost of the others"
    )
    parser.add_argument(
        "--modalities",
        type=parse_modalities_argument,
        help="sensors that the cell has, e.g. camera,acoustic,telemetry (default: all of the model's)",
    )
    parser.add_argument("--subsets", action="store_true", help="also for every set of fewer sensors (takes longer)")
    add_sensors(parser)
    simulated = parser.add_argument_group("simulated welds")
    simulated.add_argument("--materials", metavar="PAIRS", help="e.g. aluminium+carbon_steel,magnesium (default: all)")
    simulated.add_argument("--seed", type=int, help=f"of the first weld (default: {FIRST_SEED})")
    simulated.add_argument("--jobs", type=int, help="processes (default: 1)")
    simulated.add_argument("--work", type=Path, help=f"folder for what is done so far (default: {WORK})")
    parser.set_defaults(run=run, output_folders=("out",))


def run(arguments: argparse.Namespace) -> int:
    """Watch, calibrate, write the model folder."""
    _refuse_without_part(arguments)
    if arguments.severities is not None:
        from msstan_core.commands import calibrate_severity

        return calibrate_severity.run(arguments)
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from msstan_core.calibration.nominal_scores import any_counts, duration_h
    from msstan_core.calibration.recalibration import (
        check_destination,
        recalibrated,
        refuse_learnt_from,
        save_recalibrated,
        with_groups,
    )
    from msstan_core.errors import InputError
    from msstan_core.inference.model_card import subset_name
    from msstan_core.inference.model_package import load_package
    from msstan_core.recordings.bag_folders import described_bags
    from msstan_core.recordings.rejections import say_rejections
    from msstan_core.simulation.material_pairs import parse_pairs

    defaults = {"false_alarms_per_hour": RATE_PER_HOUR, "seed": FIRST_SEED, "jobs": 1, "work": WORK}
    defaults["modalities"] = frozenset(MODALITIES)
    for option, default in defaults.items():
        if getattr(arguments, option) is None:
            setattr(arguments, option, default)
    if not 0 < arguments.false_alarms_per_hour <= 60:
        raise InputError("--false-alarms-per-hour", f"is {arguments.false_alarms_per_hour:g}", "choose up to 60")
    if arguments.simulate_hours is not None and not 0 < arguments.simulate_hours <= 1000:
        raise InputError("--simulate-hours", f"is {arguments.simulate_hours:g}", "weld between 0 and 1000 hours")
    _check_hours(arguments)
    if arguments.jobs < 1 or not 0 <= arguments.seed < 2**62:
        raise InputError("--jobs, --seed", "too small", "give at least one process and no negative seed")
    package = load_package(arguments.model_dir)
    if not package.card.modalities & arguments.modalities:
        raise InputError("--modalities", "the model knows none of them", "see its CARD.md")
    check_destination(package, arguments.out)
    watched = subset_name(package.card.modalities & arguments.modalities)
    if not arguments.novelty_alarms and not package.card.suspected_with(watched):
        raise InputError(
            arguments.model_dir,
            f"suspects no imperfection with {watched}, so that there is nothing to limit",
            "give --novelty-alarms, or other --modalities",
        )
    sensors = sensors_of(arguments)
    described = described_bags(arguments.nominal or ())
    bags, groups = [bag.path for bag in described], {bag.group for bag in described}
    if bags:
        refuse_learnt_from(package.card, groups)
        _check_length(bags, arguments.namespace, arguments.false_alarms_per_hour)
    pairs = None if arguments.materials is None else tuple(parse_pairs(arguments.materials))
    console = Console(stderr=True)
    rejected: list[str] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("nominal welds", total=1.0)

        def done(share: float) -> None:
            progress.update(task, completed=share)

        welds = list(_watched(arguments, bags, sensors, pairs, done, rejected.append))
    say_rejections(console, rejected)
    hours = sum(duration_h(weld) for weld in welds if any_counts(weld))
    materials = f", {arguments.materials}" if arguments.materials else ""
    counting = sum(map(any_counts, welds))
    kind = (
        f"recorded nominal welds ({counting} bags"
        if arguments.nominal
        else f"simulated nominal welds ({len(welds)} of seeds from {arguments.seed}{materials}"
    )
    card, kept = recalibrated(
        package.card,
        welds,
        arguments.false_alarms_per_hour,
        f"{hours:.2f} h of {kind})",
        novelty=arguments.novelty_alarms,
    )
    limits = card.limits_with(package.card.modalities & arguments.modalities)
    assert limits is not None
    save_recalibrated(package, with_groups(card, groups), arguments.out, arguments.model_version)
    table = Table("kind", "suspicion from", "alarm from")
    for code, threshold in limits.imperfection_thresholds.items():
        suspicion = card.imperfection_thresholds.get(code)
        table.add_row(str(code), "-" if suspicion is None else f"{suspicion:.4f}", f"{threshold:.4f}")
    distance = limits.novelty_threshold
    table.add_row("novelty", f"{card.novelty_threshold:.3f}", "never" if distance is None else f"{distance:.3f}")
    console.print(table)
    for name, reason in kept.items():
        console.print(f"with {name} only, limits stay as they were: {reason}", style="yellow")
    print(f"{arguments.out}: {limits.statements[1]}")
    return 0


def _refuse_without_part(arguments: argparse.Namespace) -> None:
    """Raise InputError for an option that would change nothing of what is asked for."""
    from msstan_core.errors import InputError

    asked = next(
        f"--{name.replace('_', '-')}"
        for name in ("nominal", "severities", "simulate_hours")
        if getattr(arguments, name) is not None
    )
    for option, kinds in _PART_IN.items():
        if asked not in kinds and getattr(arguments, option) not in (None, False):
            name = f"--{option.replace('_', '-')}"
            raise InputError(name, f"has no part in {asked}", f"leave it out; it belongs to {' and '.join(kinds)}")


def _check_hours(arguments: argparse.Namespace) -> None:
    """See that the simulated time can be enough for the rate, before any of it is welded.

    Raises:
        InputError: when it cannot.
    """
    from msstan_core.calibration.joint import least_joint_hours
    from msstan_core.errors import InputError

    rate, hours = arguments.false_alarms_per_hour, arguments.simulate_hours
    needed_h = least_joint_hours(rate)
    if hours is not None and hours + LONGEST_WELD_H < needed_h:
        raise InputError(
            "--simulate-hours",
            f"{hours:g} h of welds cannot promise {rate:g} false alarms an hour, {needed_h:.2f} h are needed",
            "weld longer, or allow a higher --false-alarms-per-hour",
        )


def _check_length(bags: list[Path], namespace: str | None, rate: float) -> None:
    """See that the bags can be long enough for the rate, before any of them is watched.

    Raises:
        InputError: when they cannot, or one cannot be opened.
    """
    from msstan_core.calibration.joint import least_joint_hours
    from msstan_core.errors import InputError
    from msstan_core.observation import SECONDS_PER_HOUR
    from msstan_core.recordings.bag import BagReader

    def hours(stamped: bool) -> float:
        total_s = 0.0
        for bag in bags:
            with BagReader(bag, namespace=namespace) as reader:
                total_s += reader.stamped_s if stamped else reader.duration_s
        return total_s / SECONDS_PER_HOUR

    needed_h = least_joint_hours(rate)
    # Stamps cost a look at every message. They decide where bags recorded faster than real time may hold more.
    if hours(stamped=False) < needed_h and (told_h := hours(stamped=True)) < needed_h:
        raise InputError(
            "--nominal",
            f"{told_h:.2f} h of welds cannot promise {rate:g} false alarms an hour, {needed_h:.2f} h are needed",
            "record more good welds, or allow a higher --false-alarms-per-hour",
        )


def _watched(
    arguments: argparse.Namespace,
    bags: list[Path],
    sensors: SensorSettings,
    pairs: tuple[Pair, ...] | None,
    progress: Any,
    complain: Any,
) -> Iterator[BySubset]:
    """Scores of each weld asked for."""
    from msstan_core.calibration.nominal_scores import NominalWelds, monitors_of, scores_of_bag, simulated_scores
    from msstan_core.decision.pipeline import Monitor

    if arguments.nominal is None:
        chosen = NominalWelds(arguments.seed, pairs, arguments.subsets, arguments.modalities)
        yield from simulated_scores(
            arguments.model_dir, chosen, arguments.simulate_hours, arguments.work, arguments.jobs, progress
        )
        return
    monitors = monitors_of(Monitor.load(arguments.model_dir, modalities=arguments.modalities), arguments.subsets)
    for number, bag in enumerate(bags, start=1):
        yield scores_of_bag(monitors, bag, sensors, complain)
        progress(number / len(bags))
