"""The comparison: equal budgets, grouped folds, nothing from the future, runs that are kept and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.errors import InputError
from msstan_core.observation import NANOSECONDS_PER_SECOND, CameraFrame
from msstan_core.peers.camera_frames import camera_frames
from msstan_core.peers.peer import OUTPUTS, Kind
from msstan_core.peers.pixel_clips import PixelClipSampler, Watched, clip_rows, shrunk
from msstan_core.peers.prediction import watch
from msstan_core.peers.registry import PEERS, Sampling
from msstan_core.peers.training import train_peer
from msstan_core.preprocessing.thermal_statistics import STATISTICS_COUNT
from msstan_core.recordings.annotations import action_span
from msstan_core.recordings.bag import BagWriter
from msstan_core.studies.peer_comparison import Protocol, Run, RunFile, carry_out, missing_runs
from msstan_core.studies.peer_entrants import judge
from msstan_core.studies.peer_results import ahead_of, figures_of
from msstan_core.studies.peer_scores import Reference, event_f1, pace_ticks, paced, score
from msstan_core.studies.peer_splits import grouped_folds, material_pair
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.recording_features import UNLABELLED, Recording, RecordingFeatures
from msstan_core.vocabulary import ACTIONS, Action, Modality

MODEL = {"width": 16, "pretrained": False, "attention_heads": 2, "inputs": {"camera_px": 32, "thermal_px": 16}}
CONFIG = TrainingConfig(steps=5, clips_per_step=2, clip_ticks=16, model=MODEL)
PHASES = [ACTIONS.index(a) for a in (Action.IDLE, Action.MATERIAL_DEPOSITION, Action.COOLING)]
TICKS = 48


def weld(seed: int, pair: tuple[str, str] = ("copper", "nickel"), camera: bool = True) -> Watched:
    """Idle, deposition, cooling; frames, features and telemetry all say which."""
    rng = np.random.default_rng(seed)
    action = np.repeat(PHASES, TICKS // 3)
    level = (np.searchsorted(PHASES, action) / 2).astype(np.float32)
    spec = CONFIG.model_config_of_size().inputs
    valid = np.zeros((TICKS, 4), np.float32)
    valid[:, [Modality.CAMERA, Modality.TELEMETRY] if camera else [Modality.TELEMETRY]] = 1
    imperfection = np.zeros((TICKS, 13), np.float32)
    imperfection[TICKS // 2 :, 2] = 1
    features = RecordingFeatures(
        time_s=np.arange(TICKS) / 25,
        camera=(rng.normal(size=(TICKS, 80, 2, 2)) + 3 * level[:, None, None, None]).astype(np.float16),
        camera_row=np.arange(TICKS) if camera else np.full(TICKS, -1),
        thermal=np.zeros((1, 16, 16), np.float16),
        thermal_row=np.full(TICKS, -1),
        log_mel=np.full((TICKS, spec.log_mel.bands, spec.log_mel.frames), -90, np.float16),
        telemetry=(rng.normal(size=(TICKS, spec.telemetry_count)) + level[:, None]).astype(np.float32),
        context=np.ones((TICKS, 4), np.int64),
        valid=valid,
        age_s=np.zeros((TICKS, 4), np.float32),
        thermal_statistics=np.zeros((TICKS, STATISTICS_COUNT), np.float32),
        action=action,
        imperfection=imperfection,
    )
    frames = (rng.integers(0, 40, (TICKS, 112, 112, 3)) + 100 * level[:, None, None, None]).astype(np.uint8)
    attributes = {"material_a": pair[0], "material_b": pair[1], "group": f"cell{seed}"}
    recording = Recording(Path(f"weld{seed}"), attributes, features)
    return Watched(recording, frames if camera else frames[:0])


class FakeClock:
    """Every look at it takes a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


PAIRS = [("copper", "nickel"), ("steel", "steel"), ("steel", "steel"), ("aluminium", "steel")]
WELDS = [weld(seed, pair) for seed, pair in enumerate(PAIRS)]


def test_budget_ends_training_and_is_the_same_for_all() -> None:
    long = train_peer(PEERS["frame_mlp"], CONFIG, WELDS, seed=0, budget_s=20, clock=FakeClock())
    short = train_peer(PEERS["frame_mlp"], CONFIG, WELDS, seed=0, budget_s=8, clock=FakeClock())
    never = train_peer(PEERS["frame_mlp"], CONFIG, WELDS, seed=0, budget_s=1e-3, clock=FakeClock())
    assert never.steps == 1
    assert short.steps < long.steps
    assert short.seconds == pytest.approx(8, abs=3)


def test_ms_stan_lays_its_schedule_into_the_budget() -> None:
    judged = judge("ms_stan", CONFIG, WELDS[1:], WELDS[:1], budget_s=20, decision_stride=5, clock=FakeClock())
    # A step takes a second of this clock, and five went into measuring that.
    assert 8 <= judged.steps <= 15
    assert judged.logits[0].shape == (TICKS, OUTPUTS)


