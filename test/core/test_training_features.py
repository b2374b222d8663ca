"""Features of a bag are those that the live monitor computes."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from sound_welds import CONFIG, sound_bags, sound_recordings, write_weld

from msstan_core.errors import InputError
from msstan_core.model.branches import CameraBackbone
from msstan_core.model.configuration import ModelConfig
from msstan_core.preprocessing.input_spec import InputSpec, LogMelSpec
from msstan_core.recordings.bag_folders import find_bags
from msstan_core.training import recording_features
from msstan_core.training.backbone_features import BackboneFeatures
from msstan_core.training.recording_features import FeatureExtractor, Recording, RecordingFeatures
from msstan_core.vocabulary import ACTIONS, Action, Modality


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound_bags(tmp_path_factory)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return sound_recordings(tmp_path_factory)


def test_features_are_what_the_live_monitor_would_see(recordings: list[Recording]) -> None:
    features = recordings[0].features
    assert len(features.time_s) == pytest.approx(10 * 25, abs=5)
    assert features.valid.any(axis=0).tolist() == [False, False, True, False]
    labelled = {ACTIONS[i] for i in np.unique(features.action[features.action >= 0])}
    assert labelled == {Action.IDLE, Action.MATERIAL_DEPOSITION, Action.COOLING}
    assert np.isnan(features.imperfection).all(), "nobody claimed that there were none"


def test_cached_features_equal_extracted_ones(bags: Path, tmp_path: Path) -> None:
    extract = FeatureExtractor(CONFIG.model_config_of_size(), tmp_path)
    bag = find_bags([bags])[0]
    first, second = extract(bag).features, extract(bag).features
    assert len(list(tmp_path.glob("*.npz"))) == 1
    for field in fields(RecordingFeatures):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def test_withheld_modality_does_not_reach_the_network(bags: Path) -> None:
    with pytest.raises(InputError, match="no tick"):
        FeatureExtractor(CONFIG.model_config_of_size())(find_bags([bags])[0], frozenset({Modality.ACOUSTIC}))


def test_backbone_features_equal_the_torch_backbone() -> None:
    config = ModelConfig(pretrained=False, inputs=InputSpec(camera_px=32))
    images = [np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8) for i in range(19)]
    got = BackboneFeatures(config)(images)
    with torch.inference_mode():
        expected = CameraBackbone(config).eval()(torch.from_numpy(np.stack(images))).numpy()
    np.testing.assert_allclose(got.astype(np.float32), expected, rtol=2e-3, atol=2e-3)  # kept in half precision


def test_a_recording_is_found_once_however_often_it_is_named(tmp_path: Path) -> None:
    for name in ("a", "deeper/b", "deeper/c"):
        (tmp_path / "bags" / name).mkdir(parents=True)
        (tmp_path / "bags" / name / "metadata.yaml").touch()
    (tmp_path / "link").symlink_to(tmp_path / "bags" / "a")
    bags = tmp_path / "bags"
    once = [bags / "a", bags / "deeper/b", bags / "deeper/c"]
    assert find_bags([bags]) == once
    assert find_bags([bags, bags, bags / "deeper", bags / "a", bags / "deeper" / ".." / "a", tmp_path / "link"]) == once
    assert find_bags([bags / "deeper/c", bags]) == [once[2], once[0], once[1]], "under the first name, in that order"


def test_folders_of_links_to_bags_are_searched_and_links_in_circles_end(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "bags" / name).mkdir(parents=True)
        (tmp_path / "bags" / name / "metadata.yaml").touch()
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (chosen / "one").symlink_to(tmp_path / "bags" / "b")
    (chosen / "round").symlink_to(chosen)
    (chosen / "gone").symlink_to(tmp_path / "nowhere")
    assert find_bags([chosen]) == [chosen / "one"]
    (chosen / "all").symlink_to(tmp_path / "bags")
    assert find_bags([chosen]) == [chosen / "all" / "a", chosen / "all" / "b"]


def test_a_copied_recording_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    for seed, name in enumerate(("good/weld", "good/other", "more/third")):
        write_weld(tmp_path / name, seed=seed, group=name)
    assert len(find_bags([tmp_path])) == 3
    copy = tmp_path / "more" / "again"
    shutil.copytree(tmp_path / "good/weld", copy)
    (copy / "annotations.csv").unlink()
    with pytest.raises(InputError, match=r"more/again: is a copy of .*good/weld;"):
        find_bags([tmp_path / "good", tmp_path / "more"])
    assert len(find_bags([tmp_path / "more"])) == 2


def test_a_bag_without_its_messages_is_no_copy_of_another_such(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.yaml").touch()
        (tmp_path / name / "a.mcap").touch()
    assert len(find_bags([tmp_path])) == 2, "what is wrong with them is said when they are opened"


def test_labels_that_change_their_meaning_are_read_anew_from_a_cache(
    bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = FeatureExtractor(CONFIG.model_config_of_size(), tmp_path)
    bag = find_bags([bags])[0]
    with monkeypatch.context() as before:
        before.setattr(recording_features, "action_track", lambda spans, times: np.zeros(len(times), np.int64))
        assert not extract(bag).features.action.any()
    assert extract(bag).features.action.any()
    assert len(list(tmp_path.glob("*.npz"))) == 1


def test_a_spectrogram_longer_than_a_ticks_sound_is_refused() -> None:
    config = ModelConfig(inputs=InputSpec(log_mel=LogMelSpec(frames=64)))
    with pytest.raises(InputError, match=r"log_mel covers 1.3 s of sound, alignment.audio_window_s is 0.4"):
        FeatureExtractor(config)
