"""Peers: parameter counts as published, shapes, exports, and streaming that equals the unrolled clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from msstan_core.errors import InputError
from msstan_core.model.signals import Features
from msstan_core.peers.export import export_update
from msstan_core.peers.hog_svm import DESCRIPTOR, HogSvm, hog
from msstan_core.peers.layers import normalised, parameter_count, scaled
from msstan_core.peers.registry import OUTPUTS, PEERS, Kind
from msstan_core.peers.resnet2d import ResNetFeatures
from msstan_core.peers.slowfast import SlowFast50
from msstan_core.peers.tick_features import Standardised, example_features
from msstan_core.vocabulary import Modality

NETWORKS = [name for name, peer in PEERS.items() if peer.kind is not Kind.FRAME]
PIXEL_NETWORKS = [name for name in NETWORKS if PEERS[name].kind is not Kind.FEATURES]


@pytest.mark.parametrize("name", NETWORKS)
def test_full_size_has_the_published_parameters(name: str) -> None:
    peer = PEERS[name]
    with torch.device("meta"):
        network = peer.full.build(peer.published_outputs)
    # What is read of the sensors is ours, not published, and may grow a little.
    tolerance = {"rel": 0.05, "abs": 0.01} if peer.kind is Kind.FEATURES else {"abs": 0.006}
    assert parameter_count(network) / 1e6 == pytest.approx(peer.parameters_m, **tolerance)


def test_slowfast_8x8_and_resnets_have_the_published_parameters() -> None:
    with torch.device("meta"):
        assert parameter_count(SlowFast50(400, alpha=4, lateral_kernel=7)) / 1e6 == pytest.approx(34.57, abs=0.006)
        for depth, published in ((18, 11_689_512), (50, 25_557_032)):
            features = ResNetFeatures(depth)
            assert parameter_count(features) + (features.channels + 1) * 1000 == published


@pytest.mark.parametrize("name", PIXEL_NETWORKS)
@pytest.mark.parametrize("full", [False, True])
def test_clips_give_one_logit_per_label(name: str, full: bool) -> None:
    peer = PEERS[name]
    chosen, size = peer.variant(full), peer.variant(full).sampling
    with torch.device("meta"):
        network = chosen.build(OUTPUTS).eval()
        logits = network(torch.empty(2, 3, size.frames, size.pixels, size.pixels))
    per_frame = peer.kind is Kind.STREAMING
    assert logits.shape == ((2, size.frames, OUTPUTS) if per_frame else (2, OUTPUTS))


def settled(name: str, clip: torch.Tensor) -> Any:
    """A random reduced network whose normalisations have seen the clip; fresh ones let hardly anything through."""
    network = PEERS[name].reduced.build(OUTPUTS)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network(clip)
    return network.eval()


@pytest.mark.parametrize("name", [n for n, p in PEERS.items() if p.kind is Kind.STREAMING])
def test_streaming_equals_the_unrolled_clip(name: str) -> None:
    torch.manual_seed(0)
    pixels = PEERS[name].reduced.sampling.pixels
    clip = torch.randn(2, 3, 9, pixels, pixels)
    with torch.inference_mode():
        network = settled(name, clip)
        unrolled = network(clip)
        assert unrolled.std(dim=1).max() > 1e-3
        state = network.initial_state(2)
        for t in range(clip.shape[2]):
            logits, *state = network.step(clip[:, :, t], *state)
            torch.testing.assert_close(logits, unrolled[:, t], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["cnn_lstm", "telemetry_mlp"])
def test_exported_update_equals_torch(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    feeds = export_update(PEERS[name], tmp_path / "peer.onnx", full=False)
    session = onnxruntime.InferenceSession(tmp_path / "peer.onnx", providers=["CPUExecutionProvider"])
    torch.manual_seed(0)
    module, inputs = PEERS[name].update(full=False)
    with torch.inference_mode():
        expected = module(*inputs)
    expected = expected[0] if isinstance(expected, tuple) else expected
    np.testing.assert_allclose(session.run(None, feeds)[0], expected.numpy(), atol=1e-4)


def clip_of_features(ticks: int, seed: int = 0) -> Features:
    """[2, T, ...], the camera as backbone features, telemetry missing now and then."""
    torch.manual_seed(seed)
    rows = [example_features(images=False) for _ in range(2 * ticks)]
    features = Features(*(torch.cat(part).unflatten(0, (2, ticks)) for part in zip(*rows, strict=True)))
    features.valid[:, ::3, Modality.TELEMETRY] = 0
    return features


@pytest.mark.parametrize("name", [n for n in NETWORKS if PEERS[n].kind is Kind.FEATURES])
def test_peers_over_features_stream_as_they_unroll(name: str) -> None:
    features = clip_of_features(7)
    network = PEERS[name].reduced.build(OUTPUTS).eval()
    with torch.inference_mode():
        unrolled = network(features)
        state = network.initial_state(2)  # type: ignore[operator]
        for t in range(7):
            now = features.map(lambda part, t=t: part[:, t])  # type: ignore[misc]
            logits, *state = network.step(now, *state)  # type: ignore[operator]
            torch.testing.assert_close(logits, unrolled[:, t], atol=1e-5, rtol=1e-5)


def test_peer_over_the_camera_reads_nothing_else() -> None:
    features = clip_of_features(3)
    network = PEERS["gru_camera"].reduced.build(OUTPUTS).eval()
    changed = features._replace(
        telemetry=features.telemetry + 1,
        log_mel=-features.log_mel,
        context=features.context * 0,
        thermal=-features.thermal,
    )
    with torch.inference_mode():
        assert torch.equal(network(features), network(changed))
        assert not torch.equal(network(features), network(features._replace(camera=-features.camera)))


def test_numbers_are_standardised_over_valid_ticks_and_then_fixed() -> None:
    norm = Standardised(2).train()
    x = torch.tensor([[100.0, 1.0], [300.0, 1.0], [9e9, 9e9]])
    valid = torch.tensor([[1.0], [1.0], [0.0]])
    for _ in range(3):
        out = norm(x, valid)
    torch.testing.assert_close(out[:, 0], torch.tensor([-1.0, 1.0, 0.0]), atol=1e-3, rtol=0)
    assert out[:, 1].abs().max() < 1e-2, "what never varies says nothing"
    norm.eval()
    assert norm(torch.tensor([[500.0, 1.0]]), torch.ones(1, 1))[0, 0] == pytest.approx(3.0, abs=1e-2)


def test_missing_modality_cannot_speak() -> None:
    features = clip_of_features(3)
    network = PEERS["telemetry_mlp"].reduced.build(OUTPUTS).eval()
    silent = features._replace(valid=features.valid * 0)
    with torch.inference_mode():
        assert torch.equal(network(silent), network(silent._replace(telemetry=silent.telemetry + 5)))


def test_update_of_a_camera_peer_begins_at_the_image() -> None:
    module, inputs = PEERS["frame_linear"].update()
    assert inputs[0].dtype == torch.uint8
    with torch.inference_mode():
        assert module(*inputs)[0].shape == (1, OUTPUTS)


def test_tsm_hears_the_frame_before_and_no_other() -> None:
    torch.manual_seed(0)
    clip = torch.randn(1, 3, 4, 112, 112)
    other = clip.clone()
    other[:, :, 1] = torch.randn(1, 3, 112, 112)
    with torch.inference_mode():
        network = settled("tsm_mobilenetv2", clip)
        difference = (network(clip) - network(other)).abs().amax(dim=(0, 2))
    assert difference[0] < 1e-5, "later frames are not known yet"
    assert difference[1] > 1e-3
    assert difference[2] > 1e-3, "the channels that the frame before left"


def test_hog_is_blind_to_brightness_and_sees_orientation() -> None:
    stripes = np.zeros((1, 112, 112, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = 120
    plain, brighter, turned = hog(stripes), hog(stripes + 60), hog(stripes.transpose(0, 2, 1, 3))
    assert plain.shape == (1, DESCRIPTOR)
    np.testing.assert_allclose(plain, brighter, atol=1e-3)
    assert np.abs(plain - turned).max() > 0.1


def test_svm_knows_what_it_was_not_taught() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 12)).astype(np.float32)
    labels = np.repeat([2, 5], 20)
    rows[labels == 5, 0] += 9
    svm = HogSvm(seed=0)
    svm.fit(rows, labels)
    scores = svm.scores(rows, 9)
    assert scores.shape == (40, 9)
    assert (scores.argmax(axis=1) == labels).all()


def test_svm_is_not_asked_for_a_network() -> None:
    with pytest.raises(InputError, match="no network"):
        PEERS["svm_hog"].update()


def test_width_one_is_exact_and_others_are_multiples_of_eight() -> None:
    assert scaled(54, 1.0) == 54
    assert [scaled(c, 0.25) for c in (16, 64, 100)] == [8, 16, 24]


def test_grey_of_the_imagenet_mean_normalises_to_zero() -> None:
    frames = torch.tensor([124, 116, 104], dtype=torch.uint8).expand(1, 2, 4, 4, 3)
    clip = normalised(frames)
    assert clip.shape == (1, 3, 2, 4, 4)
    assert clip.abs().max() < 0.01
