"""Peers learn within equal budgets, from their own sensors, and answer from the past alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from watched_welds import CONFIG, TICKS, WELDS, FakeClock, weld

from msstan_core.errors import InputError
from msstan_core.peers.peer import OUTPUTS, Kind
from msstan_core.peers.pixel_clips import Watched
from msstan_core.peers.prediction import watch
from msstan_core.peers.registry import PEERS, Sampling
from msstan_core.peers.training import train_peer
from msstan_core.studies import peer_entrants
from msstan_core.studies.peer_entrants import judge
from msstan_core.studies.peer_scores import Reference, score
from msstan_core.training.configuration import TrainingConfig
from msstan_core.training.trainer import TrainedModel, train


def test_budget_ends_training_and_is_the_same_for_all() -> None:
    long = train_peer(PEERS["frame_mlp"], CONFIG, WELDS, seed=0, budget_s=20, clock=FakeClock())
    short = train_peer(PEERS["frame_mlp"], CONFIG, WELDS, seed=0, budget_s=8, clock=FakeClock())
    never = train_peer(PEERS["frame_mlp"], CONFIG, WELDS, seed=0, budget_s=1e-3, clock=FakeClock())
    assert never.steps == 1
    assert short.steps < long.steps
    assert short.seconds == pytest.approx(8, abs=3)


def test_ms_stan_lays_its_schedule_into_the_budget() -> None:
    judged = judge("ms_stan_camera", CONFIG, WELDS[1:], WELDS[:1], budget_s=41, decision_stride=5, clock=FakeClock())
    # A step takes a second of this clock, and 26 went into measuring that.
    assert 8 <= judged.steps <= 15
    assert judged.logits[0].shape == (TICKS, OUTPUTS)


def test_second_opinion_of_ms_stan_is_part_of_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[str, int]] = []
    clock = FakeClock()

    def counted(config: TrainingConfig, *arguments: Any, **others: Any) -> TrainedModel:
        trained.append((config.trained_part, config.steps))
        others.setdefault("progress", lambda step, steps, loss: clock())
        return train(config, *arguments, **others)

    monkeypatch.setattr(peer_entrants, "train", counted)
    judge("ms_stan", CONFIG, WELDS[1:], WELDS[:1], budget_s=200, decision_stride=5, clock=clock)
    (_, pace), (whole, network), (_, again), (part, opinion) = trained
    assert (whole, part) == ("all", "measured")
    assert pace == again and abs(2 * pace + network + opinion - 200) <= 10
    assert opinion < network
    judge("ms_stan_camera", CONFIG, WELDS[1:], WELDS[:1], budget_s=41, decision_stride=5, clock=FakeClock())
    assert [part for part, _ in trained[4:]] == ["all", "all"]


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
