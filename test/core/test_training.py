"""Training: features of a bag, grouped splits, exact resume, and a model folder that the monitor can run."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from msstan_core.cli import main
from msstan_core.decision.pipeline import Monitor
from msstan_core.errors import InputError
from msstan_core.inference.model_package import load_package
from msstan_core.model.branches import CameraBackbone
from msstan_core.model.configuration import ModelConfig
from msstan_core.observation import NANOSECONDS_PER_SECOND, AudioChunk
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.telemetry_features import FEATURE_COUNT
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.recordings.annotations import action_span
from msstan_core.recordings.bag import BagReader, BagWriter
from msstan_core.training.backbone_features import BackboneFeatures
from msstan_core.training.clips import ClipSampler, changes_of
from msstan_core.training.configuration import AugmentationConfig, TrainingConfig, load_training_config
from msstan_core.training.cross_validation import Regime, cross_validate
from msstan_core.training.durations import MOST_STAGES, fit_durations
from msstan_core.training.finishing import run_network
from msstan_core.training.metrics import boundary_errors, macro_f1, phase_macro_f1, shifted_phase_macro_f1
from msstan_core.training.recording_features import (
    FeatureExtractor,
    Recording,
    RecordingFeatures,
    find_bags,
    ticks_of_bag,
)
from msstan_core.training.splits import hold_out_groups, leave_one_group_out
from msstan_core.training.trainer import CHECKPOINT_FILE, TrainedModel, train
from msstan_core.vocabulary import ACTIONS, ISO_CODES, MODALITIES, Action, Modality

RATE_HZ = 16_000
MODEL = {"width": 16, "pretrained": False, "attention_heads": 2, "inputs": {"camera_px": 32, "thermal_px": 16}}
CONFIG = TrainingConfig(
    steps=60, clips_per_step=4, clip_ticks=48, model=MODEL, validation_share=0.0, checkpoint_every=7
)


def write_weld(path: Path, seed: int, group: str) -> None:
    """Ten seconds of sound: quiet, arc noise, quiet; labelled."""
    rng = np.random.default_rng(seed)
    on, off = rng.uniform(2, 3), rng.uniform(6, 7)
    time_s = np.arange(10 * RATE_HZ) / RATE_HZ
    loud = (time_s >= on) & (time_s < off)
    samples = (rng.normal(size=len(time_s)) * np.where(loud, 0.05, 0.0005)).astype(np.float32)
    labels = [
        action_span(0.0, on, Action.IDLE, "test"),
        action_span(on, off, Action.MATERIAL_DEPOSITION, "test"),
        action_span(off, 10.0, Action.COOLING, "test"),
    ]
    with BagWriter(path, attributes={"group": group, "run_id": path.name, "importer": "test"}) as bag:
        bag.annotate(labels)
        for begin in range(0, len(samples), 1024):
            stamp = 10**18 + round(begin / RATE_HZ * NANOSECONDS_PER_SECOND)
            bag.write(AudioChunk(stamp, RATE_HZ, samples[begin : begin + 1024]))


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    for i in range(4):
        write_weld(folder / f"weld{i}", seed=i, group=f"cell{i % 2}")
    return folder


@pytest.fixture(scope="module")
def recordings(bags: Path) -> list[Recording]:
    extract = FeatureExtractor(CONFIG.model_config_of_size())
    return [extract(bag) for bag in find_bags([bags])]


@pytest.fixture(scope="module")
def model_dir(bags: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    config = folder / "config.yaml"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json")), encoding="utf-8")
    assert main(["train", str(config), "--data", str(bags), "--out", str(folder / "out")]) == 0
    return folder / "out"


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


def test_clips_are_placed_where_an_action_or_an_imperfection_begins_or_ends(recordings: list[Recording]) -> None:
    features = recordings[0].features
    actions = np.flatnonzero(np.diff(features.action)) + 1
    assert changes_of(features).tolist() == actions.tolist(), "unknown imperfections have no edges"
    imperfection = features.imperfection.copy()
    imperfection[:, 3] = 0.0
    imperfection[20:26, 3] = 1.0
    marked = replace(features, imperfection=imperfection)
    assert changes_of(marked).tolist() == sorted({*actions.tolist(), 20, 26})


def test_the_beginning_of_a_clip_is_warm_up_unless_its_recording_begins_there(recordings: list[Recording]) -> None:
    longest = max(len(r.features.time_s) for r in recordings)
    for ticks, warm in ((48, True), (longest, False)):
        sampler = ClipSampler(recordings, ticks, 0.5, AugmentationConfig(), seed=0, warm_up_ticks=12)
        batch = sampler.draw(8)
        left_out = (batch.weight[:, :12] == 0).all(dim=1)
        assert left_out.any() == warm
        assert batch.imperfection[left_out, :12].isnan().all()
        assert (batch.weight[:, 12] == 1).all()
        assert (batch.weight[~left_out, :12] == 1).all()


def test_image_free_batches_hide_the_images_of_clips_that_hold_something_else(recordings: list[Recording]) -> None:
    heard = recordings[0]
    ticks = len(heard.features.time_s)
    images = {
        "camera": np.ones((ticks, *heard.features.camera.shape[1:]), np.float16),
        "camera_row": np.arange(ticks),
        "valid": np.tile(np.float32([1, 0, 1, 0]), (ticks, 1)),
    }
    both = replace(heard, features=replace(heard.features, **images))
    seen = replace(heard, features=replace(both.features, valid=np.tile(np.float32([1, 0, 0, 0]), (ticks, 1))))
    plain = AugmentationConfig(modality_dropout=0.0)
    for recording, share, expected in ((both, 0.0, 1.0), (both, 0.999, 0.0), (seen, 0.999, 1.0)):
        batch = ClipSampler([recording], 16, 0.5, plain, seed=0, image_free=share).draw(4)
        assert (batch.features.valid[..., Modality.CAMERA] == expected).all()
        assert bool(batch.features.camera.abs().sum() > 0) == bool(expected)
    assert (batch.features.valid[..., Modality.ACOUSTIC] == 0).all()


def test_withheld_modality_does_not_reach_the_network(bags: Path) -> None:
    with pytest.raises(InputError, match="no tick"):
        FeatureExtractor(CONFIG.model_config_of_size())(find_bags([bags])[0], frozenset({Modality.ACOUSTIC}))


def test_interrupted_run_resumes_to_the_same_weights(recordings: list[Recording], tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, steps: int, loss: float) -> None:
        if step == 17:  # the last checkpoint is at 14
            raise Interrupted

    config = CONFIG.model_copy(update={"steps": 20})
    whole = train(config, recordings, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(config, recordings, tmp_path / "cut", progress=interrupt)
    resumed = train(config, recordings, tmp_path / "cut")
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)


def test_a_resumed_run_counts_the_time_before_it_too(recordings: list[Recording], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 2})
    train(config, recordings, tmp_path)
    saved = torch.load(tmp_path / CHECKPOINT_FILE, weights_only=False)
    torch.save({**saved, "seconds": 1000.0}, tmp_path / CHECKPOINT_FILE)
    assert train(config, recordings, tmp_path).seconds > 1000.0


def test_checkpoint_of_another_configuration_is_refused(recordings: list[Recording], tmp_path: Path) -> None:
    train(CONFIG.model_copy(update={"steps": 2}), recordings, tmp_path)
    with pytest.raises(InputError, match="another configuration"):
        train(CONFIG.model_copy(update={"steps": 3}), recordings, tmp_path)


def test_damaged_checkpoint_is_one_clear_error(recordings: list[Recording], tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=CHECKPOINT_FILE):
        train(CONFIG, recordings, tmp_path)


def test_unlabelled_data_is_refused(recordings: list[Recording]) -> None:
    bare = [replace(r, features=replace(r.features, action=np.full_like(r.features.action, -1))) for r in recordings]
    with pytest.raises(InputError, match="no labelled tick"):
        train(CONFIG, bare)


def test_trained_model_tells_arc_from_silence_on_an_unseen_weld(model_dir: Path, tmp_path: Path) -> None:
    write_weld(tmp_path / "unseen", seed=99, group="other")
    where = ["--data", str(tmp_path), "--json", str(tmp_path / "out.json"), "--pictures", str(tmp_path / "pictures")]
    assert main(["evaluate", str(model_dir), *where, "--modalities", "acoustic,telemetry", "--subsets"]) == 0
    result = json.loads((tmp_path / "out.json").read_text())
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
    write_weld(tmp_path / "apart" / "weld", seed=9, group="another cell")
    assert main([*command, str(tmp_path / "apart")]) == 0
    assert load_package(tmp_path / "out").card.metrics["held_out_recordings"] == 1


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_monitor_over_a_bag_equals_the_unrolled_network(
    model_dir: Path, recordings: list[Recording], backend: str
) -> None:
    monitor = Monitor.load(model_dir, backend=backend, smoothing=False)  # type: ignore[arg-type]
    card = monitor.info.card
    with BagReader(recordings[0].path) as reader:
        decisions = [monitor.step(tick) for tick in ticks_of_bag(reader, frozenset(MODALITIES))]
    live = np.stack([d.raw_action_probabilities for d in decisions])
    from msstan_core.decision.calibration import action_probabilities
    from msstan_core.inference.engine import TorchEngine

    model = TorchEngine(load_package(model_dir)).model
    trained = np.array([a in card.actions for a in ACTIONS])
    logits = run_network(model, recordings[0]).action_logits.numpy()
    # The recording's features are kept in half precision; the live ones are not.
    np.testing.assert_allclose(live, action_probabilities(logits, card.temperature, trained), atol=5e-3)


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
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(model_dir, broken, ignore=shutil.ignore_patterns("features"))
    content = bytearray((broken / "step.onnx").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (broken / "step.onnx").write_bytes(bytes(content))
    assert main(["replay", "nowhere", "--csv", str(tmp_path / "o.csv"), "--model", str(broken)]) == 1
    assert "sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("stepz: 3", "stepz"),
        ("steps: many", "steps"),
        ("size: huge", "size"),
        ("withhold: [{where: {}, modalities: [smell]}]", "modalities"),
        ("trained_imperfections: [12345]", "trained_imperfections"),
        ("model: {width: 17}", "width"),
        ("- a\n- b", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_bad_configuration_names_its_field(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=named):
        load_training_config(path)


def test_shipped_configurations_are_valid() -> None:
    folder = Path(__file__).parents[2] / "config" / "training"
    paths = sorted(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        load_training_config(path)


def fake(group: str, simulated: bool = False, labels: list[int] | None = None) -> Recording:
    n = len(labels) if labels else 1
    arrays = {f.name: np.zeros(n) for f in fields(RecordingFeatures)}
    arrays["time_s"] = np.arange(n) * 0.1
    arrays["action"] = np.array(labels or [0])
    return Recording(Path(group), {"group": group, "simulated": str(simulated).lower()}, RecordingFeatures(**arrays))


def test_no_group_stands_on_both_sides_of_a_split() -> None:
    data = [fake(f"g{i % 6}") for i in range(24)] + [fake(f"s{i % 5}", simulated=True) for i in range(20)]
    kept, held = hold_out_groups(data, 0.2, seed=3)
    assert not {r.group for r in kept} & {r.group for r in held}
    assert {r.simulated for r in held} == {True, False}
    assert len(kept) + len(held) == len(data)


def test_leave_one_group_out_never_tests_on_simulation() -> None:
    data = [fake("a"), fake("a"), fake("b"), fake("sim", simulated=True)]
    folds = list(leave_one_group_out(data))
    assert [(group, len(test)) for group, _, test in folds] == [("a", 2), ("b", 1)]
    assert all(any(r.simulated for r in training) for _, training, _ in folds)
    with pytest.raises(InputError, match="two or more"):
        list(leave_one_group_out(data[:2]))


def test_durations_leave_out_stays_that_the_recording_cuts_off() -> None:
    idle, deposition = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)
    data = [fake("a", labels=[idle] * 10 + [deposition] * 40), fake("b", labels=[idle] * 20 + [deposition] * 20)]
    durations, _ = fit_durations(data)
    assert durations["IDLE"] == pytest.approx(1.5)
    assert durations["MATERIAL_DEPOSITION"] == pytest.approx(3.9 + 1.9, abs=0.1), "no stay was completed: a lower bound"


def test_stages_follow_the_shortest_stays_seen_whole() -> None:
    idle, initiation, cooling = (ACTIONS.index(a) for a in (Action.IDLE, Action.ARC_INITIATION, Action.COOLING))
    steady = [fake("a", labels=[idle] * 10 + [initiation] * 20 + [cooling] * 20) for _ in range(8)]
    assert fit_durations(steady)[1] == {"IDLE": 1, "ARC_INITIATION": MOST_STAGES, "COOLING": 1}
    lengths = (2, 8, 14, 20, 26, 32)  # a tenth below 5 of 17: 25 % by one stage, 12 % by two, 6 % by three
    spread = [fake("a", labels=[idle] * 10 + [initiation] * n + [cooling] * (40 - n)) for n in lengths]
    assert fit_durations(spread)[1]["ARC_INITIATION"] == 3
    assert fit_durations(spread[:3])[1]["ARC_INITIATION"] == 1, "three stays say nothing of a spread"


def test_macro_f1_against_a_hand_computed_case() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    assert macro_f1(labels, predicted, 3) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_constant_delay_is_found_and_does_not_count_against_the_score() -> None:
    idle, deposition = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)
    time_s = np.arange(100) * 0.05
    labels = np.where((time_s >= 1) & (time_s < 3), deposition, idle)
    late = np.where((time_s >= 1.4) & (time_s < 3.4), deposition, idle)
    score, shift_s = shifted_phase_macro_f1(time_s, labels, late)
    assert (score, shift_s) == (1.0, pytest.approx(0.4))
    assert phase_macro_f1(labels, late) < 0.9
    longer = np.where((time_s >= 1) & (time_s < 4), deposition, idle)
    assert shifted_phase_macro_f1(time_s, labels, longer)[0] < 0.9, "a wrong length is no shift"


def test_extinction_counts_as_deposition_in_phases() -> None:
    deposition, extinction = ACTIONS.index(Action.MATERIAL_DEPOSITION), ACTIONS.index(Action.ARC_EXTINCTION)
    assert phase_macro_f1(np.array([deposition, extinction]), np.array([extinction, deposition])) == 1.0


def test_boundary_errors_are_predicted_minus_true() -> None:
    idle, start, deposition, cooling = (
        ACTIONS.index(a) for a in (Action.IDLE, Action.ARC_INITIATION, Action.MATERIAL_DEPOSITION, Action.COOLING)
    )
    true = np.array([idle] * 10 + [start] * 5 + [deposition] * 20 + [cooling] * 10)
    found = np.array([idle] * 12 + [start] * 5 + [deposition] * 21 + [cooling] * 7)
    errors = boundary_errors(np.arange(45) * 0.1, true, found)
    assert (errors.arc_on_s, errors.stable_s, errors.arc_off_s) == pytest.approx((0.2, 0.2, 0.3))


def test_backbone_features_equal_the_torch_backbone() -> None:
    config = ModelConfig(pretrained=False, inputs=InputSpec(camera_px=32))
    images = [np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8) for i in range(19)]
    got = BackboneFeatures(config)(images)
    with torch.inference_mode():
        expected = CameraBackbone(config).eval()(torch.from_numpy(np.stack(images))).numpy()
    np.testing.assert_allclose(got.astype(np.float32), expected, rtol=2e-3, atol=2e-3)  # kept in half precision


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
        telemetry=np.zeros((n, FEATURE_COUNT), np.float32),
        context=np.zeros((n, 4), np.int64),
        valid=np.tile(np.float32([0, 0, 1, 0]), (n, 1)),
        age_s=np.zeros((n, 4), np.float32),
        thermal_statistics=np.zeros((n, STATISTICS_COUNT), np.float32),
        imperfection=np.full((n, len(ISO_CODES)), np.nan, np.float32),
    )
    return replace(recording, features=features)


@pytest.mark.parametrize("regime", list(Regime))
def test_every_regime_scores_each_real_recording_once_and_trains_on_what_it_says(
    regime: Regime, monkeypatch: pytest.MonkeyPatch
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

    monkeypatch.setattr("msstan_core.training.cross_validation.train", watched)
    scores = list(cross_validate(CONFIG.model_copy(update={"steps": 1}), data, 1, regime=regime))
    assert sorted(s.group for s in scores) == ["a", "b"]
    expected = {
        Regime.TOGETHER: [(1, 1, False), (1, 1, False)],
        Regime.SIMULATED: [(1, 0, False)],
        Regime.PRETRAINED: [(1, 0, False), (0, 1, True), (0, 1, True)],
    }
    assert trained_on == expected[regime]
