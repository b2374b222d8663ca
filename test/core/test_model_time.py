"""Aggregation over time, each part against its equation by hand: 9-12, 28, 40, 41 and the state that streams them."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_examples import clip, network, small
from torch.nn import functional

from msstan_core.model.importance import ImportanceGate, ImportanceState, hold, last_looked
from msstan_core.model.memory import RecurrentMemory
from msstan_core.model.state import gate_state_shapes
from msstan_core.model.temporal import MultiScaleMean, MultiScaleTemporalAttention, blocks
from msstan_core.model.temporal_convolution3d import PlaceReduction, TemporalConvolution3d, dilations_of

VOLUME = {"aggregation": {"kind": "convolution", "channels": 4, "grid": 3}}
SAMPLING = {"sampling": {"enabled": True, "longest_hold": 3, "threshold": 0.5}}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_dilations_of_the_usual_windows() -> None:
    assert dilations_of((4, 16, 64)) == ((1, 2), (4, 8), (16, 32))
    assert dilations_of((1, 2, 9)) == ((), (1,), (2, 4, 1))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(1, 200), min_size=1, max_size=5))
def test_levels_of_a_window_read_exactly_its_ticks(windows: set[int]) -> None:
    ascending = tuple(sorted(windows))
    read = 1
    for tau, group in zip(ascending, dilations_of(ascending), strict=True):
        read += sum(group)
        assert read == tau
        assert all(dilation > 0 for dilation in group)


def test_place_reduction_is_adaptive_average_pooling() -> None:
    torch.manual_seed(0)
    reduce = PlaceReduction(small(**VOLUME), side=7)
    maps = torch.randn(2, 32, 7, 7)
    torch.testing.assert_close(reduce(maps), functional.adaptive_avg_pool2d(reduce.channels(maps), 3))


def test_a_level_is_a_dilated_causal_3d_convolution() -> None:
    """Equation 11 with torch's own 3D convolution: past and present in time, three by three in space."""
    torch.manual_seed(0)
    model = TemporalConvolution3d(small(**VOLUME, windows=(4,)))
    h, camera, thermal = noise(2, 10, 32), noise(2, 10, 4, 3, 3, seed=1), noise(2, 10, 4, 3, 3, seed=2)
    x = model.norm((camera + thermal).flatten(0, 1) + model.sensors(h.flatten(0, 1))[:, :, None, None])
    x = x.unflatten(0, (2, 10)).transpose(1, 2)  # [B, c, T, g, g]
    for level, dilation in zip(model.levels, (1, 2), strict=True):
        padded = functional.pad(x, (1, 1, 1, 1, dilation, 0))
        mixed = functional.conv3d(padded, level.weight, level.bias, dilation=(dilation, 1, 1))  # type: ignore[arg-type]
        x = x + functional.gelu(mixed)
    by_hand = model.fused_norm(model.fuse(x.mean(dim=(3, 4)).transpose(1, 2)))
    torch.testing.assert_close(model.unroll(h, camera, thermal), by_hand)


def test_the_3d_convolutions_forget_what_is_older_than_the_longest_window() -> None:
    torch.manual_seed(0)
    model = TemporalConvolution3d(small(**VOLUME))  # windows up to 9 ticks
    h, camera, thermal = noise(1, 20, 32), noise(1, 20, 4, 3, 3, seed=1), noise(1, 20, 4, 3, 3, seed=2)
    older, within = camera.clone(), camera.clone()
    older[:, :11] = noise(1, 11, 4, 3, 3, seed=3)  # tick 19 reads ticks 11 to 19
    within[:, 11] = noise(1, 4, 3, 3, seed=3)
    last = model.unroll(h, camera, thermal)[:, 19]
    torch.testing.assert_close(model.unroll(h, older, thermal)[:, 19], last)
    assert not torch.allclose(model.unroll(h, within, thermal)[:, 19], last)


def test_hidden_ticks_count_less_in_the_temporal_attention() -> None:
    """Weights proportional to v exp(score) (28), by hand for a window of two ticks."""
    torch.manual_seed(0)
    layer = MultiScaleTemporalAttention(small(windows=(2,), attention_heads=1))
    h, visible = noise(1, 2, 32), torch.tensor([[0.2, 0.9]])
    key, value = layer.key_value(h).chunk(2, dim=2)
    scores = (layer.query(h)[:, 1:] @ key.transpose(1, 2)).squeeze() * layer.scale
    weights = visible[0] * torch.exp(scores)
    read = (weights / weights.sum()) @ value[0]
    by_hand = layer.norm(layer.fuse(read)) + h[0, 1]
    torch.testing.assert_close(layer.unroll(h, visible)[0, 1], by_hand)
    torch.testing.assert_close(layer.step(h[:, 1], h, torch.ones(1, 2), visible)[0], by_hand)


