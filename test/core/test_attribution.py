"""Where the attention goes: every share against a hand-computed case."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from msstan_core.evaluation.attribution import (
    Attribution,
    TemporalReader,
    attribution_figures,
    even_weights,
    key_ticks,
    share_on_background,
    share_on_key_ticks,
)
from msstan_core.evaluation.weld_region import cell_shares, weld_pixels, weld_region
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.temporal import MultiScaleMean, MultiScaleTemporalAttention
from msstan_core.recordings.annotations import UNLABELLED
from msstan_core.simulation.optics import SurfaceView
from msstan_core.simulation.scenario import Scenario
from msstan_core.vocabulary import ACTIONS, Action

IDLE, ARC = ACTIONS.index(Action.IDLE), ACTIONS.index(Action.MATERIAL_DEPOSITION)


class _Engine:
    """Nothing but a state."""

    def __init__(self, **state: torch.Tensor) -> None:
        self._state = {name: part.numpy() for name, part in state.items()}

    def state(self) -> dict[str, np.ndarray]:
        return self._state


def test_key_ticks_lie_within_half_a_second_of_changes_and_onsets() -> None:
    time_s = np.arange(60) / 10
    labels = np.array([IDLE] * 20 + [ARC] * 20 + [UNLABELLED] * 10 + [ARC] * 10)
    key = key_ticks(time_s, labels, [])
    assert np.flatnonzero(key).tolist() == list(range(15, 26))  # a change to or from unlabelled is none
    assert np.flatnonzero(key_ticks(time_s, labels, [3.52]))[-1] == 40
    assert not key_ticks(time_s, np.full(60, ARC), []).any()


def test_even_attention_is_the_mean_over_windows_of_what_is_there() -> None:
    assert even_weights((2, 4), np.ones(4)).tolist() == [3 / 8, 3 / 8, 1 / 8, 1 / 8]
    assert even_weights((2, 4), np.array([1.0, 0, 0, 0])).tolist() == [1, 0, 0, 0]


def test_share_on_key_ticks_follows_each_tick_into_its_past() -> None:
    key = np.array([False, True, False, False, False])
    own = np.array([[0.2, 0.7, 0.1], [1 / 3, 1 / 3, 1 / 3]])  # by age
    first = np.array([[1.0, 0, 0], [1.0, 0, 0]])
    share, even = share_on_key_ticks([first, own, own, own, None], key)
    assert share.tolist() == pytest.approx([np.nan, 0.2, 0.7, 0.1, np.nan], nan_ok=True)
    assert even.tolist() == pytest.approx([np.nan, 1 / 3, 1 / 3, 1 / 3, np.nan], nan_ok=True)


def test_share_on_background_is_judged_while_the_arc_burns() -> None:
    region = np.array([[1.0, 0.5], [0.0, 0.0]])
    looks = np.array([[0.5, 0.2], [0.2, 0.1]], np.float32)
    share, even = share_on_background([looks, looks, None], region, np.array([IDLE, ARC, ARC]))
    assert share.tolist() == pytest.approx([np.nan, 1 - 0.5 - 0.1, np.nan], nan_ok=True)
    assert even[1] == 1 - 1.5 / 4
    assert np.isnan(share_on_background([looks], None, np.array([ARC]))[0]).all()


def test_figures_are_means_over_ticks_that_have_a_share() -> None:
    bags = [
        SimpleNamespace(attribution=Attribution(*np.array([a, b, [np.nan] * 2, [np.nan] * 2])))
        for a, b in (([0.5, np.nan], [0.2, np.nan]), ([0.1, 0.3], [0.2, 0.2]))
    ]
    figures = attribution_figures(bags)  # type: ignore[arg-type]
    assert figures["attention_on_key_frames"] == pytest.approx(0.3)
    assert figures["even_on_key_frames"] == pytest.approx(0.2)
    assert np.isnan(figures["attention_on_background"])


def test_weights_that_are_read_are_those_that_the_step_uses() -> None:
    torch.manual_seed(0)
    config = ModelConfig(pretrained=False, width=16, attention_heads=2, windows=(2, 4))
    attention = MultiScaleTemporalAttention(config)
    torch.nn.init.normal_(attention.age_bias)
    attention.requires_grad_(False)
    ring, filled = torch.randn(1, 4, 16), torch.tensor([[0.0, 1, 1, 1]])
    weights = attention.weights(ring, filled)
    assert weights.shape == (1, 2, 2, 4)
    assert weights.sum(dim=3).numpy() == pytest.approx(1.0)
    assert (weights[0, :, :, 0] == 0).all()  # not filled
    assert (weights[0, 0, :, 1] == 0).all()  # outside the window of 2
    value = attention.key_value(ring).chunk(2, dim=2)[1].reshape(1, 4, 2, 8)
    read = torch.einsum("bwhr,brhd->bwhd", weights, value).reshape(1, -1)
    expected = attention.norm(attention.fuse(read)) + ring[:, -1]
    torch.testing.assert_close(attention.step(ring[:, -1], ring, filled), expected)
    engine = _Engine(ring=ring, filled=filled)
    found = TemporalReader(attention).weights(engine)  # type: ignore[arg-type]
    assert found is not None
    assert found[0] == pytest.approx(weights.mean(dim=(1, 2))[0].flip(0).numpy(), abs=1e-6)
    assert found[1].tolist() == pytest.approx([5 / 12, 5 / 12, 1 / 6, 0])
    mean = TemporalReader(MultiScaleMean(config)).weights(engine)  # type: ignore[arg-type]
    assert mean is not None
    assert (mean[0] == mean[1]).all()
    assert TemporalReader(None).weights(engine) is None  # type: ignore[arg-type]


def test_pixels_near_the_seam_are_the_weld() -> None:
    x = np.array([[-0.012, -0.008, 0.03, 0.058, 0.062]], np.float32)
    flat = SurfaceView(x, np.full_like(x, 0.002), np.zeros(x.shape, bool), x > 0.06)
    assert weld_pixels(flat, 0.05).tolist() == [[False, True, True, True, False]]
    assert weld_pixels(flat, None).tolist() == [[True, True, True, True, False]]  # the last looks past the work
    aside = flat.__class__(x, np.full_like(x, 0.011), flat.upright, flat.nothing)
    assert not weld_pixels(aside, None).any()


def test_cells_hold_the_share_of_their_pixels() -> None:
    pixels = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 1]], bool)
    assert cell_shares(pixels, (1, 2)).tolist() == [[3 / 6, 1 / 4]]
    assert cell_shares(pixels, (2, 1)).tolist() == [[2 / 5], [2 / 5]]


def test_the_region_of_a_simulated_bag_is_a_band_through_the_middle() -> None:
    camera = {"azimuth_deg": 90.0, "elevation_deg": 60.0, "field_of_view_m": 0.08}
    scenario = Scenario.model_validate({"name": "a", "joint": {"kind": "butt"}, "camera": camera})
    region = weld_region({"scenario": scenario.model_dump_json(exclude_defaults=True)}, (10, 10))
    assert region is not None
    assert region[4:6] == pytest.approx(1.0)
    assert region[[0, -1]] == pytest.approx(0.0)
    assert weld_region({}, (10, 10)) is None
    assert weld_region({"scenario": '{"name": 5}'}, (10, 10)) is None
