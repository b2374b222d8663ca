"""``msstan simulate``: write simulated welds as bags with annotations."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from msstan_core.errors import InputError
from msstan_core.vocabulary import SENSORS

if TYPE_CHECKING:
    from msstan_core.simulation.scenario import Scenario


#: Simulated recordings per set of --compare.
DEFAULT_SEEDS = 8
_APART = ("goes not together with --compare or --pictures", "ask for them one after the other")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="simulate a weld with camera, thermal camera, microphone and telemetry",
        description="Simulate a weld cell and write a bag with annotations. Equal scenario and seed give equal bags.",
    )
    parser.add_argument("scenario", nargs="?", help="name of a built-in scenario, or a YAML file")
    parser.add_argument("out_bag", nargs="?", type=Path, metavar="OUT_BAG", help="folder of the bag to create")
    parser.add_argument(
        "--seed", type=int, help="seed instead of the scenario's; with --random or --faults the first one (default 0)"
    )
    parser.add_argument("--random", type=int, metavar="N", help="write N bags of randomised scenarios into --out-dir")
    parser.add_argument(
        "--materials",
        metavar="PAIRS",
        help="with --random: only these pairs, equally often, each by the processes "
        "that join it, e.g. aluminium+carbon_steel,titanium+nickel,magnesium",
    )
    parser.add_argument(
        "--faults",
        type=int,
        metavar="N",
        help="write N welds per imperfection of the closed-loop study's procedures into --out-dir, of seeds that the "
        "study does not weld",
    )
    parser.add_argument(
        "--out-dir", type=Path, metavar="DIR", help="folder for the bags of --random, --faults; existing bags are kept"
    )
    parser.add_argument(
        "--sensors",
        nargs="+",
        choices=SENSORS,
        metavar="SENSOR",
        help=f"simulate only these of {', '.join(SENSORS)} (default: those of the scenario); without camera a weld "
        "takes less than half the time",
    )
    parser.add_argument("--raw-images", action="store_true", help="store camera images uncompressed")
    parser.add_argument("--list", action="store_true", help="print the built-in scenarios and leave")
    parser.add_argument(
        "--compare", type=Path, metavar="DATA", help="measure the distance to the real recordings in DATA"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="with --compare: write the distances there")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write pictures of the simulator, with --compare also of real data"
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help=f"with --compare: simulated recordings per set (default {DEFAULT_SEEDS})"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raises :class:`InputError` for bad arguments."""
    from msstan_core.simulation import builtin_scenarios, load_scenario

    if arguments.list:
        print("\n".join(builtin_scenarios()))
        return 0
    _refuse_what_does_not_go_together(arguments)
    if arguments.compare is not None or arguments.pictures is not None:
        return _compare(arguments)
    if arguments.seed is not None and not 0 <= arguments.seed < 2**63:
        raise InputError("--seed", f"{arguments.seed} is out of range", "give an integer from 0 to 2^63-1")
    if arguments.random is not None or arguments.faults is not None:
        kept = 0
        for name, scenario in _drawn(arguments):
            bag = arguments.out_dir / name
            if bag.exists():
                _refuse_another(bag, _sensed(scenario, arguments))
                kept += 1
            else:
                _report(scenario, bag, arguments)
        if kept:
            print(f"{arguments.out_dir}: {kept} bags were there already")
        return 0
    if arguments.scenario is None or arguments.out_bag is None:
        raise InputError("arguments", "SCENARIO and OUT_BAG are needed", "see msstan simulate --help, or --list")
    _report(load_scenario(arguments.scenario, arguments.seed), arguments.out_bag, arguments)
    return 0


def _refuse_what_does_not_go_together(arguments: argparse.Namespace) -> None:
    """See that no option is given that would be left aside.

    Raises:
        InputError: naming it.
    """
    drawn = arguments.random is not None or arguments.faults is not None
    judged = arguments.compare is not None or arguments.pictures is not None
    random, compared = arguments.random is not None, arguments.compare is not None
    for option, used, problem, remedy in (
        *((option, not judged, *_APART) for option in ("--random", "--faults", "--seed", "--sensors", "--raw-images")),
        ("--out-dir", drawn, "is for the bags of --random and --faults", "give OUT_BAG, or --random N"),
        ("--materials", random, "restricts randomised welds only", "add --random N --out-dir DIR"),
        ("--json", compared, "holds the distances of --compare", "add --compare DATA"),
        ("--seeds", compared, "counts the recordings of --compare", "the option for a seed is --seed"),
    ):
        if _given(arguments, option) and not used:
            raise InputError(option, problem, remedy)
    if arguments.scenario is not None and (drawn or judged):
        option = next(o for o in ("--random", "--faults", "--compare", "--pictures") if _given(arguments, o))
        raise InputError(option, "chooses its own scenarios", "leave out SCENARIO and OUT_BAG")


