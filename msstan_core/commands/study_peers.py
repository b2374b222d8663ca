"""``msstan study peers``: MS-STAN and its peers on the same welds, folds, seeds and training budget."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from msstan_core.studies.peer_comparison import Protocol, RunFile
    from msstan_core.training.configuration import TrainingConfig

#: Seeds of peers that are cheap to train, and of those that read pixels.
LIGHT_SEEDS, HEAVY_SEEDS = 5, 3


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "peers",
        help="train MS-STAN and its peers on the same welds within the same budget, and compare",
        description="Train every entrant once per seed and fold with the same budget in seconds of one core, and score "
        "it on the groups left out: material pairs never seen (--data, labelled welds of several materials) and "
        "set-ups never seen (--phases, real welds; a peer whose sensor was not recorded is left out). Each finished "
        "run is kept in --runs at once: stop it when you like, and start it again to go on.",
        epilog="Seeds and folds are outermost, so that what is stopped early is short for all alike. Peers that read "
        "pixels are trained at reduced width and size (their names say so) and timed at full size. Needs scikit-learn "
        "(requirements/training.txt).",
    )
    parser.add_argument("config", type=Path, help="training YAML of MS-STAN, e.g. config/training/default.yaml")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="bags of welds on several materials")
    parser.add_argument("--phases", type=Path, nargs="+", default=[], help="bags of real welds with labelled phases")
    parser.add_argument("--json", type=Path, required=True, help="result file to write, after every run")
    parser.add_argument("--runs", type=Path, default=Path("out/peers/runs.jsonl"), help="file that keeps finished runs")
    parser.add_argument("--budget", type=float, default=60.0, metavar="S", help="training seconds a run (default: 60)")
    parser.add_argument("--folds", type=int, default=2, help="folds of groups left out (default: 2)")
    parser.add_argument("--only-folds", type=int, nargs="+", metavar="N", help="carry out only these folds, from 0")
    parser.add_argument("--seeds", type=int, default=LIGHT_SEEDS, help=f"seeds (default: {LIGHT_SEEDS})")
    parser.add_argument(
        "--heavy-seeds", type=int, default=HEAVY_SEEDS, help=f"seeds of pixel peers (default: {HEAVY_SEEDS})"
    )
    parser.add_argument(
        "--decision-stride", type=int, default=5, help="ticks between a clip peer's updates (default: 5)"
    )
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these entrants (default: all; --list)")
    parser.add_argument("--list", action=_List, help="print the entrants and leave")
    parser.add_argument("--max-runs", type=int, metavar="N", help="stop after this many runs")
    parser.add_argument(
        "--time", action="store_true", help="first time one update of each at full size; needed for the paced_ figures"
    )
    parser.add_argument("--cache", type=Path, default=Path("out/features"), help="folder for features and frames")
    parser.set_defaults(run=run)


class _List(argparse.Action):
    def __init__(self, option_strings: list[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from msstan_core.studies.peer_entrants import ENTRANTS, label

        print("\n".join(f"{name:18} {label(name)}" for name in ENTRANTS))
        parser.exit()


def run(arguments: argparse.Namespace) -> int:
    """Carry out what is missing; print the tables; write the result file."""
    from rich.console import Console

    from msstan_core.commands.study_anomaly import limit_threads
    from msstan_core.studies.peer_results import table
    from msstan_core.studies.peer_splits import material_pair, set_up
    from msstan_core.training.configuration import load_training_config

    _check(arguments)
    limit_threads()
    console = Console(stderr=True)
    config = load_training_config(arguments.config)
    timings = _timings(arguments, console, config)
    files: list[tuple[Protocol, RunFile]] = []
    left = arguments.max_runs
    for name, folders, group in (
        ("unseen_materials", arguments.data, material_pair),
        ("real_phases", arguments.phases, set_up),
    ):
        if folders:
            found = _Comparison(arguments, console, config, name, folders, group, files, timings)
            left = found.carry_out(left)
    for protocol, file in files:
        console.print(table(protocol, file, timings))
    _write(arguments, files, timings)
    done = sum(len(file.runs) for _, file in files)
    print(f"{arguments.json}: {done} runs of {len({r.entrant for _, f in files for r in f.runs})} entrants")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    from msstan_core.errors import InputError
    from msstan_core.recordings.bag_folders import find_bags
    from msstan_core.studies.peer_entrants import ENTRANTS

    if not arguments.data and not arguments.phases:
        raise InputError("--data", "is missing, and --phases too", "give bags to compare on")
    if not 0 < arguments.budget < math.inf:
        raise InputError("--budget", f"is {arguments.budget:g} s", "give seconds above 0")
    for name in ("folds", "seeds", "heavy_seeds", "decision_stride"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name.replace('_', '-')}", f"is {getattr(arguments, name)}", "give 1 or more")
    for folders in (arguments.data, arguments.phases):
        find_bags(folders)  # refuses before the others are read
    for entrant in arguments.peers or ():
        if entrant not in ENTRANTS:
            raise InputError("--peers", f"{entrant} is no entrant", f"choose from {', '.join(ENTRANTS)}")
    for fold in arguments.only_folds or ():
        if not 0 <= fold < arguments.folds:
            raise InputError("--only-folds", f"{fold} is none of {arguments.folds} folds", "count from 0")


class _Comparison:
    """One protocol: its recordings, and the runs that are missing."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        console: Console,
        config: TrainingConfig,
        name: str,
        folders: list[Path],
        group: Any,
        files: list[tuple[Protocol, RunFile]],
        timings: dict[str, float],
    ) -> None:
        from msstan_core.studies.peer_comparison import Protocol, RunFile
        from msstan_core.training.progress import load_recordings

        self._arguments, self._console, self._config, self._group = arguments, console, config, group
        self._recordings = load_recordings(console, config, folders, arguments.cache)
        self._protocol = Protocol.of(
            name, self._recordings, group, arguments.folds, arguments.budget, arguments.decision_stride, config
        )
        self._file = RunFile(arguments.runs, self._protocol)
        if self._file.others:
            console.print(f"{arguments.runs}: {self._file.others} runs of other protocols are left alone")
        self._files, self._timings = files, timings
        files.append((self._protocol, self._file))

    def carry_out(self, most: int | None) -> int | None:
        """The missing runs, at most this many; returns how many may still be done."""
        from msstan_core.studies.peer_comparison import carry_out, missing_runs, without_frames
        from msstan_core.studies.peer_entrants import reads_pixels

        watched = without_frames(self._recordings)
        framed = None
        missing = list(missing_runs(self._file, self._entrants(), self._seeds, self._arguments.folds))
        if self._arguments.only_folds:
            missing = [key for key in missing if key[2] in self._arguments.only_folds]
        for index, key in enumerate(missing):
            if most is not None and most <= 0:
                self._console.print(f"{len(missing) - index} runs of {self._protocol.name} are still missing")
                break
            if reads_pixels(key[0]) and framed is None:
                framed = self._with_frames(watched)
            given = framed if framed is not None and reads_pixels(key[0]) else watched
            run = carry_out(key, self._protocol, self._config, given, self._group, self._timings.get(key[0]))
            self._file.add(run)
            most = None if most is None else most - 1
            shown = ", ".join(f"{n} {run.figures[n]:.3f}" for n in ("accuracy", "macro_f1", "event_f1"))
            self._console.print(
                f"{index + 1}/{len(missing)} {key[0]} seed {key[1]} fold {key[2]}: {shown} "
                f"({run.steps} steps in {run.train_seconds:.0f} s)",
                highlight=False,
            )
            _write(self._arguments, self._files, self._timings)
        return most

    def _seeds(self, entrant: str) -> int:
        from msstan_core.studies.peer_entrants import reads_pixels

        return int(self._arguments.heavy_seeds if reads_pixels(entrant) else self._arguments.seeds)

    def _entrants(self) -> list[str]:
        """Those asked for whose sensors all training splits have."""
        from msstan_core.studies.peer_entrants import ENTRANTS, modalities

        chosen = self._arguments.peers or list(ENTRANTS)
        able = []
        for entrant in chosen:
            read = sorted(modalities(entrant))
            groups = {self._group(r) for r in self._recordings if r.features.valid[:, read].any()}
            if all(groups - set(left_out) and groups & set(left_out) for left_out in self._protocol.folds):
                able.append(entrant)
            else:
                self._console.print(f"{entrant}: left out of {self._protocol.name}, too few recordings of its sensors")
        return able

    def _with_frames(self, watched: Any) -> Any:
        from rich.progress import track

        from msstan_core.peers.camera_frames import camera_frames
        from msstan_core.peers.registry import REDUCED_PIXELS
        from msstan_core.studies.peer_comparison import with_frames

        bar = iter(track(range(len(watched)), "reading frames", console=self._console, transient=True))

        def read(recording: Any) -> Any:
            next(bar, None)
            withheld = self._config.withheld(recording.attributes)
            return camera_frames(recording, withheld, REDUCED_PIXELS, self._arguments.cache / "frames")

        return with_frames(watched, read)


def _timings(arguments: argparse.Namespace, console: Console, config: TrainingConfig) -> dict[str, float]:
    """Milliseconds of an update at full size, by entrant; measured with --time and kept beside the runs."""
    import json

    from msstan_core.errors import InputError
    from msstan_core.output_files import written_whole
    from msstan_core.studies.peer_entrants import ENTRANTS
    from msstan_core.studies.peer_timing import update_ms

    path = arguments.runs.with_name("update_ms.json")
    try:
        known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(path, f"cannot be read ({error})", "remove it, and measure again with --time") from None
    if arguments.time:
        for entrant in arguments.peers or ENTRANTS:
            known[entrant] = update_ms(entrant, config)
            console.print(f"{entrant}: {known[entrant]:g} ms an update", highlight=False)
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                partial.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return known


def _write(arguments: argparse.Namespace, files: list[tuple[Protocol, RunFile]], timings: dict[str, float]) -> None:
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.peer_results import content

    if not any(file.runs for _, file in files):
        return
    sets = "; ".join(f"{p.name}: {p.recordings} recordings, {p.ticks} ticks" for p, _ in files)
    write_result(
        arguments.json,
        command=command_of(arguments),
        data=sets,
        **content(files, timings),
    )
