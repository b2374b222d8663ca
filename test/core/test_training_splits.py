"""Splits leave out whole groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_examples import fake

from msstan_core.errors import InputError
from msstan_core.training.network_runs import fully_sensed
from msstan_core.training.recording_features import Recording
from msstan_core.training.splits import hold_out_fully_sensed, hold_out_groups, leave_one_group_out
from msstan_core.vocabulary import MODALITIES, Modality


def test_no_group_stands_on_both_sides_of_a_split() -> None:
    data = [fake(f"g{i % 6}") for i in range(24)] + [fake(f"s{i % 5}", simulated=True) for i in range(20)]
    kept, held = hold_out_groups(data, 0.2, seed=3)
    assert not {r.group for r in kept} & {r.group for r in held}
    assert {r.simulated for r in held} == {True, False}
    assert len(kept) + len(held) == len(data)


def test_what_weights_have_learnt_from_is_never_held_out_and_never_all_is() -> None:
    data = [fake(f"g{i % 6}") for i in range(24)]
    learnt = {"g0", "g1", "g2", "g3"}
    for seed in range(9):
        _, held = hold_out_groups(data, 0.3, seed, learnt)
        assert {r.group for r in held} == {"g4", "g5"}
        kept, _ = hold_out_groups(data, 0.95, seed)
        assert len({r.group for r in kept}) == 1
    assert not hold_out_groups(data, 0.3, 0, {f"g{i}" for i in range(6)})[1]


def test_leave_one_group_out_never_tests_on_simulation() -> None:
    data = [fake("a"), fake("a"), fake("b"), fake("sim", simulated=True)]
    folds = list(leave_one_group_out(data))
    assert [(group, len(test)) for group, _, test in folds] == [("a", 2), ("b", 1)]
    assert all(any(r.simulated for r in training) for _, training, _ in folds)
    with pytest.raises(InputError, match="two or more"):
        list(leave_one_group_out(data[:2]))


def sensed(group: str, name: str, *modalities: Modality, simulated: bool = True) -> Recording:
    recording = fake(group, simulated)
    valid = np.isin(MODALITIES, modalities)[None].astype(np.float32)
    return replace(recording, path=Path(name), features=replace(recording.features, valid=valid))


def test_simulated_recordings_with_fewer_sensors_are_not_what_a_model_is_judged_on() -> None:
    whole = [sensed("a", "a", *MODALITIES), sensed("b", "b", *MODALITIES)]
    half, real = sensed("c", "c", Modality.TELEMETRY), sensed("d", "d", Modality.ACOUSTIC, simulated=False)
    assert fully_sensed([half, *whole, real]) == [*whole, real]
    assert fully_sensed([half, real]) == [half, real]
    assert fully_sensed([real]) == [real]


def test_welds_with_fewer_sensors_teach_unless_their_group_is_held_out() -> None:
    whole = [sensed(f"g{i % 6}", f"whole{i}", *MODALITIES) for i in range(12)]
    fewer = [sensed(f"g{i}", f"fewer{i}", Modality.TELEMETRY) for i in range(9)]  # six groups are not theirs alone
    real = [sensed(f"r{i}", f"real{i}", Modality.ACOUSTIC, simulated=False) for i in range(5)]
    kept, held_out = hold_out_fully_sensed([*fewer, *whole, *real], 0.4, seed=3)
    apart = {r.group for r in held_out}
    assert len(apart) == 4 and not apart & {r.group for r in kept}
    teaching = {r.path for r in kept} & {r.path for r in fewer}
    assert teaching == {r.path for r in fewer if r.group not in apart}
    assert {r.path for r in held_out}.isdisjoint(r.path for r in fewer)
