"""``msstan study transfer``: pretrain on some metals, adapt to others from few labelled welds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from msstan_core.commands.training_study import (
    TimeLimit,
    add_training_arguments,
    kept_beside,
    print_state,
    runs_of,
    study_config,
)


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "transfer",
        help="pretrain on some metals, adapt to others from few labelled welds",
        description="Accuracy drop on metals never seen, gain of adapting all weights or the heads only to few "
        "labelled welds, and both against training from scratch on the same few; a t-SNE picture of the embeddings "
        "before adapting. Finished runs are kept beside the result (OUT.json.runs.jsonl), pretrained networks in "
        "OUT.json.models: an interrupted study goes on when the same command is given again.",
        epilog="Example: msstan simulate --random 20 --materials aluminium+carbon_steel,titanium+nickel --out-dir a && "
        "msstan simulate --random 20 --seed 1000 --materials copper+stainless_steel,magnesium --out-dir b && "
        "msstan study transfer --source a --target b --json docs/results/transfer.json",
    )
    parser.add_argument("--source", type=Path, nargs="+", required=True, help="bags to pretrain on, or folders of them")
    parser.add_argument("--target", type=Path, nargs="+", required=True, help="bags of the new metals")
    add_training_arguments(parser)
    parser.add_argument("--welds", type=int, nargs="+", default=[1, 4], help="of each material pair (default: 1 4)")
    parser.add_argument("--seeds", type=int, default=3, help="how often, with other splits (default: 3)")
    parser.add_argument("--adapt-steps", type=int, help="of adapting (default: a quarter of the steps)")
    parser.add_argument("--picture", type=Path, help="t-SNE picture to write (needs scikit-learn)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run or continue the study; print a table; write the result file and the picture."""
    from rich.console import Console
    from rich.table import Table

    from msstan_core.errors import InputError
    from msstan_core.recordings.bag_folders import find_bags
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.kept_runs import network_code_sha256, run_names
    from msstan_core.studies.transfer_study import (
        FIGURES,
        PROTOCOL,
        draw_transfer,
        few_welds,
        plan,
        pretrained,
        run_transfer,
        split_welds,
        summarise,
    )
    from msstan_core.training.progress import load_recordings, training_bar

    if arguments.seeds < 1 or min(arguments.welds) < 1:
        raise InputError("--seeds, --welds", "ask for nothing", "one or more of each")
    config = study_config(arguments)
    adapt_steps = max(1, config.steps // 4) if arguments.adapt_steps is None else arguments.adapt_steps
    if adapt_steps < 1:
        raise InputError("--adapt-steps", f"is {adapt_steps}", "one or more")
    for folders in (arguments.source, arguments.target):
        find_bags(folders)  # refuses before the others are read
    console = Console(stderr=True)
    source, target = (
        load_recordings(console, config, folders, arguments.cache) for folders in (arguments.source, arguments.target)
    )
    counts = sorted(set(arguments.welds))
    few_welds(split_welds(source, target, 0), counts[-1])  # refuses before anything is trained
    names = [run_names(side) for side in (source, target)]
    recipe = {
        "configuration": config.model_dump(mode="json"),
        "adapt_steps": adapt_steps,
        "recordings": names,
        "code": network_code_sha256(),
    }
    kept = kept_beside(arguments.json, recipe)
    models = arguments.json.with_name(arguments.json.name + ".models") / network_code_sha256()[:12]
    planned = plan(arguments.seeds, counts)
    limit = TimeLimit(arguments.minutes)
    pairs = [", ".join(sorted({r.material_pair for r in side})) for side in (source, target)]

    def write() -> dict[str, Any]:
        metrics, baselines = summarise(counts, kept)
        write_result(
            arguments.json,
            command=command_of(arguments),
            seeds=sum((p.way == "none") and p in kept for p in planned),
            data=f"{len(source)} source welds ({pairs[0]}), {len(target)} target welds ({pairs[1]})",
            metrics=metrics,
            baselines=baselines,
            details={
                "protocol": PROTOCOL,
                "steps": config.steps,
                "adapt_steps": adapt_steps,
                "clips_per_step": config.clips_per_step,
                **runs_of(planned, kept),
            },
        )
        return {**baselines, **metrics}

    with training_bar(console, "transfer") as bar:
        for finished in run_transfer(
            config,
            adapt_steps,
            lambda seed: split_welds(source, target, seed),
            planned,
            kept,
            models,
            lambda what, step, steps, loss: bar(step, steps, loss),
        ):
            figures = kept[finished]
            console.print(
                f"{finished.way}, {finished.welds} welds, seed {finished.seed}: F1 {figures['action_macro_f1']:.3f}",
                highlight=False,
            )
            write()
            if limit.over:
                break
    table = write()
    if arguments.picture is not None:
        welds = split_welds(source, target, 0)
        draw_transfer(pretrained(config.model_copy(update={"seed": 0}), welds, models), welds, arguments.picture)
    shown = Table("", *FIGURES, "gain of macro-F1", "against scratch")
    for name, row in table.items():
        if FIGURES[0] not in row:
            continue
        changes = [row.get(f"{key}_{FIGURES[0]}") for key in ("gain", "against_scratch")]
        shown.add_row(
            name,
            *(f"{row[f]['mean']:.3f} ± {row[f]['std']:.3f}" for f in FIGURES),
            *("" if c is None else f"{c['mean']:+.3f} ± {c['std']:.3f}" for c in changes),
        )
    console.print(shown)
    print_state(arguments.json, planned, kept, "runs")
    return 0
