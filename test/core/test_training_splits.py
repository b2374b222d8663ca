"""Splits leave out whole groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training_examples import fake

from msstan_core.errors import InputError
from msstan_core.training.network_runs import fully_sensed
from msstan_core.training.recording_features import Recording
from msstan_core.training.splits import hold_out_groups, leave_one_group_out
from msstan_core.vocabulary import MODALITIES, Modality


def test_no_group_stands_on_both_sides_of_a_split() -> None:
    data = [fake(f"g{i % 6}") for i in range(24)] + [fake(f"s{i % 5}", simulated=True) for i in range(20)]
    kept, held = hold_out_groups(data, 0.2, seed=3)
    assert not {r.group for r in kept} & {r.group for r in held}
    assert {r.simulated for r in held} == {True, False}
    assert len(kept) + len(held) == len(data)


def test_leave_one_group_out_never_tests_on_simulation() -> None:
    data = [fake("a"), fake("a"), fake("b"), fake("sim", simulated=True)]
    folds = list(leave_one_group_out(data))
    assert [(group, len(test)) for group, _, test in folds] == [("a", 2), ("b", 1)]
    assert all(any(r.simulated for r in training) for _, training, _ in folds)
    with pytest.raises(InputError, match="two or more"):
        list(leave_one_group_out(data[:2]))


def test_simulated_recordings_with_fewer_sensors_are_not_what_a_model_is_judged_on() -> None:
    def sensed(name: str, *modalities: Modality, simulated: bool = True) -> Recording:
        recording = fake(name, simulated)
        valid = np.isin(MODALITIES, modalities)[None].astype(np.float32)
        return replace(recording, features=replace(recording.features, valid=valid))

    whole = [sensed("a", *MODALITIES), sensed("b", *MODALITIES)]
    half, real = sensed("c", Modality.TELEMETRY), sensed("d", Modality.ACOUSTIC, simulated=False)
    assert fully_sensed([half, *whole, real]) == [*whole, real]
    assert fully_sensed([half, real]) == [half, real]
    assert fully_sensed([real]) == [real]
