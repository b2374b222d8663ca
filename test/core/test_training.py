"""Training gives a model folder that the monitor can run, and whose figures are those of the network."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_welds import CONFIG, sound_bags, sound_recordings, write_weld

from msstan_core.alignment import ticks_of
from msstan_core.cli import main
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.inference.model_package import load_package
from msstan_core.recordings.bag import BagReader
from msstan_core.recordings.bag_folders import find_bags
from msstan_core.training.network_runs import run_network
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import train
from msstan_core.training.transfer import initial_weights
from msstan_core.vocabulary import ACTIONS, MODALITIES, Action


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound_bags(tmp_path_factory)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return sound_recordings(tmp_path_factory)


@pytest.fixture(scope="module")
def model_dir(bags: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    config = folder / "config.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json")), encoding="utf-8")
    assert main(["train", str(config), "--data", str(bags), "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_unlabelled_data_is_refused(recordings: list[Recording]) -> None:
    bare = [replace(r, features=replace(r.features, action=np.full_like(r.features.action, -1))) for r in recordings]
    with pytest.raises(InputError, match="no labelled tick"):
        train(CONFIG, bare)


def test_trained_model_tells_arc_from_silence_on_an_unseen_weld(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_weld(tmp_path / "unseen", seed=99, group="other")
    write_weld(tmp_path / "unlabelled", seed=98, group="other")
    (tmp_path / "unlabelled" / "annotations.csv").unlink()
    where = ["--data", str(tmp_path), "--json", str(tmp_path / "out.json"), "--pictures", str(tmp_path / "pictures")]
    assert main(["evaluate", str(model_dir), *where, "--modalities", "acoustic,telemetry", "--subsets"]) == 0
    assert "1 of 2 bags have no action labels, or nothing of these modalities: left out" in capsys.readouterr().err
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["command"] == (
        f"msstan evaluate out --data {tmp_path.name} --json out.json --pictures pictures "
        "--modalities acoustic,telemetry --subsets"
    )
    assert result["metrics"]["accuracy"]["mean"] > 0.85
    assert result["metrics"]["action_accuracy"]["mean"] == result["metrics"]["accuracy"]["mean"]
    assert result["metrics"]["imperfection_f1"]["mean"] is None
    assert result["details"]["by_subset"]["acoustic only"]["action_accuracy"]["mean"] > 0.85
    assert {p.name for p in (tmp_path / "pictures").iterdir()} == {"reliability.png", "confusion.png", "embeddings.png"}


def test_bags_for_calibration_are_held_out_and_belong_to_no_group_that_is_trained_on(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json") | {"steps": 2}), encoding="utf-8")
    command = ["train", str(config), "--data", str(bags), "--out", str(tmp_path / "out"), "--calibration"]
    assert main([*command, str(find_bags([bags])[0])]) != 0
    assert "--calibration: shares the group cell0 with --data" in capsys.readouterr().err
    renamed = tmp_path / "renamed" / "weld"
    shutil.copytree(find_bags([bags])[0], renamed)
    metadata = (renamed / "metadata.yaml").read_text(encoding="utf-8")
    (renamed / "metadata.yaml").write_text(metadata.replace("cell0", "another cell"), encoding="utf-8")
    assert main([*command, str(renamed)]) != 0
    assert f"{renamed}: is a copy of {bags / 'weld0'}" in capsys.readouterr().err
    write_weld(tmp_path / "apart" / "weld", seed=9, group="another cell")
    assert main([*command, str(tmp_path / "apart")]) == 0
    card = load_package(tmp_path / "out").card
    assert card.metrics["held_out_recordings"] == 1 and card.held_out_groups == ("another cell",)


def test_what_a_model_has_learnt_from_does_not_calibrate_the_one_that_begins_with_it(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    settings = CONFIG.model_dump(mode="json") | {"steps": 1, "validation_share": 0.3}
    config.write_text(json.dumps(settings), encoding="utf-8")
    for seed in range(4):
        write_weld(tmp_path / "old" / f"weld{seed}", seed=seed, group=f"old{seed}")
        write_weld(tmp_path / "new" / f"weld{seed}", seed=9 + seed, group=f"new{seed}")
    old, new, first = str(tmp_path / "old"), str(tmp_path / "new"), str(tmp_path / "first")
    assert main(["train", str(config), "--data", old, "--out", first]) == 0
    card = load_package(tmp_path / "first").card
    assert card.held_out_groups is not None and card.trained_groups is not None
    assert sorted([*card.held_out_groups, *card.trained_groups]) == [f"old{seed}" for seed in range(4)]
    went_on = ["train", str(config), "--from", first, "--out", str(tmp_path / "second"), "--data"]
    taught = tmp_path / "old" / card.trained_groups[0].replace("old", "weld")
    assert main([*went_on, new, "--calibration", str(taught)]) == 1
    assert f"--calibration: holds the group {card.trained_groups[0]}, from which" in capsys.readouterr().err
    four = [str(tmp_path / "old" / group.replace("old", "weld")) for group in card.trained_groups]
    assert main([*went_on, *four]) == 1
    assert "validation_share: 0.3: holds out nothing:" in capsys.readouterr().err
    assert main([*went_on, old, new]) == 0
    second = load_package(tmp_path / "second").card
    assert second.trained_groups is not None and second.held_out_groups is not None
    assert set(card.trained_groups) < set(second.trained_groups)
    assert not set(card.trained_groups) & set(second.held_out_groups) and len(second.held_out_groups) == 2
    assert main(["evaluate", first, "--data", old, "--json", str(tmp_path / "out.json")]) == 0
    warned = " ".join(capsys.readouterr().err.split())
    assert "3 of 4 bags are of groups that a model learnt from" in warned
    assert "1 of 4 bags are of groups that a model was calibrated on" in warned
    details = json.loads((tmp_path / "out.json").read_text())["details"]
    assert (details["learnt_from"], details["calibrated_on"]) == (3, 1)


def test_metals_that_are_left_out_are_in_no_part_of_the_training(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json") | {"steps": 2}), encoding="utf-8")
    copper = {"material_a": "copper", "material_b": "stainless_steel"}
    write_weld(tmp_path / "apart" / "copper", seed=8, group="copper", **copper)
    command = ["train", str(config), "--leave-out", "copper", "--out", str(tmp_path / "out"), "--data"]
    assert main([*command, str(tmp_path / "apart")]) != 0
    assert "--leave-out: leaves no recording for training; the data has copper+stainless" in capsys.readouterr().err
    write_weld(tmp_path / "apart" / "steel", seed=9, group="steel", material_a="carbon_steel")
    assert main([*command, str(bags), "--calibration", str(tmp_path / "apart")]) != 0
    assert "weld0: does not say its metals, which --leave-out asks for" in capsys.readouterr().err
    for seed in range(2):
        write_weld(tmp_path / "known" / f"steel{seed}", seed=seed, group=f"cell{seed}", material_a="carbon_steel")
    assert main([*command, str(tmp_path / "known"), "--calibration", str(tmp_path / "apart")]) == 0
    card = load_package(tmp_path / "out").card
    assert card.metrics["held_out_recordings"] == 1 and card.held_out_groups == ("steel",)


def test_a_model_without_a_second_opinion_can_be_given_one(bags: Path, tmp_path: Path) -> None:
    without = CONFIG.model_dump(mode="json") | {"steps": 2, "model": {**CONFIG.model, "measured_imperfections": False}}
    (tmp_path / "config.yaml").write_text(json.dumps(without), encoding="utf-8")
    assert main(["train", str(tmp_path / "config.yaml"), "--data", str(bags), "--out", str(tmp_path / "out")]) == 0
    assert CONFIG.model_config_of_size().measured_imperfections
    assert initial_weights(tmp_path / "out", CONFIG).measured_imperfections is None


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_monitor_over_a_bag_equals_the_unrolled_network(
    model_dir: Path, recordings: list[Recording], backend: str
) -> None:
    monitor = Monitor.load(model_dir, backend=backend, smoothing=False)  # type: ignore[arg-type]
    card = monitor.info.card
    with BagReader(recordings[0].path) as reader:
        decisions = [monitor.step(tick) for tick in ticks_of(reader.samples(frozenset(MODALITIES)))]
    live = np.stack([d.raw_action_probabilities for d in decisions])
    from msstan_core.decision.probabilities import action_probabilities
    from msstan_core.inference.engine import TorchEngine

    model = TorchEngine(load_package(model_dir)).model
    trained = np.array([a in card.actions for a in ACTIONS])
    logits = run_network(model, recordings[0]).action_logits.numpy()
    # The recording's features are kept in half precision; the live ones are not.
    np.testing.assert_allclose(live, action_probabilities(logits, card.action_scale, trained), atol=5e-3)


def test_replay_follows_the_csv_contract(model_dir: Path, bags: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert main(["replay", str(bags / "weld0"), "--csv", str(out), "--model", str(model_dir)]) == 0
    header, *rows = out.read_text().splitlines()
    columns = header.split(",")
    assert columns[:4] == ["time_s", "action", "action_probability", "p_IDLE"]
    for name in ("p_COOLING", "anomaly_score", "anomaly_threshold", "p_2017", "w_camera", "w_telemetry", "latency_ms"):
        assert name in columns
    assert len(rows) == pytest.approx(250, abs=5)
    row = dict(zip(columns, rows[100].split(","), strict=True))
    assert row["action"] in Action.__members__
    assert float(row["w_acoustic"]) == pytest.approx(1.0)
    assert row["p_602"] == "nan", "an untrained imperfection makes no statement"


def test_tampered_weights_are_refused(model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(model_dir, broken, ignore=shutil.ignore_patterns("features"))
    content = bytearray((broken / "step.onnx").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (broken / "step.onnx").write_bytes(bytes(content))
    assert main(["replay", "nowhere", "--csv", str(tmp_path / "o.csv"), "--model", str(broken)]) == 1
    assert "sha256" in capsys.readouterr().err
