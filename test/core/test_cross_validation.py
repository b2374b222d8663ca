"""Cross-validation: every real recording is scored once, by a network that has not seen its group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_welds import CONFIG, sound_recordings
from training_examples import fake

from msstan_core.errors import InputError
from msstan_core.model.branches import CameraBackbone
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.studies.cross_validation import score_of
from msstan_core.studies.fold_streams import streams_of_folds
from msstan_core.studies.folds import Regime
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import Recording
from msstan_core.training.trainer import TrainedModel, train
from msstan_core.vocabulary import ACTIONS, ISO_CODES, Action


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return sound_recordings(tmp_path_factory)


def silent(recording: Recording) -> Recording:
    """``recording`` with features of the right shapes: sound only, and that is silence."""
    n = len(recording.features.time_s)
    absent, config = np.full(n, -1), CONFIG.model_config_of_size()
    spec = config.inputs.log_mel
    features = replace(
        recording.features,
        camera=np.zeros((1, CameraBackbone(config).channels, 2, 2), np.float16),
        camera_row=absent,
        thermal=np.zeros((1, config.inputs.thermal_px, config.inputs.thermal_px), np.float16),
        thermal_row=absent,
        log_mel=np.zeros((n, spec.bands, spec.frames), np.float16),
        telemetry=np.zeros((n, config.inputs.telemetry_count), np.float32),
        context=np.zeros((n, 4), np.int64),
        valid=np.tile(np.float32([0, 0, 1, 0]), (n, 1)),
        age_s=np.zeros((n, 4), np.float32),
        thermal_statistics=np.zeros((n, STATISTICS_COUNT), np.float32),
        imperfection=np.full((n, len(ISO_CODES)), np.nan, np.float32),
    )
    return replace(recording, features=features)


@pytest.mark.parametrize("regime", list(Regime))
def test_every_regime_scores_each_real_recording_once_and_trains_on_what_it_says(
    regime: Regime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = [ACTIONS.index(a) for a in (Action.IDLE,) * 20 + (Action.MATERIAL_DEPOSITION,) * 30]
    movement = ACTIONS.index(Action.ELECTRODE_MOVEMENT)
    simulated = fake("sim", simulated=True, labels=[movement] * 20 + labels[20:])
    data = [silent(r) for r in (fake("a", labels=labels), fake("b", labels=labels), simulated)]
    trained_on: list[tuple[int, int, bool]] = []

    def watched(config: TrainingConfig, recordings: list[Recording], **options: object) -> TrainedModel:
        trained_on.append(
            (sum(r.simulated for r in recordings), sum(not r.simulated for r in recordings), bool(options["initial"]))
        )
        seen = {int(label) for r in recordings for label in np.unique(r.features.action)}
        assert regime is Regime.TOGETHER or movement not in seen, "real labels do not name it"
        return train(config, recordings, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("msstan_core.studies.folds.train", watched)
    config = CONFIG.model_copy(update={"steps": 1})
    scores = [score_of(s) for s in streams_of_folds(config, data, 1, tmp_path, regime=regime)]
    assert sorted(s.group for s in scores) == ["a", "b"]
    expected = {
        Regime.TOGETHER: [(1, 1, False), (1, 1, False)],
        Regime.SIMULATED: [(1, 0, False)],
        Regime.PRETRAINED: [(1, 0, False), (0, 1, True), (0, 1, True)],
    }
    assert trained_on == expected[regime]
    again = [score_of(s) for s in streams_of_folds(config, data, 1, tmp_path, regime=regime)]
    assert trained_on == expected[regime], "what is kept is not trained again"
    assert [(s.group, s.seed) for s in again] == [(s.group, s.seed) for s in scores]
    np.testing.assert_allclose([s.ece for s in again], [s.ece for s in scores], atol=1e-4)
    next(tmp_path.glob("*.json")).unlink()
    assert len(list(streams_of_folds(config, data, 1, tmp_path, regime=regime))) == 2
    assert len(trained_on) > len(expected[regime]), "what is missing is"


def test_the_training_on_simulation_may_be_longer_than_those_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels = [ACTIONS.index(a) for a in (Action.IDLE,) * 20 + (Action.MATERIAL_DEPOSITION,) * 30]
    data = [silent(fake(name, labels=labels)) for name in ("a", "b")]
    data.append(silent(fake("sim", simulated=True, labels=labels)))
    steps: list[int] = []

    def watched(config: TrainingConfig, recordings: list[Recording], **options: object) -> TrainedModel:
        steps.append(config.steps)
        return train(config, recordings, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("msstan_core.studies.folds.train", watched)
    config = CONFIG.model_copy(update={"steps": 1})

    def streams(simulation_steps: int | None) -> int:
        regime = Regime.PRETRAINED
        return len(list(streams_of_folds(config, data, 1, tmp_path, regime=regime, simulation_steps=simulation_steps)))

    assert streams(2) == 2
    assert steps == [2, 1, 1]
    streams(None)
    assert steps == [2, 1, 1, 1, 1, 1], "streams of another training on simulation are not taken for these"


def test_kept_streams_are_of_one_recipe_and_one_set_of_recordings(tmp_path: Path) -> None:
    labels = [ACTIONS.index(a) for a in (Action.IDLE,) * 20 + (Action.MATERIAL_DEPOSITION,) * 30]
    data = [silent(fake(name, labels=labels)) for name in ("a", "b")]
    config = CONFIG.model_copy(update={"steps": 1})
    kept: set[str] = set()
    for changed, recordings, more in (
        (config, data, 2),
        (config, data, 0),
        (config.model_copy(update={"learning_rate": 0.5}), data, 2),
        (config, [*data, silent(fake("c", labels=labels))], 3),
    ):
        list(streams_of_folds(changed, recordings, 1, tmp_path))
        now = {path.name for path in tmp_path.glob("*.json")}
        assert len(now) == len(kept) + more
        kept = now


def test_a_regime_without_the_welds_it_asks_for_says_so(tmp_path: Path) -> None:
    labels = [ACTIONS.index(a) for a in (Action.IDLE,) * 20 + (Action.MATERIAL_DEPOSITION,) * 30]
    data = [silent(fake(name, labels=labels)) for name in ("a", "b")]
    with pytest.raises(InputError, match="holds no simulated recording for --regime pretrained"):
        list(streams_of_folds(CONFIG, data, 1, tmp_path, regime=Regime.PRETRAINED))
