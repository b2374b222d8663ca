"""MS-STAN: streaming equals unrolled, masks hold, attention sums to one, ONNX equals torch."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from msstan_core.errors import InputError
from msstan_core.inference.export import TOLERANCE, export_step, largest_difference, random_tick
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.fusion import ModalityFusion
from msstan_core.model.ms_stan import Features, MsStan, Output
from msstan_core.model.spatial_attention import SpatialAttention
from msstan_core.model.temporal import MultiScaleTemporalAttention, SeparableCausalConvolution
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.vocabulary import ACTIONS, IMPERFECTIONS, MODALITIES, Modality

CONFIG = ModelConfig(pretrained=False, width=32, windows=(2, 5, 9), inputs=InputSpec(camera_px=64, thermal_px=32))


@pytest.fixture(scope="module")
def model() -> MsStan:
    torch.manual_seed(0)
    return MsStan(CONFIG).eval()


def clip(model: MsStan, ticks: int, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    rows = [random_tick(model, rng) for _ in range(ticks)]
    with torch.inference_mode():
        steps = [Features(model.backbone(r[0]), *r[1:]) for r in rows]
    return Features(*(torch.stack(part, dim=1) for part in zip(*steps, strict=True) if part[0] is not None))


def stream(model: MsStan, features: Features) -> list[Output]:
    state = model.initial_state()
    out = []
    with torch.inference_mode():
        for t in range(features.valid.shape[1]):
            output, state = model.step_features(features.map(lambda part, t=t: part[:, t]), state)
            out.append(output)
    return out


def test_streaming_equals_unrolled(model: MsStan) -> None:
    features = clip(model, 40)
    with torch.inference_mode():
        unrolled = model.unroll(features)
    for t, output in enumerate(stream(model, features)):
        for name in ("action_logits", "imperfection_logits", "embedding", "modality_weights"):
            torch.testing.assert_close(getattr(output, name), getattr(unrolled, name)[:, t], atol=1e-5, rtol=1e-5)


def test_output_at_a_tick_does_not_depend_on_later_ticks(model: MsStan) -> None:
    features = clip(model, 20)
    changed = features.map(torch.clone)
    changed.log_mel[:, 12:] += 30.0
    changed.camera[:, 12:] *= -1.0
    changed.valid[:, 12:] = 1.0
    with torch.inference_mode():
        before, after = model.unroll(features), model.unroll(changed)
    torch.testing.assert_close(before.action_logits[:, :12], after.action_logits[:, :12])
    assert not torch.allclose(before.action_logits[:, 12:], after.action_logits[:, 12:])


def test_output_does_not_depend_on_ticks_older_than_the_longest_window_and_the_convolution(model: MsStan) -> None:
    reach = CONFIG.ring_ticks + CONFIG.temporal_kernel - 1
    features = clip(model, reach + 5)
    changed = features.map(torch.clone)
    changed.log_mel[:, :4] += 30.0
    changed.valid[:, :4] = 1.0
    with torch.inference_mode():
        before, after = model.unroll(features), model.unroll(changed)
    last = reach + 4
    torch.testing.assert_close(before.action_logits[:, last], after.action_logits[:, last])


def test_masked_modality_cannot_change_the_answer(model: MsStan) -> None:
    features = clip(model, 12)
    features.valid[..., Modality.CAMERA] = 0.0
    features.valid[..., Modality.ACOUSTIC] = 1.0
    changed = features.map(torch.clone)
    changed.camera[:] = 1e3
    with torch.inference_mode():
        steps_before, steps_after = stream(model, features), stream(model, changed)
    for before, after in zip(steps_before, steps_after, strict=True):
        torch.testing.assert_close(before.action_logits, after.action_logits)
        assert before.modality_weights[0, Modality.CAMERA] == 0


def test_modality_weights_sum_to_one_over_valid_modalities_and_to_zero_without() -> None:
    torch.manual_seed(0)
    fusion = ModalityFusion(CONFIG)
    valid = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    tokens = torch.randn(3, len(MODALITIES), CONFIG.width)
    fused, weights = fusion(tokens, valid, torch.zeros(3, 4), torch.zeros(3, CONFIG.width))
    torch.testing.assert_close(weights.sum(dim=1), torch.tensor([1.0, 0.0, 1.0]))
    assert (weights[valid == 0] == 0).all()
    assert torch.isfinite(fused).all()


def test_spatial_attention_is_a_softmax_scaled_by_the_root_of_d() -> None:
    """Equations 13, 14 and 17 against a computation by hand."""
    torch.manual_seed(0)
    attention = SpatialAttention(16)
    features = torch.randn(2, 16, 3, 5)
    attended, weights = attention(features)
    scores = attention.score(features).flatten(1) / 4.0
    expected = torch.exp(scores) / torch.exp(scores).sum(dim=1, keepdim=True)
    torch.testing.assert_close(weights.flatten(1), expected)
    by_hand = torch.zeros(2, 16)
    for i in range(3):
        for j in range(5):
            by_hand += weights[:, i, j, None] * features[:, :, i, j]
    torch.testing.assert_close(attended, by_hand)


def test_separable_convolution_matches_its_definition() -> None:
    """Equation 43, causal: a weighted sum per channel over the last k normed inputs, then a mix of channels."""
    torch.manual_seed(0)
    layer = SeparableCausalConvolution(CONFIG)
    x = torch.randn(1, 10, CONFIG.width)
    normed = layer.norm(x)
    t = 7
    taps = layer.depthwise.weight.squeeze(1)
    k = CONFIG.temporal_kernel
    mixed = sum(taps[:, i] * normed[0, t - k + 1 + i] for i in range(k))
    expected = x[0, t] + layer.pointwise(torch.nn.functional.gelu(mixed))
    torch.testing.assert_close(layer.unroll(x)[0, t], expected)


def test_each_window_attends_to_its_own_ticks_only() -> None:
    torch.manual_seed(0)
    config = CONFIG.model_copy(update={"windows": (3,)})
    layer = MultiScaleTemporalAttention(config)
    h = torch.randn(1, 10, config.width)
    other = h.clone()
    other[:, :7] += 5.0  # tick 9 with a window of 3 reads ticks 7, 8, 9
    torch.testing.assert_close(layer.unroll(h)[:, 9], layer.unroll(other)[:, 9])
    other[:, 7] += 5.0
    assert not torch.allclose(layer.unroll(h)[:, 9], layer.unroll(other)[:, 9])


def test_backbone_is_frozen_and_stays_in_evaluation_mode() -> None:
    model = MsStan(CONFIG).train()
    assert not any(p.requires_grad for p in model.backbone.parameters())
    assert not any(m.training for m in model.backbone.modules())


def test_exported_graph_equals_torch_over_a_stream(model: MsStan, tmp_path: Path) -> None:
    difference = export_step(model, tmp_path)
    assert difference <= TOLERANCE
    assert largest_difference(model, tmp_path / "step.onnx", ticks=2 * CONFIG.ring_ticks + 5) <= TOLERANCE


def test_sizes_of_the_answer(model: MsStan) -> None:
    output = stream(model, clip(model, 1))[0]
    assert output.action_logits.shape == (1, len(ACTIONS))
    assert output.imperfection_logits.shape == (1, len(IMPERFECTIONS))
    assert output.attention.shape == (1, 4, 4)
    torch.testing.assert_close(output.attention.sum(), torch.tensor(1.0))


def test_a_network_that_answers_nan_is_not_exported(model: MsStan, tmp_path: Path) -> None:
    spoilt = copy.deepcopy(model)
    with torch.no_grad():
        spoilt.heads.action.weight[0, 0] = torch.nan
    with pytest.raises(InputError, match="answers with no numbers"):
        export_step(spoilt, tmp_path)
    assert not (tmp_path / "step.onnx").exists()
