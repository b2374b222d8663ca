"""What each mechanism of the network is worth: every ablation trained alike and judged on metals it has never seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msstan_core.studies.kept_runs import KeptRuns
from msstan_core.studies.recognition import over_seeds, recognition
from msstan_core.training.ablations import FULL, PLAIN
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import train

FIGURES = ("action_macro_f1", "action_accuracy", "imperfection_auc")
PROTOCOL = (
    "One training per ablation and seed: equal steps, clips and recordings, no tuning, the last weights. Figures are "
    "of single ticks without action filter or threshold, over all labelled ticks of the welds whose metals are in no "
    "training weld. change_: the ablation less its reference (full for without_*, plain for with_*), seed by seed."
)


class Planned(NamedTuple):
    """One training."""

    ablation: str
    seed: int


def plan(configs: Mapping[str, TrainingConfig], seeds: int, seeds_of_with: int) -> list[Planned]:
    """Seed by seed, references first: what an interrupted study has kept can be compared.

    Args:
        configs: of load_ablations. seeds: of full and without_*; seeds_of_with: of plain and with_*.
    """
    planned = []
    for seed in range(max(seeds, seeds_of_with)):
        without = [FULL, *(n for n in configs if n.startswith("without_"))] if seed < seeds else []
        added = [PLAIN, *(n for n in configs if n.startswith("with_"))] if seed < seeds_of_with else []
        planned += [Planned(name, seed) for name in (*without, *added)]
    return planned


def features_source(configs: Mapping[str, TrainingConfig], name: str) -> str:
    """The ablation whose features ``name`` can be trained on: equal backbone and inputs, with thumbnails if any has."""

    def read(config: TrainingConfig) -> tuple[object, ...]:
        model = config.model_config_of_size()
        return model.inputs, model.backbone_blocks, model.pretrained

    same = [other for other in configs if read(configs[other]) == read(configs[name])]
    return next((other for other in same if configs[other].model_config_of_size().uses_thumbnail), name)


def run_ablations(
    configs: Mapping[str, TrainingConfig],
    planned: Sequence[Planned],
    recordings: Callable[[str], tuple[Sequence[Recording], Sequence[Recording]]],
    kept: KeptRuns,
    progress: Callable[[Planned, int, int, float], None] = lambda run, step, steps, loss: None,
) -> Iterator[Planned]:
    """Train and judge what is not kept yet; yields each run when it is kept.

    Args:
        configs: by ablation. planned: which runs. recordings: ablation -> (training, test). kept: finished runs.
        progress: called with (run, step, steps, loss).
    """
    for run in planned:
        if run in kept:
            continue
        training, test = recordings(run.ablation)

        def step_done(step: int, steps: int, loss: float, run: Planned = run) -> None:
            progress(run, step, steps, loss)

        started, used = time.monotonic(), time.process_time()
        config = configs[run.ablation].model_copy(update={"seed": run.seed})
        trained = train(config, training, progress=step_done)
        figures: dict[str, Any] = {
            "train_s": round(time.monotonic() - started, 1),
            "train_cpu_s": round(time.process_time() - used, 1),
            "final_loss": trained.final_loss,
        }
        kept.add(run, {**figures, **recognition(trained.model, test)})
        yield run


def summarise(configs: Mapping[str, TrainingConfig], kept: KeptRuns) -> dict[str, dict[str, Any]]:
    """Ablation -> figures over seeds, and their change against the reference of the same seed."""
    table: dict[str, dict[str, Any]] = {}
    for name in configs:
        runs = kept.matching(name)
        if not runs:
            continue
        row: dict[str, Any] = {"seeds": len(runs)}
        for figure in (*FIGURES, "frames_looked_at", "train_cpu_s"):
            row[figure] = over_seeds(runs, figure)
        reference = FULL if name.startswith("without_") else PLAIN
        if name not in (FULL, PLAIN):
            pairs = [
                (kept[name, seed], kept[reference, seed])
                for seed in range(len(runs))
                if (name, seed) in kept and (reference, seed) in kept
            ]
            for figure in FIGURES:
                row[f"change_{figure}"] = over_seeds(
                    [{figure: own[figure] - other[figure]} for own, other in pairs], figure
                )
        table[name] = row
    return table
