"""``msstan study ablation``: what each mechanism of the network is worth on metals it has never seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msstan_core.commands.training_study import (
    TimeLimit,
    add_training_arguments,
    kept_beside,
    print_state,
    runs_of,
    study_config,
)

if TYPE_CHECKING:
    from msstan_core.training.recording_features import Recording


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "ablation",
        help="train every ablation alike and judge it on metals it has never seen",
        description="Every entry of config/ablations.yaml: everything on, everything less one mechanism, and the plain "
        "network with one. Equal steps and seeds. Finished trainings are kept beside the result (OUT.json.runs.jsonl): "
        "an interrupted study goes on when the same command is given again.",
        epilog="Example: msstan simulate --random 60 --out-dir bags && "
        "msstan study ablation --data bags --json docs/results/ablation.json",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="bags, or folders of bags")
    add_training_arguments(parser)
    parser.add_argument("--table", type=Path, help="table of ablations (default: config/ablations.yaml)")
    parser.add_argument(
        "--unseen", default="copper,magnesium", help="metals left out of training (default: copper,magnesium)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="of full and without_* (default: 5)")
    parser.add_argument("--with-seeds", type=int, default=2, help="of plain and with_* (default: 2)")
    parser.add_argument("--only", nargs="+", metavar="ABLATION", help="only these and their references")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run or continue the study; print a table; write the result file."""
    from rich.console import Console
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.resources import share_path
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.ablation_study import (
        FIGURES,
        PROTOCOL,
        Planned,
        features_source,
        plan,
        run_ablations,
        summarise,
    )
    from msstan_core.studies.kept_runs import network_code_sha256, run_names
    from msstan_core.training.ablations import FULL, PLAIN, load_ablations
    from msstan_core.training.progress import load_recordings, training_bar
    from msstan_core.training.splits import leave_metals_out, parse_metals

    if arguments.seeds < 1 or arguments.with_seeds < 0:
        raise InputError("--seeds", "asks for nothing", "one seed or more; --with-seeds 0 or more")
    unseen = parse_metals(arguments.unseen, "--unseen")
    base = study_config(arguments)
    configs = every = load_ablations(arguments.table or share_path("config/ablations.yaml"), base)
    if arguments.only:
        unknown = [name for name in arguments.only if name not in configs]
        if unknown:
            raise InputError("--only", f"unknown ablation {unknown[0]!r}", f"one of {', '.join(configs)}")
        configs = {n: c for n, c in configs.items() if n in (*arguments.only, FULL, PLAIN)}
    console = Console(stderr=True)
    loaded: dict[str, tuple[list[Recording], list[Recording]]] = {}

    def recordings(ablation: str) -> tuple[list[Recording], list[Recording]]:
        source = features_source(configs, ablation)
        if source not in loaded:
            found = load_recordings(console, configs[source], arguments.data, arguments.cache)
            loaded[source] = leave_metals_out(found, unseen, "--unseen")
        return loaded[source]

    training, test = recordings(FULL)
    names = [run_names(side) for side in (training, test)]
    changed = {name: config.model_dump(mode="json") for name, config in every.items()}
    recipe = {
        "configurations": changed,
        "unseen": sorted(unseen),
        "recordings": names,
        "code": network_code_sha256(),
    }
    kept = kept_beside(arguments.json, recipe)
    planned = plan(configs, arguments.seeds, arguments.with_seeds)
    limit = TimeLimit(arguments.minutes)

    def write() -> dict[str, dict[str, Any]]:
        table = summarise(configs, kept)
        pairs = [sorted({r.material_pair for r in side}) for side in (training, test)]
        write_result(
            arguments.json,
            command=command_of(arguments),
            seeds=len(kept.matching(FULL)),
            data=f"{len(training)} simulated welds ({', '.join(pairs[0])}) to train on, {len(test)} "
            f"({', '.join(pairs[1])}) to judge",
            metrics={n: row for n, row in table.items() if n not in (FULL, PLAIN)},
            baselines={n: row for n, row in table.items() if n in (FULL, PLAIN)},
            details={
                "protocol": PROTOCOL,
                "steps": base.steps,
                "clips_per_step": base.clips_per_step,
                "clip_ticks": base.clip_ticks,
                **runs_of(planned, kept),
            },
        )
        return table

    with training_bar(console, "ablations") as bar:

        def progress(run: Planned, step: int, steps: int, loss: float) -> None:
            bar(len(kept) * steps + step, len(planned) * steps, loss)

        for finished in run_ablations(configs, planned, recordings, kept, progress):
            figures = kept[finished]
            console.print(f"{finished.ablation}/{finished.seed}: F1 {figures['action_macro_f1']:.3f}", highlight=False)
            write()
            if limit.over:
                break
    table = write()
    shown = Table("ablation", "seeds", *FIGURES, "change of macro-F1", "CPU s")
    for name, row in table.items():
        change = row.get("change_action_macro_f1")
        shown.add_row(
            name,
            str(row["seeds"]),
            *(f"{row[f]['mean']:.3f} ± {row[f]['std']:.3f}" for f in FIGURES),
            "" if change is None else f"{change['mean']:+.3f} ± {change['std']:.3f}",
            f"{row['train_cpu_s']['mean']:.0f}",
        )
    console.print(shown)
    print_state(arguments.json, planned, kept, "trainings")
    return 0
