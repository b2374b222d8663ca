"""Ablation and transfer studies: who teaches and who judges, exact resume, and differences taken seed by seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from training_examples import random_recording, without_labels

from msstan_core.errors import InputError
from msstan_core.studies import ablation_study, transfer_study
from msstan_core.studies.kept_runs import KeptRuns
from msstan_core.studies.transfer_study import few_welds, run_transfer, split_welds
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording
from msstan_core.training.splits import leave_metals_out, parse_metals

MODEL = {
    "pretrained": False,
    "width": 16,
    "attention_heads": 2,
    "windows": (2, 5),
    "inputs": {"camera_px": 32, "thermal_px": 16},
}
CONFIG = TrainingConfig(steps=2, clips_per_step=2, clip_ticks=8, model=MODEL)


def weld(seed: int, first: str, second: str) -> Recording:
    recording = random_recording(CONFIG, seed)
    return replace(recording, attributes={"group": str(seed), "material_a": first, "material_b": second})


@pytest.fixture(scope="module")
def source() -> list[Recording]:
    return [weld(seed, "ALUMINIUM", "CARBON_STEEL") for seed in range(4)]


@pytest.fixture(scope="module")
def target() -> list[Recording]:
    return [weld(10 + seed, "MAGNESIUM", "MAGNESIUM") for seed in range(4)]


def figures(f1: float, accuracy: float = 0.5) -> dict[str, Any]:
    return {"action_macro_f1": f1, "action_accuracy": accuracy, "imperfection_auc": float("nan")}


def test_no_weld_teaches_and_judges(source: list[Recording], target: list[Recording]) -> None:
    for seed in range(5):
        welds = split_welds(source, target, seed)
        taught = {r.path for r in (*welds.source, *few_welds(welds, 2))}
        judged = {r.path for r in (*welds.source_test, *welds.test)}
        assert not taught & judged
        assert len(taught | judged) == 8


def test_groups_of_several_welds_stay_on_one_side(source: list[Recording], target: list[Recording]) -> None:
    def grouped(recordings: list[Recording], welds: int) -> list[Recording]:
        return [
            replace(r, path=Path(f"{r.path}-{n}"), attributes={**r.attributes, "group": r.group})
            for r in recordings
            for n in range(welds)
        ]

    for seed in range(5):
        welds = split_welds(grouped(source, 2), grouped(target, 3), seed)
        taught = {r.group for r in (*welds.source, *few_welds(welds, 6))}
        judged = {r.group for r in (*welds.source_test, *welds.test)}
        assert not taught & judged and len(taught | judged) == 8
        assert len(welds.source) == 6 and len(welds.test) == 6
    copper = [replace(r, attributes={**r.attributes, "material_a": "copper"}) for r in target]
    with pytest.raises(InputError, match=r"the group 1[0-3] holds welds of several material pairs"):
        for seed in range(9):
            split_welds(source, [*target, *copper], seed)


def test_what_cannot_be_split_is_one_line(source: list[Recording], target: list[Recording]) -> None:
    with pytest.raises(InputError, match="aluminium"):
        split_welds(source, [*target, source[0]], 0)
    with pytest.raises(InputError, match="--source"):
        split_welds(source[:3], target, 0)
    with pytest.raises(InputError, match="--target"):
        split_welds(source, target[:1], 0)
    with pytest.raises(InputError, match="--welds"):
        few_welds(split_welds(source, target, 0), 3)
    with pytest.raises(InputError, match="no labelled tick"):
        few_welds(split_welds(source, [without_labels(r) for r in target], 0), 1)


def test_metals_left_out_are_in_no_training_weld(source: list[Recording], target: list[Recording]) -> None:
    unseen = parse_metals("magnesium, copper", "--unseen")
    training, test = leave_metals_out([*source, *target], unseen, "--unseen")
    assert {r.material_pair for r in training} == {"aluminium+carbon_steel"}
    assert {r.material_pair for r in test} == {"magnesium"}
    with pytest.raises(InputError, match="no recording for training"):
        leave_metals_out(target, {"magnesium"}, "--unseen")
    with pytest.raises(InputError, match="no recording for test"):
        leave_metals_out(target, {"copper"}, "--unseen")
    with pytest.raises(InputError, match="--unseen: knows no metal 'unobtainium'"):
        parse_metals("unobtainium", "--unseen")


def test_an_interrupted_study_ends_with_the_same_figures(
    source: list[Recording], target: list[Recording], tmp_path: Path
) -> None:
    def run(folder: Path, at_once: int) -> KeptRuns:
        planned = transfer_study.plan(1, [1])
        for _ in range(0, len(planned), at_once):
            kept = KeptRuns(folder / "runs.jsonl", {"steps": 2})
            runs = run_transfer(CONFIG, 1, lambda seed: split_welds(source, target, seed), planned, kept, folder)
            for _, _ in zip(range(at_once), runs, strict=False):
                pass
            runs.close()  # type: ignore[attr-defined]
        return KeptRuns(folder / "runs.jsonl", {"steps": 2})

    whole, broken = run(tmp_path / "whole", 4), run(tmp_path / "broken", 1)
    assert len(whole) == 4
    for planned in transfer_study.plan(1, [1]):
        assert str(whole[planned]) == str(broken[planned])  # NaN equals NaN


def test_differences_of_transfer_are_taken_seed_by_seed(tmp_path: Path) -> None:
    kept = KeptRuns(tmp_path / "runs.jsonl", {})
    for seed, (source_f1, before, scratch, adapted) in enumerate([(0.9, 0.5, 0.4, 0.7), (0.8, 0.6, 0.5, 0.6)]):
        kept.add(("none", 0, seed), {**figures(before, before), "source": figures(source_f1, source_f1)})
        kept.add(("scratch", 2, seed), figures(scratch, scratch))
        kept.add(("all", 2, seed), figures(adapted, adapted))
    kept.add(("all", 2, 7), figures(1.0, 1.0))  # its seed has nothing to compare with
    metrics, baselines = transfer_study.summarise([2], kept)
    assert metrics["accuracy_drop"] == pytest.approx({"mean": 0.3, "std": 0.1})
    assert metrics["gain"] == pytest.approx({"mean": 0.1, "std": 0.1})
    assert metrics["against_scratch"] == pytest.approx({"mean": 0.2, "std": 0.1})
    assert metrics["adapted all weights, 2 welds"]["gain_action_macro_f1"]["mean"] == pytest.approx(0.1)
    assert baselines["from scratch, 2 welds"]["action_accuracy"]["mean"] == pytest.approx(0.45)


def test_change_of_an_ablation_is_against_its_reference(tmp_path: Path) -> None:
    kept = KeptRuns(tmp_path / "runs.jsonl", {})
    for seed, (full, without) in enumerate([(0.6, 0.5), (0.7, 0.7)]):
        kept.add(("full", seed), {**figures(full), "frames_looked_at": 1.0, "train_cpu_s": 2.0})
        kept.add(("without_x", seed), {**figures(without), "frames_looked_at": 1.0, "train_cpu_s": 1.0})
    table = ablation_study.summarise({"full": CONFIG, "without_x": CONFIG}, kept)
    assert table["without_x"]["change_action_macro_f1"] == pytest.approx({"mean": -0.05, "std": 0.05})
    assert "change_action_macro_f1" not in table["full"]


def test_kept_runs_survive_a_kill_and_refuse_another_recipe(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    KeptRuns(path, {"steps": 2}).add(("a", 0), {"x": 1.0})
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"run": ["a", 1], "fig')
    kept = KeptRuns(path, {"steps": 2})
    kept.add(("a", 1), {"x": 2.0})
    assert [run["x"] for run in KeptRuns(path, {"steps": 2}).matching("a")] == [1.0, 2.0]
    with pytest.raises(InputError, match="steps"):
        KeptRuns(path, {"steps": 3})
