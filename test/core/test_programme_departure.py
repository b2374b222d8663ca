"""Telemetry relative to the job's programmed values: what it says, what it leaves unsaid, and what training changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msstan_core.observation import TELEMETRY_CHANNELS, TelemetryWindow, Tick, WeldContext
from msstan_core.preprocessing.input_spec import InputSpec
from msstan_core.preprocessing.preprocessor import Preprocessor
from msstan_core.preprocessing.process_quantities import LARGEST, QUANTITIES, quantities
from msstan_core.preprocessing.programme_departure import DEPARTURE_COUNT, TYPICAL_THICKNESS_M, ProgrammeDeparture
from msstan_core.preprocessing.telemetry_features import FEATURE_COUNT
from msstan_core.training.augmentation import other_programme
from msstan_core.training.configuration import AugmentationConfig
from msstan_core.vocabulary import MODALITIES, Modality, Process

PROGRAMMED = (180.0, 22.0, 0.12, 0.008, 15.0)
CURRENT, VOLTAGE, _, TRAVEL, GAS = range(len(TELEMETRY_CHANNELS))
POWER, HEAT_INPUT = QUANTITIES - 2, QUANTITIES - 1
NAN = math.nan


def window(*row: float) -> TelemetryWindow:
    return TelemetryWindow(np.zeros(1, np.int64), np.array([row], np.float32))


def departure(row: tuple[float, ...], programmed: tuple[float, ...] = PROGRAMMED, **job: float):
    context = WeldContext(process=Process.GMAW, programmed=programmed, **job)
    return ProgrammeDeparture().update(window(*row), quantities(window(*row), Process.GMAW), context)


def test_a_weld_as_programmed_has_no_departure_and_says_that_it_knows() -> None:
    assert departure(PROGRAMMED) == pytest.approx([0.0] * QUANTITIES + [1.0] * QUANTITIES + [0.0] * 4, abs=1e-5)


def test_how_thick_the_parts_are_is_told_where_it_is_known() -> None:
    told = departure(PROGRAMMED, thickness_a_m=2 * TYPICAL_THICKNESS_M)
    assert told[2 * QUANTITIES :] == pytest.approx([math.log(2.0), 0.0, 1.0, 0.0])
    hidden = departure((0.0, 60.0, 0.0, 0.0, 15.0), thickness_a_m=2 * TYPICAL_THICKNESS_M)
    assert not hidden.any(), "nothing is welded"


def test_twice_the_travel_speed_is_half_the_heat_input() -> None:
    told = departure((*PROGRAMMED[:TRAVEL], 2 * PROGRAMMED[TRAVEL], PROGRAMMED[GAS]))
    assert told[TRAVEL] == pytest.approx(math.log(2.0), abs=1e-5)
    assert told[HEAT_INPUT] == pytest.approx(-math.log(2.0), abs=1e-5)
    assert told[POWER] == pytest.approx(0.0, abs=1e-5)


def test_a_departure_from_the_first_tick_on_is_seen() -> None:
    """Against the weld's own beginning it would not be: the beginning is wrong."""
    told = departure((*PROGRAMMED[:GAS], 0.5 * PROGRAMMED[GAS]))
    assert told[GAS] == pytest.approx(math.log(0.5), abs=1e-5)


def test_what_is_not_programmed_or_not_measured_is_not_known() -> None:
    told = departure(PROGRAMMED, (180.0, 22.0, NAN, NAN, 15.0))
    known = told[QUANTITIES : 2 * QUANTITIES]
    assert list(known) == [1, 1, 0, 0, 1, 1, 0]
    assert not told[:QUANTITIES][known == 0].any()
    assert list(departure((180.0, NAN, 0.12, 0.008, 15.0))[QUANTITIES:-4]) == [1, 0, 1, 1, 1, 0, 0]
    assert not departure(PROGRAMMED, WeldContext().programmed).any()


def test_nothing_is_said_while_nothing_is_welded() -> None:
    assert not departure((0.0, 60.0, 0.0, 0.0, 15.0)).any()