def _given(arguments: argparse.Namespace, option: str) -> bool:
    value = getattr(arguments, option.removeprefix("--").replace("-", "_"))
    return value is not None and value is not False


def _drawn(arguments: argparse.Namespace) -> Iterator[tuple[str, Scenario]]:
    """(name of the bag, scenario) of every weld that --random or --faults asks for."""
    from msstan_core.closed_loop.tasks import FIRST_SEED
    from msstan_core.closed_loop.welds import FAULTS, study_weld
    from msstan_core.simulation.material_pairs import parse_pairs
    from msstan_core.simulation.randomisation import randomised

    option, count = ("--random", arguments.random) if arguments.random is not None else ("--faults", arguments.faults)
    if arguments.random is not None and arguments.faults is not None:
        raise InputError("--faults", "goes not together with --random", "ask for them one after the other")
    if arguments.out_dir is None:
        raise InputError(option, "needs a folder for the bags", "add --out-dir DIR")
    if count < 1:
        raise InputError(option, f"{count} bags asked for", "give a number from 1")
    seeds = range(arguments.seed or 0, (arguments.seed or 0) + count)
    if option == "--random":
        pairs = None if arguments.materials is None else parse_pairs(arguments.materials)
        for seed in seeds:
            scenario = randomised(seed, pairs)
            yield f"random-{seed:06d}{scenario.name.removeprefix(f'random-{seed}')}", scenario
        return
    if seeds[-1] >= FIRST_SEED:
        raise InputError(option, f"seed {seeds[-1]} is one of the study's", f"stay below seed {FIRST_SEED}")
    yield from ((f"faults-{code:04d}-{seed:02d}", study_weld(code, seed)) for seed in seeds for code in FAULTS)


def _sensed(scenario: Scenario, arguments: argparse.Namespace) -> Scenario:
    """The scenario with the sensors that are asked for."""
    from msstan_core.simulation.watching import with_sensors

    return scenario if arguments.sensors is None else with_sensors(scenario, arguments.sensors)


def _refuse_another(bag: Path, scenario: Scenario) -> None:
    """Raise InputError where the bag that is there is not of this scenario."""
    from msstan_core.recordings.bag import BagReader
    from msstan_core.simulation.recording import attributes

    with BagReader(bag) as reader:
        found = reader.attributes
    asked = attributes(scenario)
    if differs := sorted(key for key, value in asked.items() if found.get(key) != value):
        raise InputError(bag, f"is there, with another {', '.join(differs)}", "give another --out-dir, or remove it")


def _report(scenario: Scenario, bag: Path, arguments: argparse.Namespace) -> None:
    """Simulate a weld into a bag, and say what became of it."""
    from msstan_core.simulation.recording import record

    scenario = _sensed(scenario, arguments)
    began = time.perf_counter()
    seconds, annotations = record(scenario, bag, raw_images=arguments.raw_images)
    took = time.perf_counter() - began
    imperfections = sorted({a.label for a in annotations if a.kind == "imperfection"})
    found = ", imperfections " + " ".join(imperfections) if imperfections else ""
    size = sum(f.stat().st_size for f in bag.iterdir()) / 1e6
    print(f"{bag}: {seconds:.1f} s of {scenario.name}, {size:.1f} MB{found} ({seconds / took:.1f} times real time)")
    sys.stdout.flush()


def _compare(arguments: argparse.Namespace) -> int:
    from msstan_core.results import command_of
    from msstan_core.simulation.pictures import write_pictures
    from msstan_core.simulation.realism_study import print_table, study, write_results

    seeds = DEFAULT_SEEDS if arguments.seeds is None else arguments.seeds
    if seeds < 1:
        raise InputError("--seeds", f"{seeds} recordings asked for", "give a number from 1")
    if arguments.compare is not None:
        if not arguments.compare.is_dir():
            raise InputError(
                arguments.compare, "is no folder", "give the folder that holds robotic_mig/ and thermal_arc/"
            )
        found = study(arguments.compare, seeds)
        print_table(found)
        if arguments.json is not None:
            write_results(found, seeds, command_of(arguments), arguments.json)
    if arguments.pictures is not None:
        for file in write_pictures(arguments.pictures, arguments.compare, seeds):
            print(file)
    return 0