def test_a_fully_visible_clip_is_attended_to_as_without_masks() -> None:
    torch.manual_seed(0)
    layer = MultiScaleTemporalAttention(small())
    h = noise(2, 12, 32)
    torch.testing.assert_close(layer.unroll(h, torch.ones(2, 12)), layer.unroll(h))


def test_mean_over_windows_by_hand() -> None:
    torch.manual_seed(0)
    layer = MultiScaleMean(small(windows=(2, 4)))
    h = noise(1, 6, 32)
    value = layer.value(h)[0]
    scales = torch.cat([value[4:6].mean(dim=0), value[2:6].mean(dim=0)])
    torch.testing.assert_close(layer.unroll(h)[0, 5], layer.norm(layer.fuse(scales)) + h[0, 5])
    first = layer.norm(layer.fuse(torch.cat([value[0], value[0]]))) + h[0, 0]  # a window fills before it averages
    torch.testing.assert_close(layer.unroll(h)[0, 0], first)


def biased_gate(bias: float) -> ImportanceGate:
    torch.manual_seed(0)
    gate = ImportanceGate(small(**SAMPLING))
    torch.nn.init.zeros_(gate.score[-1].weight)  # type: ignore[arg-type]
    torch.nn.init.constant_(gate.score[-1].bias, bias)  # type: ignore[arg-type]
    return gate


def summaries(gate: ImportanceGate, ticks: int) -> torch.Tensor:
    return noise(1, ticks, gate_state_shapes(gate.config)["reference"][1])


@pytest.mark.parametrize(
    ("bias", "expected"),
    [(-20.0, [1, 0, 0, 0, 1, 0, 0, 0, 1]), (20.0, [1, 1, 1, 1, 1, 1, 1, 1, 1])],
    ids=["unimportant: every fourth", "important: all"],
)
def test_the_first_frame_is_looked_at_and_none_is_held_too_long(bias: float, expected: list[int]) -> None:
    gate = biased_gate(bias)
    assert gate.unroll(summaries(gate, 9), torch.ones(1, 9, 4)).looked[0].tolist() == expected


def test_without_a_frame_there_is_nothing_to_look_at() -> None:
    gate = biased_gate(20.0)
    valid = torch.ones(1, 5, 4)
    valid[0, 1:3, 0] = 0.0
    assert gate.unroll(summaries(gate, 5), valid).looked[0].tolist() == [1, 0, 0, 1, 1]


def test_the_gate_decides_on_clips_as_it_does_live() -> None:
    torch.manual_seed(2)
    gate = ImportanceGate(small(**SAMPLING))
    clips, valid = summaries(gate, 40), (noise(1, 40, 4, seed=1) > -0.5).float()
    gated, state = gate.unroll(clips, valid), gate.initial_state()
    for t in range(40):
        live, state = gate.step(clips[:, t], valid[:, t], state)
        torch.testing.assert_close(live.importance, gated.importance[:, t])
        assert live.looked == gated.looked[:, t]
    assert 0 < gated.looked.mean() < 1  # else nothing was tested


def test_the_score_reads_change_since_the_last_look() -> None:
    """Equal to the reference means equal inputs for the score, whatever the tick shows."""
    gate = ImportanceGate(small(**SAMPLING))
    one, other = summaries(gate, 2).unbind(dim=1)
    torch.testing.assert_close(gate.changes(one, one), gate.changes(other, other))
    assert (gate.changes(one, other) > 0).any()
    state = ImportanceState(one, torch.ones(1))
    after = gate.step(other, torch.tensor([[0.0, 1.0, 1.0, 1.0]]), state)[1]
    assert after.reference is one or torch.equal(after.reference, one)  # not looked at: still compared with the old one


def test_an_invalid_modality_says_nothing_to_the_gate() -> None:
    gate = ImportanceGate(small(**SAMPLING))
    model = network(**SAMPLING)
    tick = clip(model, 1).map(lambda part: part[:, 0])
    assert tick.thumbnail is not None
    read = (tick.thumbnail, tick.thermal, tick.log_mel, tick.telemetry)
    nothing = gate.summary(*read, torch.zeros(1, 4))
    assert (nothing == 0).all()


def test_held_values_by_hand() -> None:
    looked = torch.tensor([[0, 1, 0, 0, 1, 0]])
    assert last_looked(looked)[0].tolist() == [-1, 1, 1, 1, 4, 4]
    assert hold(torch.arange(10, 16)[None], looked)[0].tolist() == [10, 11, 11, 11, 14, 14]


