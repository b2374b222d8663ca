"""The comparison: grouped folds, runs that are kept and resumed, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from watched_welds import CONFIG, WELDS

from msstan_core.errors import InputError
from msstan_core.studies.peer_comparison import Protocol, Run, RunFile, carry_out, missing_runs
from msstan_core.studies.peer_results import ahead_of, figures_of
from msstan_core.studies.peer_splits import grouped_folds, material_pair


def test_folds_leave_out_whole_groups_and_keep_the_largest() -> None:
    recordings = [w.recording for w in WELDS]
    folds = grouped_folds(recordings, material_pair, 2, keep_largest=True)
    assert folds == [frozenset({"aluminium+steel"}), frozenset({"copper+nickel"})]
    everything = grouped_folds(recordings, material_pair, 2, keep_largest=False)
    assert frozenset.union(*everything) == {"aluminium+steel", "copper+nickel", "steel"}
    with pytest.raises(InputError, match="groups to leave out"):
        grouped_folds(recordings, material_pair, 4, keep_largest=False)


def protocol(budget_s: float = 1.0) -> Protocol:
    recordings = [w.recording for w in WELDS]
    return Protocol.of("unseen_materials", recordings, material_pair, 2, budget_s, 5, CONFIG)


def test_run_is_kept_and_not_repeated_but_another_protocol_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    file = RunFile(path, protocol())
    one_seed: Callable[[str], int] = lambda entrant: 1  # noqa: E731
    missing = list(missing_runs(file, ["frame_linear", "telemetry_mlp"], one_seed, 2))
    assert missing == [("frame_linear", 0, 0), ("telemetry_mlp", 0, 0), ("frame_linear", 0, 1), ("telemetry_mlp", 0, 1)]
    run = carry_out(("frame_linear", 0, 0), replace(protocol(), budget_s=0.01), CONFIG, WELDS, material_pair, 100.0)
    assert run.figures["pace_ticks"] == 3
    assert "phase_macro_f1" not in run.figures
    file.add(run)
    again = RunFile(path, protocol())
    assert again.runs == [run]
    assert ("frame_linear", 0, 0) not in list(missing_runs(again, ["frame_linear"], one_seed, 2))
    other = RunFile(path, protocol(budget_s=2.0))
    assert (other.runs, other.others) == ([], 1)
    labels = WELDS[0].recording.features.action.copy()
    labels[0] = (labels[0] + 1) % 3
    relabelled = replace(WELDS[0].recording, features=replace(WELDS[0].recording.features, action=labels))
    recordings = [relabelled, *(w.recording for w in WELDS[1:])]
    changed = Protocol.of("unseen_materials", recordings, material_pair, 2, 1.0, 5, CONFIG)
    assert RunFile(path, changed).runs == [], "as many ticks, other labels"


def test_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text('{"run": 3}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"runs.jsonl:1"):
        RunFile(path, protocol())


def test_spread_is_over_seeds_not_over_folds() -> None:
    values = {(0, 0): 0.2, (0, 1): 0.4, (1, 0): 0.4, (1, 1): 0.6}
    runs = [Run("gru", seed, fold, {"accuracy": v}, 3, 1.0) for (seed, fold), v in values.items()]
    assert figures_of(runs)["accuracy"] == {"mean": 0.4, "std": 0.1}


def test_who_is_ahead_of_ms_stan_is_said_by_shared_folds_only() -> None:
    runs = [Run("ms_stan", 0, 0, {"accuracy": 0.5, "ece": 0.1}, 3, 1.0)]
    runs += [Run("ms_stan", 0, 1, {"accuracy": 0.9, "ece": 0.1}, 3, 1.0)]
    runs += [Run("gru", 0, 0, {"accuracy": 0.6, "ece": 0.2}, 3, 1.0)]  # ahead on its fold, behind MS-STAN's mean
    runs += [Run("tick_mlp", 0, 0, {"accuracy": 0.4, "ece": 0.05}, 3, 1.0)]
    ahead = ahead_of(runs, ("accuracy", "ece", "not_a_figure"))
    assert set(ahead) == {"accuracy", "ece"}
    assert ahead["accuracy"].startswith("GRU over features") and "MLP" not in ahead["accuracy"]
    assert "MLP 0.050" in ahead["ece"] and "GRU" not in ahead["ece"]


def test_result_of_an_unfinished_comparison_is_json(tmp_path: Path) -> None:
    from msstan_core.studies.peer_results import content

    file = RunFile(tmp_path / "runs.jsonl", protocol())
    file.add(Run("ms_stan", 0, 0, {"accuracy": 0.5, "imperfection_map": float("nan")}, 3, 1.0))
    file.add(Run("svm_hog", 0, 0, {"accuracy": 0.4, "imperfection_map": float("nan")}, 3, 1.0))
    found = json.loads(json.dumps(content([(protocol(), file)], {"svm_hog": 1.2}), allow_nan=False))
    assert found["metrics"]["accuracy"]["mean"] == 0.5
    assert found["baselines"]["SVM+HOG"]["unseen_materials"]["update_ms"] == {"p50": 1.2}
    assert "imperfection_map" not in found["metrics"]