def test_peer_learns_what_its_sensor_tells_and_is_blind_to_others() -> None:
    judged = judge("telemetry_mlp", CONFIG, WELDS[1:], WELDS[:1], budget_s=120, decision_stride=5, clock=FakeClock())
    right = (judged.logits[0][:, :9].argmax(axis=1) == WELDS[0].recording.features.action).mean()
    assert right > 0.8
    with pytest.raises(InputError, match="sensors"):
        judge("gru_camera", CONFIG, [weld(9, camera=False)], WELDS[:1], 1, 5)


def test_svm_learns_from_frames_and_says_nothing_of_imperfections() -> None:
    judged = judge("svm_hog", CONFIG, WELDS[1:], WELDS[:1], budget_s=1, decision_stride=5)
    assert np.isfinite(judged.logits[0][:, :9]).all()
    known = Reference.of([w.recording for w in WELDS[1:]], 0.5)
    figures = score([WELDS[0].recording], judged.logits, known)
    assert np.isnan(figures["imperfection_map"])
    assert 0 <= figures["accuracy"] <= 1


@pytest.mark.parametrize("name", ["x3d_xs", "cnn_lstm"])
def test_pixel_peer_trains_and_answers_every_tick_from_the_past(name: str) -> None:
    peer = PEERS[name]
    peer = replace(peer, reduced=replace(peer.reduced, sampling=Sampling(4, 56, 2)))
    trained = train_peer(peer, CONFIG, WELDS[:1], seed=0, budget_s=1e-3)
    before = watch(peer, trained.network, WELDS[0], decision_stride=6)
    assert before.shape == (TICKS, OUTPUTS)
    later = WELDS[0].frames.copy()
    later[24:] = 255 - later[24:]
    after = watch(peer, trained.network, replace(WELDS[0], frames=later), decision_stride=6)
    np.testing.assert_array_equal(before[:24], after[:24])
    assert np.abs(before[24:] - after[24:]).max() > 0
    held = 6 if peer.kind is Kind.CLIP else 2
    assert (before[:held] == before[0]).all(), "held until the next update"


def test_pixel_peer_without_any_frame_is_refused() -> None:
    with pytest.raises(InputError, match="frames"):
        train_peer(PEERS["x3d_xs"], CONFIG, [weld(0, camera=False)], seed=0, budget_s=1)


def test_ticks_before_the_first_frame_get_no_answer() -> None:
    features = WELDS[0].recording.features
    late = replace(features, camera_row=np.where(np.arange(TICKS) < 10, -1, np.arange(TICKS) - 10))
    watched = Watched(replace(WELDS[0].recording, features=late), WELDS[0].frames[10:])
    network = PEERS["x3d_xs"].reduced.build(OUTPUTS).eval()
    said = watch(PEERS["x3d_xs"], network, watched, decision_stride=5)
    assert not said[:10].any()
    assert said[10:].any(axis=1).all()


@given(st.integers(0, 200), st.integers(1, 16), st.integers(1, 12))
def test_clips_end_with_the_newest_frame_and_never_look_ahead(newest: int, frames: int, stride: int) -> None:
    rows = clip_rows(np.array([newest]), Sampling(frames, 112, stride))[0]
    assert len(rows) == frames
    assert rows[-1] == newest
    assert rows.min() >= 0
    assert (np.diff(rows) >= 0).all()


def test_drawn_clips_carry_the_label_of_their_newest_frame() -> None:
    sampler = PixelClipSampler(WELDS[:1], Sampling(3, 112, 1), seed=0, every_frame=False)
    frames, actions, imperfections = sampler.draw(40)
    assert frames.shape == (40, 3, 112, 112, 3)
    assert actions.shape == (40, 1)
    assert imperfections.shape == (40, 1, 13)
    brightness = frames[:, -1].float().mean(dim=(1, 2, 3))
    idle, cooling = (brightness[(actions == p).squeeze(1)] for p in (PHASES[0], PHASES[-1]))
    assert idle.max() < cooling.min()


def test_streaming_clips_label_every_frame_and_nothing_before_the_start() -> None:
    sampler = PixelClipSampler(WELDS[:1], Sampling(30, 112, 2), seed=0, every_frame=True)
    _, actions, imperfections = sampler.draw(20)
    assert actions.shape == (20, 30)
    unlabelled = actions == UNLABELLED
    assert unlabelled.any(), "clips that begin before the recording"
    assert torch.isnan(imperfections[unlabelled]).all()


def test_frames_shrink_by_averaging() -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    frames[:, :2, :2] = [[[0], [10]], [[20], [30]]]
    small = shrunk(frames, 2)
    assert small.shape == (2, 2, 2, 3)
    assert small[0, :, :, 0].tolist() == [[15, 0], [0, 0]]
    assert shrunk(frames, 4) is frames
    with pytest.raises(InputError, match="multiple"):
        shrunk(frames, 3)


