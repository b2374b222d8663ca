"""Messages of sound, telemetry and context become observations, or are refused by name."""

from __future__ import annotations

import array
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from message_examples import header

from msstan_core.errors import InputError
from msstan_core.messages import MAX_SAMPLE, TopicKind, sample_from_message
from msstan_core.observation import TELEMETRY_CHANNELS, AudioChunk, TelemetrySample, WeldContext
from msstan_core.preprocessing.input_spec import LogMelSpec
from msstan_core.preprocessing.log_mel import log_mel
from msstan_core.vocabulary import Filler, Material, Process


def test_missing_field_names_field_and_type() -> None:
    with pytest.raises(
        InputError, match=r"welder/telemetry: the message has no field 'current_a'; publish msstan_msgs"
    ):
        sample_from_message(TopicKind.TELEMETRY, SimpleNamespace(header=header()))


def audio_message(samples: Any, rate: int = 16000) -> SimpleNamespace:
    return SimpleNamespace(header=header(), sample_rate_hz=rate, samples=samples)


def test_audio_is_a_view_of_the_message() -> None:
    samples = array.array("f", [0.0, 0.5, -1.0])
    sample = sample_from_message(TopicKind.ACOUSTIC, audio_message(samples))
    assert isinstance(sample, AudioChunk)
    assert np.shares_memory(sample.samples, np.frombuffer(samples, np.float32))
    assert sample.samples.tolist() == [0.0, 0.5, -1.0]


def test_the_loudest_samples_that_are_let_in_have_a_finite_level() -> None:
    loudest = np.where(np.arange(16_000) % 2, MAX_SAMPLE, -MAX_SAMPLE).astype(np.float32)
    sample = sample_from_message(TopicKind.ACOUSTIC, audio_message(array.array("f", loudest)))
    assert isinstance(sample, AudioChunk)
    assert np.isfinite(log_mel(sample.samples, sample.sample_rate_hz, LogMelSpec())).all()


@pytest.mark.parametrize(
    ("samples", "rate", "says"),
    [
        ([0.0], 0, "sample_rate_hz is 0"),
        ([0.0], 4_000_000_000, "sample_rate_hz is 4000000000"),
        ([], 16000, "samples is empty"),
        ([0.0, math.nan], 16000, "NaN or infinity"),
        ([math.inf], 16000, "NaN or infinity"),
        ([0.0, 3e38], 16000, "samples reach 3e"),
        ([-1.1e6, 0.0], 16000, "send -1 to 1 or pascals"),
    ],
)
def test_unusable_audio_is_refused(samples: list[float], rate: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sample_from_message(TopicKind.ACOUSTIC, audio_message(array.array("f", samples), rate))


def test_infinite_telemetry_is_unmeasured_and_zero_stays_zero() -> None:
    message = SimpleNamespace(
        header=header(),
        current_a=math.inf,
        voltage_v=0.0,
        wire_feed_speed_m_s=math.nan,
        travel_speed_m_s=-math.inf,
        gas_flow_l_min=12.5,
    )
    sample = sample_from_message(TopicKind.TELEMETRY, message)
    assert isinstance(sample, TelemetrySample)
    np.testing.assert_equal(sample.as_row(), (np.nan, 0.0, np.nan, np.nan, 12.5))


def test_telemetry_that_no_welder_reaches_is_unmeasured() -> None:
    fields = dict(zip(TELEMETRY_CHANNELS, (1e30, 22.0, 0.12, -3e38, 6553.5), strict=True))
    sample = sample_from_message(TopicKind.TELEMETRY, SimpleNamespace(header=header(), **fields))
    assert isinstance(sample, TelemetrySample)
    np.testing.assert_equal(sample.as_row(), (np.nan, 22.0, 0.12, np.nan, 6553.5))


def test_context_of_a_newer_version_reads_unknown_not_wrong() -> None:
    message = SimpleNamespace(
        header=header(),
        process=200,
        material_a=3,
        material_b=99,
        filler=1,
        thickness_a_m=0.0,
        thickness_b_m=0.004,
        shielding_gas="M21-ArC-18",
        wps_id="W1",
        job_id="",
        programmed_current_a=180.0,
        programmed_voltage_v=math.inf,
        programmed_travel_speed_m_s=0.0,
    )
    context = sample_from_message(TopicKind.CONTEXT, message)
    assert isinstance(context, WeldContext)
    assert (context.process, context.material_b) == (Process.UNKNOWN, Material.UNKNOWN)
    assert (context.material_a, context.filler) == (Material.ALUMINIUM, Filler.NONE)
    assert math.isnan(context.thickness_a_m)  # zero: nobody filled it in
    assert context.thickness_b_m == 0.004
    # 0: nobody filled it in; the fields that are missing are those of a bag of an earlier version
    np.testing.assert_equal(context.programmed, (180.0, math.nan, math.nan, math.nan, math.nan))


def test_the_sign_of_current_and_voltage_does_not_count() -> None:
    values = {"current_a": -150.0, "voltage_v": -20.0, "wire_feed_speed_m_s": 0.07, "travel_speed_m_s": 0.008}
    message = SimpleNamespace(header=header(), **values, gas_flow_l_min=15.0)
    sample = sample_from_message(TopicKind.TELEMETRY, message)
    assert isinstance(sample, TelemetrySample)
    assert (sample.current_a, sample.voltage_v) == (150.0, 20.0), "electrode negative, or a sensor the other way round"