def test_another_job_brings_another_programme() -> None:
    comparing, row = ProgrammeDeparture(), window(*PROGRAMMED)
    values = quantities(row, Process.GMAW)
    first, second = (
        WeldContext(process=Process.GMAW, programmed=tuple(factor * v for v in PROGRAMMED)) for factor in (1.0, 2.0)
    )
    assert comparing.update(row, values, first)[CURRENT] == pytest.approx(0.0, abs=1e-5)
    assert comparing.update(row, values, second)[CURRENT] == pytest.approx(-math.log(2.0), abs=1e-5)


@given(st.lists(st.floats(width=32), min_size=5, max_size=5), st.lists(st.floats(width=32), min_size=5, max_size=5))
def test_whatever_is_reported_or_programmed_the_result_is_finite_and_bounded(
    row: list[float], programmed: list[float]
) -> None:
    finite = [value if math.isfinite(value) else NAN for value in row]
    with np.errstate(over="ignore"):
        told = departure(tuple(finite), tuple(v if math.isfinite(v) and v > 0 else NAN for v in programmed))
    assert told.shape == (DEPARTURE_COUNT,)
    assert np.isfinite(told).all() and (np.abs(told) <= LARGEST).all()


def test_the_network_reads_it_behind_the_other_telemetry() -> None:
    spec = InputSpec(telemetry_programme=True)
    assert spec.programme_columns == slice(FEATURE_COUNT, FEATURE_COUNT + DEPARTURE_COUNT)
    assert InputSpec().programme_columns == slice(FEATURE_COUNT, FEATURE_COUNT)
    valid = np.array([m is Modality.TELEMETRY for m in MODALITIES])
    context = WeldContext(process=Process.GMAW, programmed=tuple(2 * v for v in PROGRAMMED))
    tick = Tick(index=0, stamp_ns=1, telemetry=window(*PROGRAMMED), context=context, valid=valid)
    read, _ = Preprocessor(spec)(tick)
    assert read.telemetry.shape == (spec.telemetry_count,)
    assert read.telemetry[spec.programme_columns][:QUANTITIES] == pytest.approx(
        [-math.log(2.0)] * 5 + [-2 * math.log(2.0), -math.log(2.0)], abs=1e-5
    )


def test_training_hides_the_programme_of_some_clips_whole() -> None:
    telemetry = np.ones((6, FEATURE_COUNT + DEPARTURE_COUNT), np.float32)
    columns, rng = slice(FEATURE_COUNT, FEATURE_COUNT + DEPARTURE_COUNT), np.random.default_rng(0)
    config = AugmentationConfig(programme_dropout=0.5, programme_error=0.0)
    changed = [other_programme(telemetry, columns, config, rng) for _ in range(200)]
    hidden = [not c[:, columns].any() for c in changed]
    assert 70 < sum(hidden) < 130
    assert all(h or np.array_equal(c, telemetry) for c, h in zip(changed, hidden, strict=True))
    assert all((c[:, :FEATURE_COUNT] == 1).all() for c in changed)
    assert (telemetry == 1).all(), "the stored recording stays as it is"


def test_a_programme_told_a_little_wrong_stays_consistent_and_unknown_stays_unknown() -> None:
    known = np.array([1, 1, 0, 1, 1, 1, 1], np.float32)
    parts = np.array([0.5, 0.5, 1, 1], np.float32)
    telemetry = np.concatenate([np.zeros(QUANTITIES, np.float32), known, parts])[None].repeat(3, axis=0)
    config = AugmentationConfig(programme_dropout=0.0, programme_error=0.05)
    changed = other_programme(telemetry, slice(0, DEPARTURE_COUNT), config, np.random.default_rng(1))
    ratios = changed[:, :QUANTITIES]
    assert (changed[:, QUANTITIES:] == [*known, *parts]).all()
    assert (ratios == ratios[0]).all(), "one error a clip"
    assert 0 < np.abs(ratios[0]).max() < 0.3 and ratios[0, 2] == 0
    assert ratios[0, POWER] == pytest.approx(ratios[0, CURRENT] + ratios[0, VOLTAGE], abs=1e-6)
    assert ratios[0, HEAT_INPUT] == pytest.approx(ratios[0, POWER] - ratios[0, TRAVEL], abs=1e-6)
