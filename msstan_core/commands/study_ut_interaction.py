"""``msstan study ut-interaction``: the camera path on a public set of human interactions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from msstan_core.commands.training_study import add_json_and_cache, kept_beside


def register(studies: Any) -> None:
    """Add the study."""
    parser = studies.add_parser(
        "ut-interaction",
        help="recognise the six interactions of UT-Interaction set 1, leave-one-sequence-out",
        description="Camera head, spatial attention, fusion, temporal convolution and attention of MS-STAN on features "
        "of its frozen backbone, with a head for six interactions. What networks read (appearance less its mean over "
        "the clip, motion as frame differences, or optical flow), how they are regularised and which are averaged is "
        "chosen by inner folds of the training sequences, never by the sequence left out. Features and finished runs "
        "are kept: an interrupted study goes on when the same command is given again.",
        epilog="Example: msstan study ut-interaction DATA/ut_interaction --json docs/results/ut_interaction.json",
    )
    parser.add_argument("data", type=Path, help="folder with set1.csv (file, sequence, label) and set1/*.avi")
    add_json_and_cache(parser)
    parser.add_argument("--seeds", type=int, default=5, help="trainings a fold (default: 5)")
    parser.add_argument("--steps", type=int, default=120, help="of each training (default: 120)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run or continue the study; write the result file."""
    import hashlib
    from dataclasses import asdict

    from rich.console import Console

    from msstan_core.errors import InputError
    from msstan_core.results import command_of, write_result
    from msstan_core.studies.interaction_clips import read_clips
    from msstan_core.studies.interaction_network import Recipe, candidates
    from msstan_core.studies.interaction_study import INNER_FOLDS, MOST_MEMBERS, TRAININGS, run_folds, summarise
    from msstan_core.studies.kept_runs import interaction_code_sha256
    from msstan_core.training.progress import counting_bar

    if arguments.seeds < 1 or arguments.steps < 2:
        raise InputError("--seeds, --steps", "ask for nothing", "one seed and two steps or more")
    console = Console(stderr=True)
    with counting_bar(console, "features of clips") as bar:
        clips = read_clips(arguments.data, arguments.cache, bar, None)
    recipe = Recipe(steps=arguments.steps)
    grid = {name: asdict(own) for name, own in candidates(recipe).items()}
    chosen_from = {
        "candidates": grid,
        "inner_folds": INNER_FOLDS,
        "most_members": MOST_MEMBERS,
        "trainings": TRAININGS,
    }
    clip_names = [[c.file, c.sequence, c.label, hashlib.sha256(c.maps.tobytes()).hexdigest()[:12]] for c in clips]
    head = {**chosen_from, "clips": clip_names, "code": interaction_code_sha256()}
    kept = kept_beside(arguments.json, head)
    with counting_bar(console, "sequences left out") as bar:
        run_folds(clips, arguments.seeds, recipe, kept, bar)
    found = summarise(clips, arguments.seeds, recipe, kept)
    baselines = found["baselines"]
    write_result(
        arguments.json,
        command=command_of(arguments),
        seeds=arguments.seeds,
        data=f"UT-Interaction set 1: {len(clips)} clips, leave-one-sequence-out",
        metrics={k: found[k] for k in ("accuracy", "accuracy_of_averaged_seeds")},
        baselines={f"logistic_regression_{name}": {"accuracy": reached} for name, reached in baselines.items()},
        details={**{k: found[k] for k in ("by_action", "chosen", "inner_loss")}, "chosen_from": chosen_from},
    )
    accuracy = found["accuracy"]
    beside = ", ".join(f"{name} {reached:.3f}" for name, reached in baselines.items())
    print(f"{arguments.json}: accuracy {accuracy['mean']:.3f} ± {accuracy['std']:.3f}, logistic regression on {beside}")
    return 0