def test_a_sampled_clip_is_what_the_engine_computes_in_parts() -> None:
    """Gate, look and the rest of the step, tick by tick, as inference/step_graph.py describes it."""
    model = network(sampling={"enabled": True, "longest_hold": 3, "threshold": 0.52})
    assert model.gate is not None
    features = clip(model, 30)
    with torch.inference_mode():
        output, gated = model.unroll_sampled(features)
        state, gate_state = model.initial_state(), model.gate.initial_state()
        camera = torch.zeros_like(features.camera[:, 0])
        for t in range(30):
            tick = features.map(lambda part, t=t: part[:, t])
            assert tick.thumbnail is not None
            summary = model.gate.summary(tick.thumbnail, tick.thermal, tick.log_mel, tick.telemetry, tick.valid)
            decision, gate_state = model.gate.step(summary, tick.valid, gate_state)
            assert decision.looked == gated.looked[:, t]
            camera = tick.camera if decision.looked > 0 else camera
            live, state = model.step_features(tick._replace(camera=camera), state)
            torch.testing.assert_close(live.action_logits, output.action_logits[:, t], atol=1e-5, rtol=1e-5)
        frames = features.valid[..., 0].sum()
        assert 0 < gated.looked.sum() < frames
        assert not torch.allclose(output.action_logits, model.unroll(features).action_logits)


def test_training_holds_the_frames_of_some_clips() -> None:
    model = network(**{"sampling": {"enabled": True, "held_clips": 1.0, "threshold": 0.99}}).train()
    features = clip(model, 10).map(lambda part: part.expand(4, *part.shape[1:]))
    torch.manual_seed(0)
    _, auxiliary = model.unroll_with_auxiliary(features)
    assert auxiliary.held is not None and auxiliary.held.tolist() == [1.0] * 4
    assert auxiliary.importance is not None and auxiliary.importance.requires_grad


@pytest.mark.parametrize(("memory", "remembers"), [(False, False), (True, True)])
def test_only_the_recurrent_memory_knows_what_is_older_than_the_longest_window(memory: bool, remembers: bool) -> None:
    model = network(memory={"enabled": memory, "width": 16})
    ticks = 2 * (model.config.ring_ticks + model.config.temporal_kernel)
    features = clip(model, ticks)
    features.valid[:] = 1.0
    changed = features.map(torch.clone)
    changed.log_mel[:, 0] += 30.0
    with torch.inference_mode():
        before, after = model.unroll(features).action_logits, model.unroll(changed).action_logits
    assert not torch.equal(before[:, 0], after[:, 0])
    assert torch.equal(before[:, -1], after[:, -1]) != remembers


@pytest.mark.parametrize("reads_measured", [False, True])
def test_the_memory_knows_what_was_measured_where_it_may_read_it(reads_measured: bool) -> None:
    """Telemetry reaches the heads at once beside the memory, and later ticks through it only."""
    model = network(memory={"enabled": True, "width": 16, "reads_measured": reads_measured})
    assert model.measured is not None
    torch.nn.init.zeros_(model.telemetry.layers[-1].weight)  # no way to the temporal windows
    features = clip(model, 6)
    features.valid[:] = 1.0
    changed = features.map(torch.clone)
    changed.telemetry[:, 0] += 1.0
    with torch.inference_mode():
        before, after = model.unroll(features).action_logits, model.unroll(changed).action_logits
    assert not torch.equal(before[:, 0], after[:, 0])
    assert torch.equal(before[:, -1], after[:, -1]) != reads_measured


def test_a_new_memory_says_nothing() -> None:
    memory = RecurrentMemory(small(memory={"enabled": True, "width": 8}))
    assert torch.equal(memory.unroll(noise(2, 5, 32)), torch.zeros(2, 5, 32))


def test_a_unit_that_keeps_its_memory_for_an_hour_does_not_lose_what_is_added_tick_by_tick() -> None:
    """Streamed in single precision with a memory of double, against the same ticks unrolled in double throughout."""
    memory = RecurrentMemory(small(memory={"enabled": True, "width": 8}))
    with torch.no_grad():
        memory.cell.bias_ih_l0[8:16] = 12.0  # an update gate that writes 6e-6 a tick
        x = noise(20_000, 1, 32)
        exact = copy.deepcopy(memory).double().remember(x.transpose(0, 1).double())[0]
        held = torch.zeros(1, 8, dtype=torch.float64)
        for tick in x:
            _, held = memory.step(tick, held)
        single = memory.remember(x.transpose(0, 1))[0]
    assert (held[0] - exact[-1]).abs().max() < 1e-7
    assert (single[-1] - exact[-1]).abs().max() > 1e-6  # what the double precision is for


@pytest.mark.parametrize("kind", ["attention", "mean"])
def test_long_recordings_are_read_by_the_block_and_answered_the_same(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(aggregation={"kind": kind}, windows=(2, 7))
    model = (MultiScaleTemporalAttention if kind == "attention" else MultiScaleMean)(config)
    h, visible = noise(2, 23, config.width), torch.rand(2, 23)
    whole = model.unroll(h, visible)
    monkeypatch.setattr("msstan_core.model.temporal.BLOCK_TICKS", 5)
    parts = list(blocks(23, 7))
    assert [now.stop for now, _ in parts] == [5, 10, 15, 20, 23]
    assert max(seen.stop - seen.start for _, seen in parts) == 5 + 6
    torch.testing.assert_close(model.unroll(h, visible), whole)
