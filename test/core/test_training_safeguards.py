"""What training and the studies must not mix up: data, labels, splits, and files of several runs at once."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_examples import recording
from sound_welds import CONFIG, sound_bags, sound_recordings
from training_examples import fake, without_labels

from msstan_core.adaptation import opening
from msstan_core.adaptation.settings import AdaptationSettings
from msstan_core.calibration.anomaly_fitting import nominal_ticks
from msstan_core.cli import main
from msstan_core.commands import evaluate
from msstan_core.commands.study_smoothing import _delay_text
from msstan_core.decision.probabilities import ActionScale
from msstan_core.errors import InputError
from msstan_core.inference.model_package import load_package
from msstan_core.output_files import written_whole
from msstan_core.recordings.annotations import FILE_NAME, UNLABELLED, Annotation, write_annotations
from msstan_core.resources import default_model_dir
from msstan_core.studies import adaptation_domains
from msstan_core.studies.cross_validation import score_of
from msstan_core.studies.fold_streams import streams_of_folds
from msstan_core.studies.kept_runs import run_names
from msstan_core.training.array_file import mapped_arrays
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.early_stopping import EarlyStoppingConfig
from msstan_core.training.metrics import shifted_phase_macro_f1
from msstan_core.training.recording_features import FeatureExtractor, Recording
from msstan_core.vocabulary import ACTIONS, ISO_CODES, Action

SHIPPED = default_model_dir()


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound_bags(tmp_path_factory)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return sound_recordings(tmp_path_factory)


def test_heads_are_taught_without_the_offsets_and_only_the_output_prior_presumes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, np.ndarray] = {}

    def adapter(_guard: object, shares: np.ndarray, *_: object, presumed: np.ndarray) -> None:
        given.update(shares=shares, presumed=presumed)

    monkeypatch.setattr(opening, "Adapter", adapter)
    card = load_package(SHIPPED).card
    opening.open_adapter(SHIPPED, card, "sha", AdaptationSettings())
    np.testing.assert_allclose(given["shares"], np.array(card.action_prior), rtol=1e-4)
    expected = ActionScale(1.0, card.action_offsets).prior_of(np.array(card.action_prior, np.float32))
    np.testing.assert_allclose(given["presumed"], expected, rtol=1e-3)
    assert np.abs(given["presumed"] - given["shares"]).max() > 0.01, "the shipped card has offsets"


def test_a_labelled_imperfection_is_not_nominal_though_its_labels_claim_no_completeness(tmp_path: Path) -> None:
    write_annotations(tmp_path / FILE_NAME, [Annotation(3.0, 6.0, "imperfection", "2011", 0.5)])
    weld = recording("a", path=tmp_path)
    weld.features.imperfection[:] = np.nan
    nominal, time_s = nominal_ticks(weld), weld.features.time_s
    assert not nominal[(time_s >= 3.0) & (time_s < 6.0)].any()
    assert nominal_ticks(recording("a", path=tmp_path / "elsewhere")).all()
    weld.features.imperfection[:, ISO_CODES.index(602)] = 1.0
    assert not nominal_ticks(weld).any()


def test_networks_of_another_split_of_the_same_welds_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def compute(*arguments: object) -> None:
        asked.append(Path(str(arguments[4])).name)
        raise InputError("here", "it would be trained", "")

    monkeypatch.setattr(adaptation_domains, "_compute", compute)
    first, second, third = (recording(name) for name in "abc")
    relabelled = replace(third, source="other labels")
    for home, away in (([first], [second, third]), ([first, second], [third]), ([first, second], [relabelled])):
        with pytest.raises(InputError):
            adaptation_domains.open_domain(CONFIG, home, away, str, tmp_path, lambda *_: None)
    assert len(set(asked)) == 3


def test_two_groups_of_real_runs_leave_nothing_to_adapt_to() -> None:
    with pytest.raises(InputError, match="has 2 groups of real runs"):
        adaptation_domains.split_in_time([recording(name, simulated=False) for name in ("a", "b")])


def test_what_is_not_labelled_has_no_score() -> None:
    score, shift_s = shifted_phase_macro_f1(np.arange(50) * 0.1, np.full(50, -1), np.zeros(50, int))
    assert math.isnan(score) and shift_s == 0.0


def test_a_recording_without_labels_is_trained_on_by_nobody_and_judged_by_nothing(
    recordings: list[Recording], tmp_path: Path
) -> None:
    bare = replace(without_labels(recordings[0]), path=Path("bare"), attributes={"group": "cell9"})
    config = CONFIG.model_copy(update={"steps": 1})
    scores = [score_of(s) for s in streams_of_folds(config, [*recordings, bare], 1, tmp_path)]
    assert {s.group for s in scores} == {r.group for r in recordings} and all(s.macro_f1 >= 0 for s in scores)


def test_kept_answers_are_of_the_labels_and_recordings_that_there_are(
    recordings: list[Recording], tmp_path: Path
) -> None:
    config, group = CONFIG.model_copy(update={"steps": 1}), recordings[0].group

    def labelled_ticks(of: list[Recording]) -> dict[str, int]:
        streams = streams_of_folds(config, of, 1, tmp_path, only_groups=frozenset({group}))
        return {s.name: int((s.labels != UNLABELLED).sum()) for s in streams}

    before = labelled_ticks(recordings)
    fewer = recordings[0].features.action.copy()
    fewer[: len(fewer) // 2] = UNLABELLED
    corrected = replace(recordings[0], source="corrected", features=replace(recordings[0].features, action=fewer))
    name = next(iter(before))
    assert labelled_ticks([corrected, *recordings[1:]])[name] < before[name]
    named = {**recordings[0].attributes, "run_id": "added"}
    added = replace(recordings[0], path=Path("added"), attributes=named, source="added")
    assert len(labelled_ticks([*recordings, added])) == len(before) + 1


def test_early_stopping_looks_at_what_each_fold_holds_out(recordings: list[Recording], tmp_path: Path) -> None:
    stopping = EarlyStoppingConfig(enabled=True)
    config = CONFIG.model_copy(update={"steps": 2, "early_stopping": stopping, "validation_share": 0.3})
    several = [
        replace(r, path=Path(f"weld{k}"), attributes={**r.attributes, "group": f"cell{k}"})
        for k, r in enumerate([*recordings, *recordings][:6])
    ]
    one = next(iter(streams_of_folds(config, several, 1, tmp_path, only_groups=frozenset({"cell0"}))))
    assert one.group == "cell0"


def test_runs_on_other_labels_are_not_comparable() -> None:
    idle, weld = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)
    first, second = fake("a", labels=[idle] * 10), fake("a", labels=[idle] * 9 + [weld])
    assert run_names([first]) != run_names([second]) and run_names([first]) == run_names(
        [fake("a", labels=[idle] * 10)]
    )


def test_a_mapped_recording_keeps_one_file_open(tmp_path: Path) -> None:
    arrays = {name: np.full((4, 3), k, np.float16) for k, name in enumerate("abcd")}
    np.savez(tmp_path / "x.npz", **arrays)
    before = len(os.listdir("/proc/self/fd"))
    kept = [mapped_arrays(tmp_path / "x.npz", "abcd") for _ in range(5)]
    assert len(os.listdir("/proc/self/fd")) - before == 5
    for mapped in kept:
        for name, array in arrays.items():
            np.testing.assert_array_equal(mapped[name], array)
            with pytest.raises(ValueError, match="read-only"):
                mapped[name][0] = 1


def test_a_damaged_cache_names_the_file(bags: Path, tmp_path: Path) -> None:
    bag = next(path for path in sorted(bags.iterdir()) if path.is_dir())
    FeatureExtractor(CONFIG.model_config_of_size(), tmp_path)(bag)
    (kept,) = tmp_path.glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"\.npz: is damaged .*; delete it: the features are extracted anew"):
        FeatureExtractor(CONFIG.model_config_of_size(), tmp_path)(bag)


def test_a_file_that_two_runs_make_at_once_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "features.npz"
    with written_whole(target) as mine:
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with written_whole(target, durable=True) as theirs:
            np.savez(theirs, a=np.ones(2))
        np.savez(mine, a=np.zeros(3))
    with np.load(target) as found:
        assert found["a"].shape == (3,)
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]


def test_the_figures_are_written_though_the_pictures_fail(
    bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> None:
        raise InputError("t-SNE", "has 5 ticks to show", "give more")

    monkeypatch.setattr(evaluate, "_draw", draw)
    out = tmp_path / "out.json"
    words = ["evaluate", str(SHIPPED), "--data", str(bags), "--modalities", "acoustic", "--json", str(out)]
    assert main([*words, "--pictures", str(tmp_path / "pictures")]) == 1
    assert json.loads(out.read_text(encoding="utf-8"))["metrics"]["action_accuracy"]["mean"] is not None


def test_training_writes_into_no_foreign_folder_and_not_over_what_it_begins_with(
    bags: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json")), encoding="utf-8")
    words = ["train", str(config), "--data", str(bags), "--out"]
    foreign = tmp_path / "holiday"
    foreign.mkdir()
    (foreign / "photo.jpg").touch()
    assert main([*words, str(foreign)]) == 1
    assert "holiday: is not empty and no model folder" in capsys.readouterr().err
    assert main([*words, str(SHIPPED), "--from", str(SHIPPED)]) == 1
    assert "is the model to begin with" in capsys.readouterr().err
    assert main([*words, str(SHIPPED)]) == 1
    assert "holds a model that is no training to go on with" in capsys.readouterr().err


def test_no_delay_is_said_where_no_change_was_found() -> None:
    assert _delay_text({}) == "-" and _delay_text({"p50": 80.0, "p95": 200.4}) == "80 (200)"


def test_what_a_shift_costs_is_answered_by_networks_of_the_other_half_and_read_again(
    recordings: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [
        replace(r, path=Path(f"weld{k}"), attributes={**r.attributes, "group": f"cell{k}"})
        for k, r in enumerate([*recordings, *recordings][:7])
    ]
    home, away = several[:4], several[4:]
    config = CONFIG.model_copy(update={"steps": 1, "validation_share": 0.3})
    learnt: list[set[str]] = []
    train = adaptation_domains.train

    def seen(config: TrainingConfig, known: list[Recording], **more: Any) -> Any:
        learnt.append({r.group for r in known} & {r.group for r in away})
        return train(config, known, **more)

    monkeypatch.setattr(adaptation_domains, "train", seen)
    domains = [
        adaptation_domains.open_domain(config, home, away, lambda _: "job", tmp_path, lambda *_: None) for _ in range(2)
    ]
    assert learnt == [set(), {"cell4", "cell6"}, {"cell5"}], "frozen, then each half; nothing is trained twice"
    for first, second in zip(domains[0].welds, domains[1].welds, strict=True):
        assert first.both_sides.shape == first.labels.shape
        np.testing.assert_array_equal(first.both_sides, second.both_sides)
    with pytest.raises(InputError, match="meets one weld"):
        adaptation_domains.open_domain(config, home, away[:1], lambda _: "job", tmp_path, lambda *_: None)
