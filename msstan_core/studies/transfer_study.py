"""What a model of some metals is worth on others: as it is, adapted on few labelled welds, and against from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from msstan_core.errors import InputError
from msstan_core.model.ms_stan import MsStan
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.studies.kept_runs import KeptRuns
from msstan_core.studies.recognition import over_seeds, recognition
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.network_runs import run_network
from msstan_core.training.recording_features import Recording
from msstan_core.training.semi_supervised import is_labelled
from msstan_core.training.trainer import train
from msstan_core.training.transfer import adapt
from msstan_core.vocabulary import ACTIONS

FIGURES = ("action_macro_f1", "action_accuracy", "imperfection_auc")
PROTOCOL = (
    "Per seed: half of the groups of welds of each material, drawn anew, are for adapting and the other half judge, so "
    "that no group does both; a quarter of the source groups judge the source. Pretrained on the other source welds, "
    "then adapted to the first N target welds of each material pair. From scratch sees the same N welds for as many "
    "steps as pretraining and adapting have together. Figures are of single ticks without action filter or threshold. "
    "accuracy_drop: source less target, not adapted. gain: adapted less not adapted. against_scratch: adapted less "
    "from scratch. Nothing is tuned on the target."
)
#: How adapting can go; "scratch" starts from random weights instead.
WAYS = ("all", "head", "scratch")


class Welds(NamedTuple):
    """The recordings of one seed."""

    source: list[Recording]  #: to pretrain on
    source_test: list[Recording]
    adapting: dict[str, list[Recording]]  #: material pair -> in the order in which they are taken
    test: list[Recording]


class Planned(NamedTuple):
    """One training on target welds; ``way`` "none" is the pretrained network as it is."""

    way: str
    welds: int  #: of each material pair
    seed: int


def split_welds(source: Sequence[Recording], target: Sequence[Recording], seed: int) -> Welds:
    """Who teaches and who judges: no group of recordings does both.

    Raises:
        InputError: with fewer than four groups of source welds or two of target welds of a material pair, or a pair on
            both sides.
    """
    pairs: dict[str, list[Recording]] = {}
    for recording in target:
        pairs.setdefault(recording.material_pair, []).append(recording)
    if shared := {r.material_pair for r in source} & set(pairs):
        raise InputError("--target", f"holds {', '.join(sorted(shared))}, which --source holds", "give other metals")
    rng = np.random.default_rng(seed)
    shuffled = _shuffled_groups(source, rng)
    if len(shuffled) < 4:
        raise InputError("--source", f"holds {len(shuffled)} groups of welds", "four or more are needed")
    judging = max(1, len(shuffled) // 4)
    adapting: dict[str, list[Recording]] = {}
    test: list[Recording] = []
    for name in sorted(pairs):
        groups = _shuffled_groups(pairs[name], rng)
        if len(groups) < 2:
            raise InputError("--target", f"holds one group of {name}", "two or more of each material pair are needed")
        adapting[name] = _welds_of(groups[: len(groups) // 2])
        test += _welds_of(groups[len(groups) // 2 :])
    if shared := {r.group for welds in adapting.values() for r in welds} & {r.group for r in test}:
        problem = f"the group {min(shared)} holds welds of several material pairs"
        raise InputError("--target", problem, "give welds whose groups are of one pair each")
    return Welds(_welds_of(shuffled[judging:]), _welds_of(shuffled[:judging]), adapting, test)


def _shuffled_groups(recordings: Sequence[Recording], rng: np.random.Generator) -> list[list[Recording]]:
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)
    found = list(groups.values())
    return [found[i] for i in rng.permutation(len(found))]


def _welds_of(groups: Sequence[Sequence[Recording]]) -> list[Recording]:
    return [recording for group in groups for recording in group]


def few_welds(welds: Welds, count: int) -> list[Recording]:
    """The first ``count`` welds of each material pair.

    Raises:
        InputError: when there are not as many.
    """
    for name, found in welds.adapting.items():
        if len(found) < count:
            raise InputError("--welds", f"asks for {count} welds; {name} has {len(found)} to adapt to", "ask for fewer")
    chosen = [r for found in welds.adapting.values() for r in found[:count]]
    if not any(is_labelled(r) for r in chosen):
        raise InputError("--target", "has no labelled tick in the welds to adapt to", "annotate some")
    return chosen


def plan(seeds: int, counts: Sequence[int]) -> list[Planned]:
    """Seed by seed: as it is, then every way with every number of welds."""
    return [
        planned
        for seed in range(seeds)
        for planned in (
            Planned("none", 0, seed),
            *(Planned(way, count, seed) for count in counts for way in WAYS),
        )
    ]


def run_transfer(
    config: TrainingConfig,
    adapt_steps: int,
    welds_of: Callable[[int], Welds],
    planned: Sequence[Planned],
    kept: KeptRuns,
    models: Path,
    progress: Callable[[str, int, int, float], None] = lambda what, step, steps, loss: None,
) -> Iterator[Planned]:
    """Do what is not kept yet; yields each run when it is kept.

    Args:
        config: of pretraining. adapt_steps: how many. welds_of: seed -> its split. planned: which runs.
        kept: finished runs. models: folder for the pretrained networks, one a seed, each resumed where it was.
        progress: called with (what, step, steps, loss).
    """
    for run in planned:
        if run in kept:
            continue
        welds = welds_of(run.seed)
        seeded = config.model_copy(update={"seed": run.seed})

        def step_done(step: int, steps: int, loss: float, run: Planned = run) -> None:
            progress(f"{run.way}/{run.welds}/{run.seed}", step, steps, loss)

        if run.way == "scratch":
            longer = seeded.model_copy(update={"steps": config.steps + adapt_steps})
            model = train(longer, few_welds(welds, run.welds), progress=step_done).model
        else:
            model = pretrained(seeded, welds, models, step_done)
            if run.way != "none":
                few = few_welds(welds, run.welds)
                model = adapt(model, seeded, few, part=run.way, steps=adapt_steps).model
        figures: dict[str, Any] = {**recognition(model, welds.test)}
        if run.way == "none":
            figures["source"] = recognition(model, welds.source_test)
        kept.add(run, figures)
        yield run


def pretrained(
    config: TrainingConfig,
    welds: Welds,
    models: Path,
    progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> MsStan:
    """The network of the source welds; read back from its checkpoint when it has been trained before."""
    return train(config, welds.source, models / f"seed{config.seed}", progress=progress).model


def summarise(counts: Sequence[int], kept: KeptRuns) -> tuple[dict[str, Any], dict[str, Any]]:
    """(metrics, baselines) over seeds; a difference is taken seed by seed.

    ``accuracy_drop``, ``gain`` and ``against_scratch`` are of the action accuracy, with all weights adapted to the most
    welds; every other figure stands with its number of welds.
    """
    before = {seed: kept["none", 0, seed] for seed in _seeds(kept, "none", 0)}
    source = {seed: run["source"] for seed, run in before.items()}
    metrics: dict[str, Any] = {"accuracy_drop": _change(source, before, FIGURES[1])}
    baselines: dict[str, Any] = {"source metals": _row(source), "new metals, not adapted": _row(before)}
    rows: dict[str, Any] = {}
    for count in counts:
        scratch = {seed: kept["scratch", count, seed] for seed in _seeds(kept, "scratch", count)}
        baselines[f"from scratch, {count} welds"] = _row(scratch)
        for way in WAYS[:2]:
            adapted = {seed: kept[way, count, seed] for seed in _seeds(kept, way, count)}
            row: dict[str, Any] = _row(adapted)
            for name, others in (("gain", before), ("against_scratch", scratch)):
                row |= {f"{name}_{figure}": _change(adapted, others, figure) for figure in FIGURES}
                if way == "all":
                    metrics[name] = row[f"{name}_{FIGURES[1]}"]
            if way == "all":
                metrics["scratch"] = baselines[f"from scratch, {count} welds"][FIGURES[1]]
            rows[f"adapted {'all weights' if way == 'all' else 'heads only'}, {count} welds"] = row
    return {**metrics, **rows}, baselines


def _row(runs: dict[int, dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {figure: over_seeds(list(runs.values()), figure) for figure in FIGURES}


def _change(ours: dict[int, dict[str, Any]], others: dict[int, dict[str, Any]], figure: str) -> dict[str, float]:
    pairs = [{figure: run[figure] - others[seed][figure]} for seed, run in ours.items() if seed in others]
    return over_seeds(pairs, figure)


def _seeds(kept: KeptRuns, way: str, count: int) -> list[int]:
    return [seed for seed in range(1000) if (way, count, seed) in kept]


def draw_transfer(model: MsStan, welds: Welds, path: Path, most: int = 1500) -> None:
    """t-SNE of what the network makes of source and target welds that judge, by material pair and by action.

    Raises:
        InputError: where scikit-learn is not installed, or there are too few ticks.
    """
    from msstan_core.evaluation.pictures import draw_tsne
    from msstan_core.explain.overlay import colour_of

    recordings = [*welds.source_test, *welds.test]
    each = max(1, most // len(recordings))
    embeddings, actions, materials = [], [], []
    for recording in recordings:
        labels = recording.features.action
        rows = np.flatnonzero(labels != UNLABELLED)
        rows = rows[:: max(1, -(-len(rows) // each))]
        embeddings.append(run_network(model, recording).embedding.numpy()[rows])
        actions += [_spoken(ACTIONS[int(labels[row])].name) for row in rows]
        materials += [_spoken(recording.material_pair)] * len(rows)
    palette = {_spoken(a.name): colour_of(a) for a in ACTIONS}
    draw_tsne(np.concatenate(embeddings), {"material pair": materials, "action": actions}, path, palette)


def _spoken(name: str) -> str:
    return name.replace("_", " ").lower()
