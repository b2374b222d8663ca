"""UT-Interaction study on made-up clips."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from msstan_core.errors import InputError
from msstan_core.studies import interaction_study
from msstan_core.studies.interaction_clips import Clip, clip_pictures, read_clips
from msstan_core.studies.interaction_network import Recipe, candidates, inputs_of, train_and_predict
from msstan_core.studies.kept_runs import KeptRuns

LABELS = ["hug", "kick"]
RECIPE = Recipe(steps=12, ticks=4, clips_per_step=4, width=16)


def _clips(sequences: int = 4) -> list[Clip]:
    """Two actions that differ in the level of one channel."""
    rng = np.random.default_rng(0)
    clips = []
    for sequence in range(sequences):
        for k, label in enumerate(LABELS):
            maps = rng.normal(size=(2, 6, 2, 3, 4, 4))
            maps[:, :, :, 0] += 4 * k
            clips.append(Clip(f"{sequence}{label}", sequence, label, maps.astype(np.float16)))
    return clips


def _video(path: Path, step: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (64, 48))
    for k in range(10):
        frame = np.full((48, 64, 3), 60, np.uint8)
        frame[10:30, 5 + step * k : 15 + step * k] = 220
        writer.write(frame)
    writer.release()


def test_separable_actions_are_recognised_and_probabilities_sum_to_one() -> None:
    clips = _clips()
    found = train_and_predict(clips[:6], clips[6:], LABELS, Recipe(steps=40, ticks=4, clips_per_step=6, width=16), 0)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert found.argmax(axis=1).tolist() == [0, 1]
    mixed = Recipe(steps=40, ticks=4, clips_per_step=6, width=16, mixup=0.4)
    assert train_and_predict(clips[:6], clips[6:], LABELS, mixed, 0).argmax(axis=1).tolist() == [0, 1]


def test_foreground_is_what_changes_within_a_clip() -> None:
    maps = np.zeros((3, 2, 1, 2, 2), np.float16)
    maps[:, 0, 0, 0, 0] = [1, 2, 6]
    maps[:, 0, 0, 1, 1] = 5  # always there
    maps[:, 1] = 7
    foreground = inputs_of(maps, "foreground")
    assert foreground[:, 0, 0, 0].tolist() == [-2, -1, 3]
    assert foreground[:, 0, 1, 1].tolist() == [0, 0, 0]
    assert inputs_of(maps, "both").shape == (3, 2, 2, 2)
    assert (inputs_of(maps, "motion") == 7).all()


def test_a_second_network_is_averaged_only_where_inner_folds_say_that_it_helps(tmp_path: Path) -> None:
    kept = KeptRuns(tmp_path / "runs.jsonl", {})
    answers = {"first": [[0.8, 0.2], [0.6, 0.4]], "second": [[0.4, 0.6], [0.1, 0.9]], "poor": [[0.1, 0.9], [0.9, 0.1]]}
    for name, probabilities in answers.items():
        kept.add(("inner", 1, name), {"probabilities": probabilities, "truth": [0, 1]})
    # losses: first 0.570, second 0.511, poor 2.303; second with first: -(ln 0.6 + ln 0.65) / 2 = 0.471
    assert interaction_study.chosen_members(1, list(answers), kept) == ["second", "first"]
    assert interaction_study.chosen_members(1, ["second", "poor"], kept) == ["second"]
    together = [kept[("inner", 1, name)] for name in ("second", "first")]
    assert interaction_study.log_loss(together) == pytest.approx(0.4708, abs=1e-4)


def test_the_left_out_sequence_never_reaches_choice_or_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[int], set[int]]] = []

    def spy(training: list[Clip], test: list[Clip], labels: list[str], recipe: Recipe, seed: int) -> np.ndarray:
        seen.append(({c.sequence for c in training}, {c.sequence for c in test}))
        return np.full((len(test), len(labels)), 0.5)

    monkeypatch.setattr(interaction_study, "train_and_predict", spy)
    clips = _clips()
    kept = KeptRuns(tmp_path / "runs.jsonl", {})
    interaction_study.run_folds(clips, 1, RECIPE, kept, lambda *_: None)
    per_fold = len(candidates(RECIPE)) * interaction_study.INNER_FOLDS + 1
    assert len(seen) == 4 * per_fold
    for k, (training, test) in enumerate(seen):
        assert not training & test
        left_out = k // per_fold
        assert left_out not in training
        assert (left_out in test) == (k % per_fold == per_fold - 1)
    interaction_study.run_folds(clips, 1, RECIPE, kept, lambda *_: None)
    assert len(seen) == 4 * per_fold  # nothing is done twice
    found = interaction_study.summarise(clips, 1, RECIPE, kept)
    assert found["accuracy"]["mean"] == 0.5
    assert found["baselines"]["appearance"] > 0.7  # six made-up clips to learn from


def test_motion_is_grey_where_nothing_moves_and_features_are_cached(tmp_path: Path) -> None:
    (tmp_path / "set1").mkdir()
    _video(tmp_path / "set1/a.avi", 0)
    _video(tmp_path / "set1/b.avi", 3)
    (tmp_path / "set1.csv").write_text("file,sequence,label\nset1/a.avi,1,hug\nset1/b.avi,2,kick\n")
    still, moving = (clip_pictures(tmp_path / f"set1/{n}.avi")[1].astype(int) for n in "ab")
    assert len(still) == 4
    assert abs(still - 128).max() < 20 < abs(moving[1:] - 128).max()
    calls = []

    def backbone(pictures: list[np.ndarray]) -> np.ndarray:
        calls.append(len(pictures))
        return np.stack([p[::16, ::16].transpose(2, 0, 1) for p in pictures]).astype(np.float16)

    clips = read_clips(tmp_path, tmp_path / "cache", lambda *_: None, backbone)
    assert clips[0].maps.shape == (2, 4, 2, 3, 4, 4)
    assert len(calls) == 8
    again = read_clips(tmp_path, tmp_path / "cache", lambda *_: None, backbone)
    assert len(calls) == 8
    np.testing.assert_array_equal(again[1].maps, clips[1].maps)


def test_a_folder_without_its_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set1\.csv"):
        read_clips(tmp_path, tmp_path / "cache", lambda *_: None, None)
