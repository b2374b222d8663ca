"""Mechanisms on feature maps, each against its equation by hand: 26-31, 33-35, 45, 46 and heat input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_examples import EVERYTHING, ON, network, small

from msstan_core.model.background import BackgroundSuppression, RunningMean
from msstan_core.model.branches import ThermalBranch
from msstan_core.model.fusion import ModalityFusion
from msstan_core.model.heat_input import HeatInputConditioning
from msstan_core.model.knowledge import SPREAD_C, KnowledgePrior
from msstan_core.model.magnification import MotionMagnification
from msstan_core.model.map_refinement import MapPast, MapRefinement
from msstan_core.model.occlusion import OcclusionMask, tick_visibility
from msstan_core.model.place_norm import PlaceNorm
from msstan_core.model.spatial_attention import MeanOverPlaces, SpatialAttention
from msstan_core.model.switches import MagnificationConfig
from msstan_core.model.thumbnail import grey_thumbnail
from msstan_core.preprocessing.telemetry_features import ENERGY_FEATURES, FEATURE_COUNT
from msstan_core.vocabulary import Modality

D = 16


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_thermal_branch_computes_the_same_in_training_with_the_same_gradients() -> None:
    """Training takes the first convolution as a product over patches; nothing else may differ."""
    branch = ThermalBranch(small())
    image = 800.0 * torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    results = []
    for training in (True, False):
        branch.train(training).zero_grad()
        maps = branch(image)
        maps.square().sum().backward()
        results.append((maps.detach(), *(p.grad.clone() for p in branch.parameters() if p.grad is not None)))
    assert len(results[0]) == 1 + len(list(branch.parameters()))
    for trained, evaluated in zip(*results, strict=True):
        torch.testing.assert_close(trained, evaluated, rtol=1e-4, atol=1e-4)


def test_the_norm_over_places_streams_the_same_as_it_trains() -> None:
    norm, maps = PlaceNorm(6), torch.randn(3, 6, 4, 5) * 7 + 2
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    streamed = norm.eval()(maps)
    torch.testing.assert_close(streamed, norm.train()(maps))
    by_hand = (maps - maps.mean((1, 2, 3), keepdim=True)) / maps.var((1, 2, 3), unbiased=False, keepdim=True).sqrt()
    torch.testing.assert_close(
        streamed, by_hand * norm.weight[:, None, None] + norm.bias[:, None, None], atol=1e-4, rtol=1e-4
    )


def test_a_fresh_occlusion_mask_is_open() -> None:
    mask = OcclusionMask(D)(maps(3, D, 4, 4))
    assert mask.shape == (3, 1, 4, 4)
    assert (mask > 0.8).all() and (mask < 1.0).all()


def test_visibility_of_a_tick_by_hand() -> None:
    """1 - 0.5 * 0.6 - 0.2 * 0.5: what the camera and the thermal image hide, as far as the tick relies on them (28)."""
    weights = torch.tensor([[0.5, 0.2, 0.3, 0.0], [0.0, 0.0, 0.0, 0.0]])
    visible = tick_visibility(weights, torch.tensor([0.4, 0.0]), torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(visible, torch.tensor([0.6, 1.0]))


def test_a_hidden_camera_loses_weight_to_the_others() -> None:
    """Its weight relative to any other falls by exactly the visible share, although its token is normalised."""
    torch.manual_seed(0)
    fusion = ModalityFusion(small())
    tokens, valid, age = torch.randn(1, 4, 32), torch.ones(1, 4), torch.zeros(1, 4)
    _, open_view = fusion(tokens, valid, age, torch.zeros(1, 32))
    _, hidden = fusion(tokens, valid, age, torch.zeros(1, 32), torch.tensor([[0.1, 1.0, 1.0, 1.0]]))
    ratio = (hidden[0, 0] / hidden[0, 2]) / (open_view[0, 0] / open_view[0, 2])
    assert ratio.item() == pytest.approx(0.1, rel=1e-4)


def test_refined_map_by_hand() -> None:
    """f_final = m * (f - b + gamma * D / (size(D) + epsilon)), equations 26, 29, 31, 34, 35."""
    torch.manual_seed(0)
    refinement = MapRefinement(small(**EVERYTHING)).eval()
    assert refinement.occlusion and refinement.background and refinement.magnification
    now, before, mean = maps(1, 32, 4, 4), maps(1, 32, 4, 4, seed=1), maps(1, 32, 4, 4, seed=2)
    refined, past = refinement.step(now, torch.ones(1), torch.ones(1), MapPast(before, mean))
    mask = refinement.occlusion(now)
    background = torch.sigmoid(refinement.background.gate(torch.cat([now, mean], dim=1))) * mean
    difference = now - before
    size = math.sqrt(float(difference.square().mean()))
    motion = 0.1 * difference / (size + 0.02)
    torch.testing.assert_close(refined.maps, mask * (now - background + motion))
    torch.testing.assert_close(refined.visible, mask.mean().reshape(1))
    assert past.previous is now and past.mean is not None
    torch.testing.assert_close(past.mean, mean + 0.02 * (now - mean))


def test_running_mean_by_hand() -> None:
    running = RunningMean(0.5)
    clip = torch.tensor([4.0, 8.0, 100.0, 2.0]).reshape(1, 4, 1, 1, 1)
    valid = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    before = running.unroll(clip, valid).flatten()
    torch.testing.assert_close(before, torch.tensor([0.0, 2.0, 5.0, 5.0]))
    after = running.step(clip[:, 3], valid[:, 3], before[3].reshape(1, 1, 1, 1))
    assert after.item() == pytest.approx(3.5)


def test_running_mean_in_closed_form_is_the_recurrence() -> None:
    """Over blocks of the closed form, with gaps, from whatever an absent image holds."""
    running = RunningMean(0.03)
    clip, valid = maps(2, 300, 3, 2, 2), (maps(2, 300, seed=1) > 0).float()
    clip[valid == 0] = float("inf")
    unrolled, mean = running.unroll(clip, valid), torch.zeros(2, 3, 2, 2)
    for t in range(300):
        torch.testing.assert_close(unrolled[:, t], mean, atol=1e-5, rtol=1e-5)
        mean = running.step(clip[:, t], valid[:, t], mean)


def test_what_stays_becomes_background_and_what_comes_is_foreground() -> None:
    background = BackgroundSuppression(D, rate=0.5)
    torch.nn.init.constant_(background.gate[-1].bias, 50.0)  # type: ignore[arg-type]
    scene, mean = maps(1, D, 3, 3), torch.zeros(1, D, 3, 3)
    assert torch.equal(background(scene, mean).foreground, scene)  # nothing is background until it has stayed
    for _ in range(40):
        mean = background.running_mean.step(scene, torch.ones(1), mean)
    assert background(scene, mean).foreground.abs().max() < 1e-6
    spatter = torch.zeros_like(scene)
    spatter[..., 1, 1] = 3.0
    torch.testing.assert_close(background(scene + spatter, mean).foreground, spatter, atol=1e-5, rtol=0)


def test_separation_error_by_hand_and_its_trivial_optimum_costs() -> None:
    """Equation 30 is 0 for background 0 and the identity as foreground network; tied to the mean it is mean(M^2)."""
    background = BackgroundSuppression(D, rate=0.1)
    now, mean = maps(2, D, 3, 3), maps(2, D, 3, 3, seed=1)
    separated = background(now, mean)
    torch.testing.assert_close(separated.foreground + separated.background, now)
    reconstructed = background.reconstruct(separated.foreground) + separated.background
    by_hand = (reconstructed - now).square().mean(dim=(1, 2, 3)) + (separated.background - mean).square().mean(
        dim=(1, 2, 3)
    )
    torch.testing.assert_close(background.error(now, mean, separated), by_hand)
    torch.nn.init.constant_(background.gate[-1].bias, -200.0)  # type: ignore[arg-type]
    torch.nn.init.dirac_(background.reconstruct.weight)
    torch.nn.init.zeros_(background.reconstruct.bias)  # type: ignore[arg-type]
    trivial = background.error(now, mean, background(now, mean))
    torch.testing.assert_close(trivial, mean.square().mean(dim=(1, 2, 3)))


def test_magnified_motion_by_hand() -> None:
    """D is 0.3 everywhere, its root mean square too: gamma * 0.3 / (0.3 + 0.05)."""
    magnify = MotionMagnification(MagnificationConfig(enabled=True, gain=2.0, least_noise=0.05)).eval()
    previous = maps(2, D, 3, 3)
    added = magnify(previous + 0.3, previous, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(added[0], torch.full((D, 3, 3), 2.0 * 0.3 / 0.35))
    assert (added[1] == 0).all()  # no valid map before: nothing is known to have moved


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size=st.floats(0.0, 0.05), motion=st.floats(0.5, 50.0))
def test_noise_is_never_magnified_like_motion(size: float, motion: float) -> None:
    """As printed (34), both would come out at the same size."""
    magnify = MotionMagnification(MagnificationConfig(enabled=True, gain=1.0, least_noise=0.05)).eval()
    still, noise = torch.zeros(1, D, 3, 3), maps(1, D, 3, 3)
    noise = noise / noise.square().mean().sqrt()

    def magnified(amount: float) -> float:
        return float(magnify(still + amount * noise, still, torch.ones(1)).detach().square().mean().sqrt())

    assert magnified(size) <= 0.5 + 1e-3
    assert magnified(motion) >= 0.9


def test_training_measures_the_noise_floor_and_evaluation_keeps_it() -> None:
    magnify = MotionMagnification(MagnificationConfig(enabled=True, least_noise=0.01))
    previous = torch.zeros(100, D, 3, 3)
    noise = maps(100, D, 3, 3)
    noise = noise / noise.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() * 0.2
    noise[50:] *= 10.0  # half of the ticks move
    noise[:10] = 0.0  # a slower camera repeats its image: no noise there, but no measurement of it either
    for _ in range(400):
        magnify(noise, previous, torch.ones(100))
    assert magnify.noise_floor.item() == pytest.approx(0.2, rel=0.02)
    magnify.eval()(10 * noise, previous, torch.ones(100))
    assert magnify.noise_floor.item() == pytest.approx(0.2, rel=0.02)


def test_magnification_has_a_finite_gradient_where_nothing_moves() -> None:
    magnify = MotionMagnification(MagnificationConfig(enabled=True))
    now = torch.zeros(1, D, 3, 3, requires_grad=True)
    magnify(now, torch.zeros(1, D, 3, 3), torch.ones(1)).sum().backward()
    assert now.grad is not None and torch.isfinite(now.grad).all()


def test_thumbnail_by_hand() -> None:
    camera = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    camera[0, 0, 0] = torch.tensor([255, 0, 3], dtype=torch.uint8)  # 258 / 48 = 5.375
    camera[0, 4:, 4:] = 200
    torch.testing.assert_close(grey_thumbnail(camera)[0], torch.tensor([[5.0, 0.0], [0.0, 200.0]]))


def prior(floor: float = 0.1, tip: tuple[float, float] | None = None, spot: bool = True) -> KnowledgePrior:
    config = small(knowledge={"enabled": True, "hottest_spot": spot, "torch_tip": tip, "floor": floor})
    return KnowledgePrior(config, side=2, spread=SPREAD_C, tip=tip)


def test_prior_of_the_hottest_spot_by_hand() -> None:
    """Cells of 600, 300, 0 and 0 degC: softmax of 2, 1, 0, 0; a tenth is spread evenly (46)."""
    image = torch.tensor([[600.0, 300.0], [0.0, 0.0]]).repeat_interleave(4, 0).repeat_interleave(4, 1).unsqueeze(0)
    shares = [math.exp(2), math.exp(1), 1.0, 1.0]
    by_hand = torch.tensor([0.9 * s / sum(shares) + 0.1 / 4 for s in shares])
    torch.testing.assert_close(prior().prior(image).flatten(), by_hand)


def test_a_cold_scene_is_no_statement() -> None:
    torch.testing.assert_close(prior().prior(torch.full((1, 8, 8), 25.0)), torch.full((1, 2, 2), 0.25))


def test_the_torch_tip_draws_the_prior_to_its_place() -> None:
    known = prior(tip=(0.9, 0.2), spot=False).prior(None)[0]
    assert known.sum().item() == pytest.approx(1.0)
    assert known[0, 1] == known.max()
    # Cell centres at a quarter and three quarters, spread 0.15.
    ratio = (known[0, 1] - 0.025) / (known[0, 0] - 0.025)
    assert ratio.item() == pytest.approx(math.exp((0.65**2 - 0.15**2) / (2 * 0.15**2)), rel=1e-3)


def test_guided_attention_is_a_distribution() -> None:
    """Alpha * prior^strength, normalised: 45 in logit space. As printed it would sum to 2."""
    torch.manual_seed(0)
    attention, guide = SpatialAttention(D), prior()
    torch.nn.init.constant_(guide.strength, 0.7)
    features, image = torch.randn(1, D, 2, 2), torch.rand(1, 8, 8) * 1000
    attended, guided = attention(features, guide(image))
    _, alone = attention(features)
    product = alone * guide.prior(image) ** 0.7
    torch.testing.assert_close(guided, product / product.sum())
    torch.testing.assert_close(attended, (features * guided[:, None]).sum(dim=(2, 3)))


def test_attention_switched_off_is_the_mean_over_places() -> None:
    features = maps(2, D, 3, 5)
    attended, weights = MeanOverPlaces()(features, None, None)
    torch.testing.assert_close(attended, features.mean(dim=(2, 3)))
    torch.testing.assert_close(weights, torch.full((2, 3, 5), 1 / 15))


def test_heat_input_steers_where_to_look_not_what_is_seen() -> None:
    torch.manual_seed(0)
    attention, features, condition = SpatialAttention(D), torch.randn(1, D, 3, 3), torch.randn(1, D)
    _, alone = attention(features)
    attended, steered = attention(features, None, condition)
    assert not torch.allclose(alone, steered)
    torch.testing.assert_close(attended, (features * steered[:, None]).sum(dim=(2, 3)))


def test_heat_input_starts_without_influence_and_needs_valid_telemetry() -> None:
    config = small(context={"heat_input": True})
    telemetry, valid = torch.randn(2, FEATURE_COUNT), torch.ones(2, 4)
    valid[1, Modality.TELEMETRY] = 0.0
    fresh = HeatInputConditioning(config)
    assert (fresh(telemetry, valid) == 0).all()
    torch.nn.init.normal_(fresh.layers[-1].weight)  # type: ignore[arg-type]
    condition = fresh(telemetry, valid)
    assert (condition[0] != 0).any() and (condition[1] == 0).all()
    other = telemetry.clone()
    other[:, : ENERGY_FEATURES[0]] += 1.0  # the rest of the telemetry has its own branch
    torch.testing.assert_close(fresh(other, valid), condition)


def test_a_hidden_image_is_suppressed() -> None:
    """With the mask closed, two different images give the same answer (26)."""
    model = network(occlusion=ON)
    assert model.camera_refinement is not None and model.camera_refinement.occlusion is not None
    torch.nn.init.constant_(model.camera_refinement.occlusion.layers[-1].bias, -200.0)  # type: ignore[arg-type]
    refined, _ = model.camera_refinement.step(maps(1, 32, 4, 4), torch.ones(1), None, MapPast(None, None))
    assert (refined.maps == 0).all() and refined.visible is not None and refined.visible.item() == 0.0