def test_folds_leave_out_whole_groups_and_keep_the_largest() -> None:
    recordings = [w.recording for w in WELDS]
    folds = grouped_folds(recordings, material_pair, 2, keep_largest=True)
    assert folds == [frozenset({"aluminium+steel"}), frozenset({"copper+nickel"})]
    everything = grouped_folds(recordings, material_pair, 2, keep_largest=False)
    assert frozenset.union(*everything) == {"aluminium+steel", "copper+nickel", "steel+steel"}
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


def test_perfect_answers_score_one() -> None:
    recordings = [w.recording for w in WELDS]
    known = Reference.of(recordings, 0.5)
    logits = []
    for recording in recordings:
        out = np.full((TICKS, OUTPUTS), -20.0, np.float32)
        out[np.arange(TICKS), recording.features.action] = 20
        out[:, len(ACTIONS) :] = np.where(recording.features.imperfection > 0, 20, -20)
        logits.append(out)
    figures = score(recordings, logits, known)
    for name in ("accuracy", "macro_f1", "action_map", "event_f1", "imperfection_map", "imperfection_f1"):
        assert figures[name] == 1.0, name
    assert figures["ece"] < 1e-3


def test_flicker_costs_events_but_hardly_accuracy() -> None:
    truth = np.repeat(PHASES, 30)
    flickering = truth.copy()
    flickering[5::10] = ACTIONS.index(Action.CRATER_FILL)
    assert (flickering == truth).mean() == 0.9
    assert event_f1([truth], [truth]) == 1.0
    assert event_f1([truth], [flickering]) < 0.2


def test_half_a_segment_counts_and_less_does_not() -> None:
    truth = np.array([0] * 10 + [1] * 10)
    assert event_f1([truth], [np.array([0] * 10 + [1] * 5 + [2] * 5)]) == pytest.approx(2 * 2 / 5)
    assert event_f1([truth], [np.array([0] * 10 + [1] * 4 + [2] * 6)]) == pytest.approx(2 * 1 / 5)


@given(st.integers(1, 60), st.integers(1, 20))
def test_slow_update_is_late_by_its_own_time_and_never_early(ticks: int, pace: int) -> None:
    said = paced(np.arange(1, ticks + 1, dtype=np.float32)[:, None], pace)[:, 0]
    age = np.arange(1, ticks + 1) - said
    if pace == 1:
        assert not age.any()
    else:
        assert not said[:pace].any(), "the first update is still being computed"
        assert (age[pace:] >= pace).all()
        assert (age[pace:] < 2 * pace).all()


def test_pace_is_the_update_in_ticks_of_the_recording() -> None:
    recordings = [WELDS[0].recording]
    assert [pace_ticks(recordings, ms) for ms in (5.0, 39.0, 41.0, 1190.0)] == [1, 1, 2, 30]


def test_frames_are_those_that_the_features_were_made_of(tmp_path: Path) -> None:
    bag = tmp_path / "weld"
    with BagWriter(bag, attributes={"group": "a"}) as writer:
        writer.annotate([action_span(0.0, 0.4, Action.IDLE, "test")])
        for i in range(10):
            stamp = 10**18 + i * NANOSECONDS_PER_SECOND // 25
            writer.write(CameraFrame(stamp, image=np.full((48, 64, 3), 20 * i, np.uint8)))
    recording = Recording(bag, {}, replace(WELDS[0].recording.features, camera_row=np.arange(10)))
    frames = camera_frames(recording, frozenset(), 24, tmp_path / "cache")
    assert frames.shape == (10, 24, 24, 3)
    assert frames[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    fewer = replace(recording, features=replace(recording.features, camera_row=np.full(10, -1)))
    with pytest.raises(InputError, match="10 frames"):
        camera_frames(fewer, frozenset(), 24, tmp_path / "cache")


def test_result_of_an_unfinished_comparison_is_json(tmp_path: Path) -> None:
    from msstan_core.studies.peer_results import content

    file = RunFile(tmp_path / "runs.jsonl", protocol())
    file.add(Run("ms_stan", 0, 0, {"accuracy": 0.5, "imperfection_map": float("nan")}, 3, 1.0))
    file.add(Run("svm_hog", 0, 0, {"accuracy": 0.4, "imperfection_map": float("nan")}, 3, 1.0))
    found = json.loads(json.dumps(content([(protocol(), file)], {"svm_hog": 1.2}), allow_nan=False))
    assert found["metrics"]["accuracy"]["mean"] == 0.5
    assert found["baselines"]["SVM+HOG"]["unseen_materials"]["update_ms"] == {"p50": 1.2}
    assert "imperfection_map" not in found["metrics"]
