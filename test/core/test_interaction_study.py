"""UT-Interaction study on made-up clips."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from msstan_core.errors import InputError
from msstan_core.studies import interaction_study
from msstan_core.studies.interaction_clips import Clip, clip_pictures, mirrored, read_clips
from msstan_core.studies.interaction_network import Recipe, candidates, drawn_ticks, inputs_of, train_and_predict
from msstan_core.studies.kept_runs import KeptRuns

LABELS = ["hug", "kick"]
RECIPE = Recipe(steps=12, ticks=4, clips_per_step=4, width=16)


def _clips(sequences: int = 4) -> list[Clip]:
    """Two actions that differ in the level of one channel."""
    rng = np.random.default_rng(0)
    clips = []
    for sequence in range(sequences):
        for k, label in enumerate(LABELS):
            maps = rng.normal(size=(2, 6, 3, 3, 4, 4))
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
    maps = np.zeros((3, 3, 1, 2, 2), np.float16)
    maps[:, 0, 0, 0, 0] = [1, 2, 6]
    maps[:, 0, 0, 1, 1] = 5  # always there
    maps[:, 1] = 7
    foreground = inputs_of(maps, "foreground")
    assert foreground[:, 0, 0, 0].tolist() == [-2, -1, 3]
    assert foreground[:, 0, 1, 1].tolist() == [0, 0, 0]
    maps[:, 2] = 8
    assert inputs_of(maps, "all").shape == (3, 3, 2, 2)
    assert (inputs_of(maps, "motion") == 7).all() and (inputs_of(maps, "flow") == 8).all()


def test_ticks_are_drawn_where_much_moves_and_elsewhere_too() -> None:
    importance = np.zeros(40)
    importance[20:24] = 0.25
    for how in (0.0, -0.3, 0.3):
        places = drawn_ticks(importance, 20, how)
        assert len(places) == 20 and (np.diff(places) >= 0).all() and places[0] < 6 and places[-1] > 33
        assert ((places >= 20) & (places < 24)).sum() == pytest.approx(15, abs=1), "0.7 + 0.3 * 4 / 40 of them"
    even = drawn_ticks(np.full(40, 1 / 40), 20, 0.0)
    assert abs(even - (2 * np.arange(20) + 0.5)).max() <= 0.5, "even where all moves alike"
    rng = np.random.default_rng(0)
    draws = [drawn_ticks(importance, 20, rng) for _ in range(50)]
    assert len({tuple(d) for d in draws}) > 40 and min(d.min() for d in draws) >= 0 and max(d.max() for d in draws) < 40


def test_importance_is_the_share_of_the_motion() -> None:
    maps = np.zeros((2, 4, 3, 1, 1, 1), np.float16)
    maps[0, :, 1, 0, 0, 0] = [5, 6, 5, 2]
    assert Clip("a", 1, "hug", maps).importance.tolist() == [0, 0.25, 0, 0.75]
    assert not Clip("a", 1, "hug", np.zeros((2, 4, 3, 1, 1, 1), np.float16)).importance.any(), "nothing moves"


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
    final = interaction_study.TRAININGS  # of one member: all candidates answer alike
    per_fold = len(candidates(RECIPE)) * interaction_study.INNER_FOLDS * interaction_study.TRAININGS + final
    assert len(seen) == 4 * per_fold
    for k, (training, test) in enumerate(seen):
        assert not training & test
        left_out = k // per_fold
        assert left_out not in training
        assert (left_out in test) == (k % per_fold >= per_fold - final)
    interaction_study.run_folds(clips, 1, RECIPE, kept, lambda *_: None)
    assert len(seen) == 4 * per_fold  # nothing is done twice
    found = interaction_study.summarise(clips, 1, RECIPE, kept)
    assert found["accuracy"]["mean"] == 0.5
    assert found["baselines"]["appearance"] > 0.5  # six made-up clips to learn from


def test_motion_is_grey_where_nothing_moves_and_features_are_cached(tmp_path: Path) -> None:
    (tmp_path / "set1").mkdir()
    _video(tmp_path / "set1/a.avi", 0)
    _video(tmp_path / "set1/b.avi", 3)
    (tmp_path / "set1.csv").write_text("file,sequence,label\nset1/a.avi,1,hug\nset1/b.avi,2,kick\n")
    pictures = {name: clip_pictures(tmp_path / f"set1/{name}.avi") for name in "ab"}
    still, moving = (pictures[name][1].astype(int) for name in "ab")
    assert len(still) == 5
    assert abs(still - 128).max() < 20 < abs(moving[1:] - 128).max()
    assert abs(pictures["a"][2].astype(int) - 128).max() < 20
    assert (pictures["b"][2, 0] == 128).all(), "nothing has moved yet"
    # 6 px of 64 a tick to the right, across 192 px: 18 px
    right, down, speed = (float(pictures["b"][2, 2, 50:110, 55:80, part].mean()) - 128 for part in range(3))
    assert right > 60 and abs(down) < 30 and speed > 60
    assert float(mirrored(pictures["b"])[2, 2, 50:110, 192 - 80 : 192 - 55, 0].mean()) - 128 < -60
    np.testing.assert_array_equal(mirrored(pictures["b"])[1, 2], pictures["b"][1, 2][:, ::-1])
    calls = []

    def backbone(pictures: list[np.ndarray]) -> np.ndarray:
        calls.append(len(pictures))
        return np.stack([p[::16, ::16].transpose(2, 0, 1) for p in pictures]).astype(np.float16)

    clips = read_clips(tmp_path, tmp_path / "cache", lambda *_: None, backbone)
    assert clips[0].maps.shape == (2, 5, 3, 3, 4, 4)
    assert len(calls) == 12
    again = read_clips(tmp_path, tmp_path / "cache", lambda *_: None, backbone)
    assert len(calls) == 12
    np.testing.assert_array_equal(again[1].maps, clips[1].maps)


def test_a_folder_without_its_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set1\.csv"):
        read_clips(tmp_path, tmp_path / "cache", lambda *_: None, None)
