"""Peers: parameter counts as published, shapes, exports, and streaming that equals the unrolled clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from msstan_core.peers.export import export_update
from msstan_core.peers.layers import normalised, parameter_count, scaled
from msstan_core.peers.registry import OUTPUTS, PEERS, Kind
from msstan_core.peers.resnet2d import ResNetFeatures
from msstan_core.peers.slowfast import SlowFast50


@pytest.mark.parametrize("name", PEERS)
def test_full_size_has_the_published_parameters(name: str) -> None:
    peer = PEERS[name]
    with torch.device("meta"):
        network = peer.full.build(peer.published_outputs)
    assert parameter_count(network) / 1e6 == pytest.approx(peer.parameters_m, abs=0.006)


def test_slowfast_8x8_and_resnets_have_the_published_parameters() -> None:
    with torch.device("meta"):
        assert parameter_count(SlowFast50(400, alpha=4, lateral_kernel=7)) / 1e6 == pytest.approx(34.57, abs=0.006)
        for depth, published in ((18, 11_689_512), (50, 25_557_032)):
            features = ResNetFeatures(depth)
            assert parameter_count(features) + (features.channels + 1) * 1000 == published


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("full", [False, True])
def test_clips_give_one_logit_per_label(name: str, full: bool) -> None:
    peer = PEERS[name]
    chosen, size = peer.variant(full), peer.variant(full).sampling
    with torch.device("meta"):
        network = chosen.build(OUTPUTS).eval()
        logits = network(torch.empty(2, 3, size.frames, size.pixels, size.pixels))
    per_frame = peer.kind is Kind.STREAMING
    assert logits.shape == ((2, size.frames, OUTPUTS) if per_frame else (2, OUTPUTS))


@pytest.mark.parametrize("name", [n for n, p in PEERS.items() if p.kind is Kind.STREAMING])
def test_streaming_equals_the_unrolled_clip(name: str) -> None:
    torch.manual_seed(0)
    peer = PEERS[name]
    network = peer.reduced.build(OUTPUTS).eval()
    clip = torch.randn(2, 3, 5, 64, 64)
    with torch.inference_mode():
        unrolled = network(clip)
        state = network.initial_state(2)  # type: ignore[operator]
        for t in range(clip.shape[2]):
            logits, *state = network.step(clip[:, :, t], *state)  # type: ignore[operator]
            torch.testing.assert_close(logits, unrolled[:, t], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["r3d_18", "cnn_lstm"])
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


def test_width_one_is_exact_and_others_are_multiples_of_eight() -> None:
    assert scaled(54, 1.0) == 54
    assert [scaled(c, 0.25) for c in (16, 64, 100)] == [8, 16, 24]


def test_grey_of_the_imagenet_mean_normalises_to_zero() -> None:
    frames = torch.tensor([124, 116, 104], dtype=torch.uint8).expand(1, 2, 4, 4, 3)
    clip = normalised(frames)
    assert clip.shape == (1, 3, 2, 4, 4)
    assert clip.abs().max() < 0.01
