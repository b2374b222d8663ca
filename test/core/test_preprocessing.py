"""Network inputs: rate-independent sound, cheap images, honest telemetry, and masks for what is broken."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msstan_core.errors import InputError
from msstan_core.observation import AudioWindow, CameraFrame, TelemetryWindow, ThermalFrame, Tick
from msstan_core.preprocessing.images import FrameReader, thermal_image
from msstan_core.preprocessing.input_spec import InputSpec, LogMelSpec
from msstan_core.preprocessing.log_mel import FLOOR_DB, log_mel
from msstan_core.preprocessing.preprocessor import Preprocessor
from msstan_core.preprocessing.telemetry_features import (
    FEATURE_COUNT,
    POWER_SCALE_W,
    arc_power_and_heat_input,
    telemetry_features,
)
from msstan_core.vocabulary import Modality, Process

SPEC = LogMelSpec()
NAN = float("nan")


def tone(rate_hz: int, hz: float = 1000.0, seconds: float = 0.5, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def test_full_scale_tone_reads_about_zero_decibel_at_any_rate() -> None:
    spectra = {rate: log_mel(tone(rate), rate, SPEC) for rate in (16_000, 44_100, 48_000)}
    for spectrum in spectra.values():
        assert spectrum.shape == (SPEC.bands, SPEC.frames)
        assert -5.0 < spectrum[:, -1].max() < 4.0
    assert len({int(s[:, -1].argmax()) for s in spectra.values()}) == 1


def test_halving_the_amplitude_is_six_decibel_less_everywhere_above_the_floor() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    loud, soft = log_mel(noise, 16_000, SPEC), log_mel(noise / 2, 16_000, SPEC)
    np.testing.assert_allclose(loud - soft, 6.02, atol=0.01)


def test_too_little_sound_is_silence_and_a_short_start_repeats_its_oldest_frame() -> None:
    assert (log_mel(np.zeros(10, np.float32), 16_000, SPEC) == FLOOR_DB).all()
    short = log_mel(tone(16_000, seconds=0.1), 16_000, SPEC)
    computed = (1600 - 640) // 320 + 1
    assert (short[:, : SPEC.frames - computed] == short[:, [SPEC.frames - computed]]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20_000), st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000, 96_000]))
def test_log_mel_is_finite_for_any_length_and_rate(length: int, rate: int) -> None:
    out = log_mel(np.random.default_rng(0).normal(size=length).astype(np.float32), rate, SPEC)
    assert out.shape == (SPEC.bands, SPEC.frames) and np.isfinite(out).all()


def test_arc_power_is_the_mean_of_the_product_not_the_product_of_the_means() -> None:
    """Pulsed arc: 300 A x 30 V and 50 A x 20 V in turn; ISO/TR 18491, instantaneous."""
    rows = np.array([[300, 30, NAN, 0.01, NAN], [50, 20, NAN, 0.01, NAN]], np.float32)
    window = TelemetryWindow(np.array([0, 20_000_000]), rows)
    power_w, heat_input = arc_power_and_heat_input(window, Process.GMAW)
    assert power_w == pytest.approx(5000.0)
    assert heat_input == pytest.approx(0.8 * 5000 / 0.01, rel=1e-5)
    assert telemetry_features(window, Process.GMAW)[30] == pytest.approx(5000.0 / POWER_SCALE_W)


def test_heat_input_is_unknown_when_the_torch_stands_or_the_process_has_no_efficiency() -> None:
    standing = TelemetryWindow(np.array([0]), np.array([[200, 25, NAN, 0.0, NAN]], np.float32))
    moving = TelemetryWindow(np.array([0]), np.array([[200, 25, NAN, 0.01, NAN]], np.float32))
    assert np.isnan(arc_power_and_heat_input(standing, Process.GMAW)[1])
    assert np.isnan(arc_power_and_heat_input(moving, Process.LASER)[1])


rows = st.lists(
    st.lists(st.one_of(st.floats(-1e6, 1e6, width=32), st.just(NAN)), min_size=5, max_size=5), min_size=1, max_size=30
)


@settings(max_examples=80, deadline=None)
@given(rows, st.sampled_from(list(Process)))
def test_telemetry_features_are_finite_and_bounded_for_any_telemetry(
    values: list[list[float]], process: Process
) -> None:
    window = TelemetryWindow(np.arange(len(values), dtype=np.int64), np.array(values, np.float32))
    features = telemetry_features(window, process)
    assert features.shape == (FEATURE_COUNT,)
    assert np.isfinite(features).all() and np.abs(features).max() <= 10


def test_unmeasured_channel_reads_zero_with_flag_zero() -> None:
    window = TelemetryWindow(np.array([0]), np.array([[200, NAN, NAN, NAN, NAN]], np.float32))
    flags = telemetry_features(window, Process.GMAW)[25:30]
    np.testing.assert_array_equal(flags, [1, 0, 0, 0, 0])


def test_compressed_frame_reads_like_the_raw_one() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    image = cv2.resize(small, (1280, 960), interpolation=cv2.INTER_CUBIC)
    ok, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert ok
    reader = FrameReader(128)
    raw = reader.read(CameraFrame(0, image=image)).astype(float)
    for _ in range(2):  # the second time it is decoded reduced
        decoded = reader.read(CameraFrame(0, encoded=encoded.tobytes())).astype(float)
        assert np.abs(raw - decoded).mean() < 6.0


def test_frame_reader_follows_a_stream_that_changes_its_size() -> None:
    reader = FrameReader(64)
    for side in (1024, 100, 40, 2000):
        ok, encoded = cv2.imencode(".png", np.full((side, side), 77, np.uint8))
        assert ok
        for _ in range(3):
            out = reader.read(CameraFrame(0, encoded=encoded.tobytes()))
            assert out.shape == (64, 64, 3)
            assert abs(int(out.mean()) - 77) <= 1


def test_colours_are_rgb_for_the_network() -> None:
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 0] = 200
    assert FrameReader(32).read(CameraFrame(0, image=blue))[0, 0].tolist() == [0, 0, 200]


def test_thermal_pixels_without_value_take_the_lowest_one() -> None:
    celsius = np.full((20, 30), 500.0, np.float32)
    celsius[3, 4] = NAN
    celsius[10, 10] = 400.0
    out = thermal_image(celsius, 16)
    assert np.isfinite(out).all() and out.min() >= 400.0
    with pytest.raises(InputError, match="no pixel"):
        thermal_image(np.full((4, 4), NAN, np.float32), 16)


@pytest.mark.parametrize("shape", [(480, 640), (721, 1283), (96, 500)])
def test_large_images_are_averaged_over_all_their_pixels(shape: tuple[int, int]) -> None:
    """Halving first must not move or dim the view: a ramp stays a ramp, and single bright pixels keep their share."""
    ramp = np.linspace(0, 1000, shape[1], dtype=np.float32)[None].repeat(shape[0], axis=0)
    expected = (np.arange(32) + 0.5) / 32 * 1000
    np.testing.assert_allclose(thermal_image(ramp, 32).mean(axis=0), expected, atol=2.0)
    sparks = np.zeros(shape, np.float32)
    sparks[1:-2:7, 2:-2:5] = 1000.0
    assert thermal_image(sparks, 32).mean() == pytest.approx(sparks.mean(), rel=0.02)


def test_a_pixel_without_value_in_a_large_thermal_image_stays_local() -> None:
    celsius = np.full((480, 640), 500.0, np.float32)
    celsius[100, 100] = NAN
    np.testing.assert_allclose(thermal_image(celsius, 48), 500.0)


def test_two_ticks_with_one_thermal_frame_read_it_once() -> None:
    preprocess, tick = Preprocessor(InputSpec()), all_valid()
    first, _ = preprocess(tick)
    again, _ = preprocess(tick)
    other, _ = preprocess(all_valid(thermal=ThermalFrame(2 * 10**9, np.full((8, 8), 90, np.float32))))
    assert again.thermal is first.thermal
    assert first.thermal.max() == 20 and other.thermal.max() == 90


def all_valid(**fields: object) -> Tick:
    defaults: dict[str, object] = {
        "index": 0,
        "stamp_ns": 10**9,
        "camera": CameraFrame(10**9, image=np.full((48, 64), 9, np.uint8)),
        "thermal": ThermalFrame(10**9, np.full((8, 8), 20, np.float32)),
        "audio": AudioWindow(10**9, 16_000, tone(16_000)),
        "telemetry": TelemetryWindow(np.array([10**9]), np.array([[1, 2, 3, 4, 5]], np.float32)),
        "age_s": np.zeros(4, np.float32),
        "valid": np.ones(4, bool),
    }
    return Tick(**{**defaults, **fields})  # type: ignore[arg-type]


def test_good_tick_uses_every_modality() -> None:
    network_input, degraded = Preprocessor(InputSpec())(all_valid())
    assert network_input.valid.tolist() == [1, 1, 1, 1] and degraded == ()
    shapes = {name: array.shape for name, array in network_input.arrays().items()}
    assert shapes["camera"] == (1, 128, 128, 3) and shapes["log_mel"] == (1, 48, 16)


def test_broken_jpeg_masks_the_camera_and_says_so() -> None:
    network_input, degraded = Preprocessor(InputSpec())(all_valid(camera=CameraFrame(0, encoded=b"\xff\xd8broken")))
    assert network_input.valid.tolist() == [0, 1, 1, 1]
    assert len(degraded) == 1 and "cannot be decoded" in degraded[0]


def test_png_that_states_an_enormous_size_masks_the_camera_and_says_so() -> None:
    fields = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    header = struct.pack(">I4s", 13, b"IHDR") + fields + struct.pack(">I", zlib.crc32(b"IHDR" + fields))
    encoded = b"\x89PNG\r\n\x1a\n" + header + bytes(8) + b"IEND\xaeB`\x82"
    network_input, degraded = Preprocessor(InputSpec())(all_valid(camera=CameraFrame(0, encoded=encoded)))
    assert network_input.valid.tolist() == [0, 1, 1, 1]
    assert len(degraded) == 1 and "cannot be decoded" in degraded[0]


def test_what_has_fallen_silent_or_says_nothing_is_named_and_what_never_came_is_not() -> None:
    silent = {"age_s": np.array([0.9, np.nan, 0, 0], np.float32), "valid": np.array([False, False, True, True])}
    _, degraded = Preprocessor(InputSpec())(all_valid(thermal=None, **silent))
    assert degraded == ("camera is stale",)
    _, degraded = Preprocessor(InputSpec(), frozenset({Modality.ACOUSTIC}))(all_valid(**silent))
    assert degraded == (), "a sensor that may not be used is not missed"
    nothing = TelemetryWindow(np.array([10**9]), np.full((1, 5), np.nan, np.float32))
    short = AudioWindow(10**9, 16_000, np.zeros(100, np.float32))
    _, degraded = Preprocessor(InputSpec())(all_valid(audio=short, telemetry=nothing))
    assert degraded == ("acoustic: less sound than the network reads", "telemetry: no channel is measured")


def test_telemetry_without_any_figure_is_masked() -> None:
    empty = TelemetryWindow(np.array([0]), np.full((1, 5), NAN, np.float32))
    network_input, _ = Preprocessor(InputSpec())(all_valid(telemetry=empty))
    assert network_input.valid[Modality.TELEMETRY] == 0


def test_modality_that_is_not_allowed_is_masked() -> None:
    network_input, _ = Preprocessor(InputSpec(), frozenset({Modality.ACOUSTIC}))(all_valid())
    assert network_input.valid.tolist() == [0, 0, 1, 0]
    assert not network_input.camera.any()
