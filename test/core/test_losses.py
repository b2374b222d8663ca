"""Every loss term against a case computed by hand, and against what its equation is for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_examples import EVERYTHING, OFF, ON, clip, network, small
from torch import Tensor
from torch.nn import functional

from msstan_core.errors import InputError
from msstan_core.model.heads import Heads
from msstan_core.model.temporal import SeparableCausalConvolution
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.training.configuration import load_training_config
from msstan_core.training.losses.classification import action_loss, imperfection_loss
from msstan_core.training.losses.contrastive import (
    labelled_ticks,
    margin_contrastive_loss,
    supervised_contrastive_loss,
)
from msstan_core.training.losses.occlusion import occlusion_loss
from msstan_core.training.losses.reconstruction import reconstruction_loss
from msstan_core.training.losses.regularisation import sparsity_loss, weight_penalty
from msstan_core.training.losses.sampling import importance_loss, importance_target, smoothness_loss
from msstan_core.training.losses.semantic import action_similarity, semantic_loss
from msstan_core.training.losses.total import mechanism_losses
from msstan_core.training.losses.weights import LossWeights, check_losses
from msstan_core.vocabulary import ACTIONS, IMPERFECTIONS, Action

ALL_WEIGHTS = LossWeights(
    weight_penalty=0.01,
    occlusion=0.1,
    reconstruction=0.1,
    contrastive=0.1,
    importance=0.1,
    smoothness=0.1,
    sparsity=0.1,
    semantic=0.1,
)
TERMS = (
    "weight_penalty",
    "occlusion",
    "reconstruction",
    "contrastive",
    "importance",
    "smoothness",
    "sparsity",
    "semantic",
)


def test_action_loss_by_hand() -> None:
    """Equation 21: two labelled ticks of weights 1 and 3, one without label."""
    logits = torch.zeros(1, 3, len(ACTIONS))
    logits[0, 0, 2] = 2.0
    labels = torch.tensor([[2, 4, UNLABELLED]])
    loss = action_loss(logits, labels, torch.tensor([[1.0, 3.0, 9.0]]), torch.ones(len(ACTIONS)), 0.0)
    first, second = -math.log(math.exp(2) / (math.exp(2) + 8)), math.log(9)
    assert loss.item() == pytest.approx((first + 3 * second) / 4)


def test_imperfection_loss_by_hand() -> None:
    logits = torch.zeros(1, 1, len(IMPERFECTIONS))
    logits[..., 1] = 1.5
    labels = torch.full_like(logits, float("nan"))
    labels[..., 0], labels[..., 1] = 1.0, 0.0
    by_hand = (math.log(2) - math.log(1 - 1 / (1 + math.exp(-1.5)))) / 2
    assert imperfection_loss(logits, labels).item() == pytest.approx(by_hand)


def test_weight_penalty_and_its_gradients() -> None:
    """Equations 22, 24 and 25: half the squared norm; lambda W for the weights, nothing for the bias."""
    heads = Heads(small())
    penalty = weight_penalty(heads)
    assert penalty.item() == pytest.approx(sum(w * w for w in heads.action.weight.flatten().tolist()) / 2, rel=1e-5)
    (0.3 * penalty).backward()
    torch.testing.assert_close(heads.action.weight.grad, 0.3 * heads.action.weight.detach())
    assert heads.action.bias.grad is None


def test_occlusion_loss_by_hand() -> None:
    """Camera masks of 0.9 and 0.4, a thermal one of 0.5; the rest has no image."""
    visible = torch.tensor([[[0.9, 0.5], [0.4, 0.0], [0.0, 0.0]]])
    valid = torch.tensor([[[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]])
    assert occlusion_loss(visible, valid).item() == pytest.approx((0.1 + 0.6 + 0.5) / 3)
    assert occlusion_loss(visible, torch.zeros_like(valid)).item() == 0.0


def test_occlusion_loss_opens_the_mask() -> None:
    """The printed L1 norm (27) would close it: its slope has the other sign."""
    visible = torch.full((1, 2, 2), 0.5, requires_grad=True)
    occlusion_loss(visible, torch.ones(1, 2, 2)).backward()
    assert visible.grad is not None and (visible.grad < 0).all()


def test_reconstruction_loss_by_hand() -> None:
    error = torch.tensor([[[2.0, 100.0], [4.0, 100.0]]])
    valid = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert reconstruction_loss(error, valid).item() == pytest.approx(3.0)


def test_supervised_contrastive_loss_by_hand() -> None:
    """Two ticks of one action at right angles, one of another opposite the first; temperature 0.5."""
    projected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 1])
    anchor_0 = -math.log(math.exp(0 / 0.5) / (math.exp(0 / 0.5) + math.exp(-1 / 0.5)))
    anchor_1 = -math.log(math.exp(0 / 0.5) / (math.exp(0 / 0.5) + math.exp(0 / 0.5)))
    loss = supervised_contrastive_loss(projected, labels, 0.5)
    assert loss.item() == pytest.approx((anchor_0 + anchor_1) / 2)


def test_margin_contrastive_loss_by_hand() -> None:
    """Squared distances 2 (equal actions), 4 and 2 (different, margin 3): (2 + 0 + 1) of both orders over 6 pairs."""
    projected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    loss = margin_contrastive_loss(projected, torch.tensor([0, 0, 1]), 3.0)
    assert loss.item() == pytest.approx(2 * (2.0 + 0.0 + 1.0) / 6)


@pytest.mark.parametrize("form", ["supervised", "margin"])
def test_contrastive_losses_pull_equal_and_push_different_actions(form: str) -> None:
    """The printed equations 36 to 38 do the opposite."""

    def loss(projected: Tensor) -> Tensor:
        labels = torch.tensor([0, 0, 1, 1])
        if form == "supervised":
            return supervised_contrastive_loss(projected, labels, 0.1)
        return margin_contrastive_loss(projected, labels, 1.0)

    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    together, mixed = torch.stack([east, east, north, north]), torch.stack([east, north, east, north])
    assert loss(together) < 0.01 < loss(mixed)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 3), min_size=0, max_size=12))
def test_contrastive_losses_are_finite_and_not_negative(labels: list[int]) -> None:
    projected = functional.normalize(torch.randn(len(labels), 3), dim=1)
    classes = torch.tensor(labels, dtype=torch.int64)
    for loss in (
        supervised_contrastive_loss(projected, classes, 0.1),
        margin_contrastive_loss(projected, classes, 1.0),
    ):
        assert torch.isfinite(loss) and loss >= -1e-6


def test_paired_ticks_are_labelled_count_and_are_thinned_evenly() -> None:
    values = torch.arange(20.0).reshape(2, 10, 1)
    labels = torch.arange(20).reshape(2, 10)
    labels[0, 0] = UNLABELLED
    weights = torch.ones(2, 10)
    weights[1, 5:] = 0.0
    rows, classes = labelled_ticks(values, labels, weights, most=5)
    assert classes.tolist() == [1, 4, 7, 10, 13] == rows.flatten().tolist()


def test_importance_target_by_hand() -> None:
    """Half the probability mass that moved since the last look, 1 where the label changed, unknown before any look."""
    probabilities = torch.tensor([[[0.8, 0.2], [0.5, 0.5], [0.1, 0.9], [0.1, 0.9]]])
    labels = torch.tensor([[0, UNLABELLED, 0, 1]])
    looked = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    target, known = importance_target(probabilities, labels, looked)
    torch.testing.assert_close(target[0, 1:], torch.tensor([0.3, 0.7, 1.0]))
    assert known[0].tolist() == [0.0, 1.0, 1.0, 1.0]


def test_importance_loss_by_hand() -> None:
    loss = importance_loss(torch.tensor([[0.5, 0.2]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 3.0]]))
    assert loss.item() == pytest.approx((math.log(2) - 3 * math.log(0.8)) / 4)


def test_smoothness_loss_by_hand() -> None:
    """Equation 42 over neighbours that both count: (0.1 - 0.4)^2 and not the step to 0.9."""
    importance, weights = torch.tensor([[0.1, 0.4, 0.9]]), torch.tensor([[1.0, 1.0, 0.0]])
    assert smoothness_loss(importance, weights).item() == pytest.approx(0.09)


def test_sparsity_loss_is_the_norm_over_the_number_of_weights() -> None:
    """Equation 44: |theta|_1 of the depthwise and the pointwise kernel."""
    convolution = SeparableCausalConvolution(small())
    weights = [*convolution.depthwise.weight.flatten().tolist(), *convolution.pointwise.weight.flatten().tolist()]
    assert sparsity_loss(convolution).item() == pytest.approx(sum(map(abs, weights)) / len(weights), rel=1e-5)


def test_similarity_of_actions() -> None:
    s = action_similarity()
    index = {action: i for i, action in enumerate(ACTIONS)}
    torch.testing.assert_close(s, s.t())
    assert (s >= 0).all() and (s <= 1).all() and (s.diagonal() == 0).all()
    assert s[index[Action.CRATER_FILL], index[Action.ARC_EXTINCTION]] > s[index[Action.CRATER_FILL], index[Action.IDLE]]
    # IDLE and COOLING differ in two of seven statements: hot metal, falling energy.
    assert s[index[Action.IDLE], index[Action.COOLING]].item() == pytest.approx(2 * 5 / 7 - 1)


def test_semantic_loss_by_hand() -> None:
    """Means (1, 0) and (4, 4) at S = 0.5, and a third action that is not there: S drops out of the weighted mean."""
    similarity = torch.tensor([[0.0, 0.5, 0.9], [0.5, 0.0, 0.9], [0.9, 0.9, 0.0]])
    embeddings = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 4.0]])
    loss = semantic_loss(embeddings, torch.tensor([0, 0, 1]), similarity)
    assert loss.item() == pytest.approx((9 + 16) / 2)
    assert semantic_loss(embeddings[:2], torch.tensor([0, 0]), similarity).item() == 0.0


def everything_on() -> tuple[dict[str, Tensor], Any]:
    torch.manual_seed(0)
    model = network(**EVERYTHING).train()
    features = clip(model, 40).map(lambda part: part.expand(4, *part.shape[1:]))
    labels = torch.arange(40).div(10, rounding_mode="floor").expand(4, 40)
    output, auxiliary = model.unroll_with_auxiliary(features)
    seen = features.valid.amax(dim=2)
    return mechanism_losses(ALL_WEIGHTS, model, output, auxiliary, labels, features.valid, seen), model


def test_every_weighted_term_is_there_and_teaches_its_mechanism() -> None:
    terms, model = everything_on()
    assert tuple(terms) == TERMS
    taught = {
        "weight_penalty": model.heads.action.weight,
        "occlusion": model.camera_refinement.occlusion.layers[0].weight,
        "reconstruction": model.camera_refinement.background.gate[0].weight,
        "contrastive": model.projection.layers[0].weight,
        "importance": model.gate.score[0].weight,
        "smoothness": model.gate.score[0].weight,
        "sparsity": model.convolution.depthwise.weight,
        "semantic": model.temporal.fuse.weight,
    }
    for name, term in terms.items():
        (gradient,) = torch.autograd.grad(term, taught[name], retain_graph=True)
        assert torch.isfinite(gradient).all() and (gradient != 0).any(), name


def test_a_term_counts_by_its_weight_and_not_at_all_at_zero() -> None:
    model = network().train()
    features = clip(model, 12)
    labels = torch.arange(12).div(4, rounding_mode="floor")[None]
    output, auxiliary = model.unroll_with_auxiliary(features)

    def terms(weight: float) -> dict[str, Tensor]:
        losses = LossWeights(semantic=weight)
        return mechanism_losses(losses, model, output, auxiliary, labels, features.valid, torch.ones(1, 12))

    assert terms(0.0) == {}
    torch.testing.assert_close(terms(0.6)["semantic"], 3 * terms(0.2)["semantic"])


@pytest.mark.parametrize(
    ("term", "switch"),
    [
        ("occlusion", "occlusion"),
        ("reconstruction", "background"),
        ("contrastive", "projection"),
        ("importance", "sampling"),
        ("smoothness", "sampling"),
        ("sparsity", "separable_convolution"),
    ],
)
def test_a_term_without_its_mechanism_stops_with_the_switch_to_set(term: str, switch: str, tmp_path: Path) -> None:
    losses = LossWeights(**{term: 0.1})
    with pytest.raises(InputError, match=rf"losses\.{term} .*model\.{switch}\.enabled"):
        check_losses("here", losses, small(**{switch: OFF}))
    check_losses("here", losses, small(**{switch: ON}))
    path = tmp_path / "config.yaml"
    path.write_text(f"losses: {{{term}: 0.1}}\nmodel: {{{switch}: {{enabled: false}}}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"config\.yaml.*losses\.{term}"):
        load_training_config(path)


def test_a_tick_that_saw_nothing_teaches_no_imperfection() -> None:
    logits = torch.tensor([[0.0, 2.0], [5.0, -5.0]])
    labels = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    found = imperfection_loss(logits, labels, torch.tensor([1.0, 0.0]))
    assert float(found) == pytest.approx(math.log(2.0)), "of the first tick's known answer alone"
    assert float(imperfection_loss(logits, labels)) > 3.0
