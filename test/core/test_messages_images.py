"""Image messages become pictures and temperatures: right values, no copies, and clear words for what is malformed."""

from __future__ import annotations

import array
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_examples import BGR, encoded, header

from msstan_core.errors import InputError
from msstan_core.image_encodings import SensorScaling
from msstan_core.messages import TopicKind, sample_from_message
from msstan_core.observation import CameraFrame, ThermalFrame
from msstan_core.preprocessing.images import FrameReader, decoded


def image_message(pixels: np.ndarray, encoding: str, *, padding: int = 0, big_endian: bool = False) -> SimpleNamespace:
    """An Image as rclpy gives it: data in array.array, rows padded to step."""
    height, width = pixels.shape[:2]
    stored = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = stored.reshape(height, -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((height, padding), 0xAB, np.uint8)], axis=1)
    return SimpleNamespace(
        header=header(),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


def camera(message: Any, scaling: SensorScaling | None = None) -> np.ndarray:
    sample = sample_from_message(TopicKind.CAMERA, message, scaling)
    assert isinstance(sample, CameraFrame) and sample.image is not None
    return sample.image


def thermal(message: Any, scaling: SensorScaling | None = None) -> np.ndarray:
    sample = sample_from_message(TopicKind.THERMAL, message, scaling)
    assert isinstance(sample, ThermalFrame)
    return sample.celsius


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "stored", "expected"),
    [
        ("bgr8", BGR, BGR),
        ("8UC3", BGR, BGR),
        ("rgb8", BGR[..., ::-1], BGR),
        ("bgra8", np.dstack([BGR, np.full((4, 6), 9, np.uint8)]), BGR),
        ("rgba8", np.dstack([BGR[..., ::-1], np.full((4, 6), 9, np.uint8)]), BGR),
        ("mono8", BGR[..., 0], BGR[..., 0]),
        ("8UC1", BGR[..., 0], BGR[..., 0]),
    ],
)
def test_8_bit_encodings_become_bgr_or_mono(
    encoding: str, stored: np.ndarray, expected: np.ndarray, padding: int
) -> None:
    np.testing.assert_array_equal(camera(image_message(stored, encoding, padding=padding)), expected)


@pytest.mark.parametrize("encoding", ["bgr8", "mono8"])
def test_bgr_and_mono_images_are_views_of_the_message(encoding: str) -> None:
    message = image_message(BGR if encoding == "bgr8" else BGR[..., 0], encoding, padding=3)
    assert np.shares_memory(camera(message), np.frombuffer(message.data, np.uint8))


def test_celsius_images_are_views_of_the_message() -> None:
    message = image_message(np.array([[20.5, 1500.0]], np.float32), "32FC1")
    assert np.shares_memory(thermal(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize(
    ("encoding", "first_four"),
    [  # colours of the top-left 2x2 block, as ROS names them
        ("bayer_rggb8", "rggb"),
        ("bayer_bggr8", "bggr"),
        ("bayer_gbrg8", "gbrg"),
        ("bayer_grbg8", "grbg"),
    ],
)
@pytest.mark.parametrize("colour", ["r", "g", "b"])
def test_bayer_mosaic_of_one_colour_shows_that_colour(encoding: str, first_four: str, colour: str) -> None:
    block = np.array([[200 if c == colour else 0 for c in first_four]], np.uint8).reshape(2, 2)
    image = camera(image_message(np.tile(block, (6, 6)), encoding))
    centre = image[4:8, 4:8].reshape(-1, 3).mean(0)
    assert centre.argmax() == "bgr".index(colour)
    assert centre["bgr".index(colour)] > 150
    assert sorted(centre)[1] < 50


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", "uyvy"), ("yuv422_yuy2", "yuyv")])
def test_yuv_of_grey_is_grey(encoding: str, order: str) -> None:
    pair = [90 if c == "y" else 128 for c in order]
    image = camera(image_message(np.array(pair * 8, np.uint8).reshape(4, 4, 2), encoding))
    assert image.shape == (4, 4, 3)
    assert int(np.ptp(image)) <= 2


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_16_bit_camera_is_scaled_by_its_bit_depth_not_its_contents(encoding: str, big_endian: bool) -> None:
    counts = np.array([[0, 16, 2048, 4095, 5000]], np.uint16)
    message = image_message(counts, encoding, big_endian=big_endian)
    assert camera(message, SensorScaling(camera_bit_depth=12)).tolist() == [[0, 1, 128, 255, 255]]
    assert camera(message).tolist() == [[0, 0, 8, 15, 19]]


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(("encoding", "dtype"), [("32FC1", np.float32), ("64FC1", np.float64)])
def test_celsius_images_keep_their_values(encoding: str, dtype: type, big_endian: bool) -> None:
    values = np.array([[20.5, 1500.0, -40.0], [0.0, 3000.0, 25.0]], dtype)
    celsius = thermal(image_message(values, encoding, big_endian=big_endian, padding=8))
    assert celsius.dtype == np.float32
    np.testing.assert_array_equal(celsius, values.astype(np.float32))


def test_impossible_temperatures_become_nan() -> None:
    values = np.array([[np.inf, -np.inf, np.nan, -300.0, 20.0]], np.float32)
    assert np.isnan(thermal(image_message(values, "32FC1"))).tolist() == [[True, True, True, True, False]]


def test_16_bit_thermal_needs_its_scale() -> None:
    message = image_message(np.array([[29315, 47315]], np.uint16), "mono16")
    scaling = SensorScaling(thermal_celsius_per_count=0.01, thermal_celsius_at_zero=-273.15)
    np.testing.assert_allclose(thermal(message, scaling), [[20.0, 200.0]], atol=1e-3)
    with pytest.raises(
        InputError, match=r"thermal/image_raw: mono16 counts .* set thermal\.celsius_per_count .*--params"
    ):
        thermal(message)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoding": "jpeg2000"}, "encoding is 'jpeg2000'"),
        ({"encoding": ""}, "encoding is ''"),
        ({"encoding": "32FC1"}, "encoding is '32FC1'"),
        ({"width": 0}, "image is 0x4 pixels"),
        ({"height": 0}, "image is 6x0 pixels"),
        ({"height": 2**32 - 1}, "data holds 72 bytes"),
        ({"step": 17}, "step is 17 bytes"),
        ({"step": 0}, "step is 0 bytes"),
        ({"step": 19}, "data holds 72 bytes"),
        ({"data": array.array("B", bytes(71))}, "data holds 71 bytes"),
        ({"data": array.array("B")}, "data holds 0 bytes"),
        ({"data": array.array("B", bytes(73))}, "data holds 73 bytes"),
        ({"header": header(nanosec=1_000_000_000)}, "header.stamp"),
        ({"header": header(sec=-1)}, "header.stamp"),
    ],
)
def test_malformed_images_are_named(change: dict[str, Any], says: str) -> None:
    message = image_message(BGR, "bgr8")
    vars(message).update(change)
    with pytest.raises(InputError) as raised:
        camera(message)
    assert str(raised.value).startswith("camera/image_raw: ")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_last_row_may_come_without_its_padding() -> None:
    message = image_message(BGR, "bgr8", padding=5)
    message.data = message.data[:-5]
    np.testing.assert_array_equal(camera(message), BGR)


@settings(deadline=None)  # the first call loads OpenCV
@given(
    data=st.binary(max_size=400),
    height=st.integers(0, 12),
    width=st.integers(0, 12),
    step=st.integers(0, 40),
    encoding=st.sampled_from(["bgr8", "rgb8", "mono8", "mono16", "bayer_rggb8", "yuv422", "rgba8", "nonsense"]),
    big_endian=st.integers(0, 1),
)
def test_any_image_gives_an_8_bit_picture_or_an_input_error(
    data: bytes, height: int, width: int, step: int, encoding: str, big_endian: int
) -> None:
    message = SimpleNamespace(
        header=header(),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=big_endian,
        step=step,
        data=array.array("B", data),
    )
    try:
        image = camera(message)
    except InputError:
        return
    assert image.dtype == np.uint8
    assert image.shape in ((height, width), (height, width, 3))


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_compressed_images_stay_encoded(kind: str) -> None:
    message = SimpleNamespace(header=header(), format="any", data=array.array("B", encoded(kind)))
    sample = sample_from_message(TopicKind.CAMERA_COMPRESSED, message)
    assert isinstance(sample, CameraFrame)
    assert sample.encoded == encoded(kind)
    assert sample.image is None
    assert (sample.stamp_ns, sample.frame_id) == (12_000_000_345, "cam")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "data is empty"),
        (encoded(".jpg")[:-2], "cut off"),
        (encoded(".png")[:-12], "cut off"),
        (b"\x00" * 100, "neither JPEG nor PNG"),
    ],
)
def test_broken_compressed_images_are_named(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sample_from_message(
            TopicKind.CAMERA_COMPRESSED, SimpleNamespace(header=header(), format="jpeg", data=array.array("B", data))
        )


@pytest.mark.parametrize("colour", [False, True])
def test_a_sixteen_bit_png_is_scaled_like_the_raw_image(colour: bool) -> None:
    counts = (np.arange(24, dtype=np.uint16).reshape(4, 6) * 170) % 4096
    stored = np.dstack([counts, counts // 2, counts // 4]) if colour else counts
    content = cv2.imencode(".png", stored)[1].tobytes()
    message = SimpleNamespace(header=header(), format="mono16; png compressed", data=array.array("B", content))
    sample = sample_from_message(TopicKind.CAMERA_COMPRESSED, message, SensorScaling(camera_bit_depth=12))
    assert isinstance(sample, CameraFrame) and sample.encoded == content, "decoded where images are read"
    picture = decoded(sample, cv2.IMREAD_REDUCED_COLOR_2)
    assert picture is not None
    expected = (stored >> 4).astype(np.uint8)
    np.testing.assert_array_equal(picture, expected if colour else np.dstack([expected] * 3))
    read = FrameReader(32)
    np.testing.assert_array_equal(read.read(sample), read.read(replace(sample, encoded=None, image=picture)))
    assert decoded(replace(sample, encoded=content[:40] + bytes(len(content) - 40))) is None


def test_counts_below_absolute_zero_are_no_temperatures() -> None:
    counts = np.array([[0, 30000]], np.uint16)
    scaling = SensorScaling(thermal_celsius_per_count=0.01, thermal_celsius_at_zero=-300.0)
    celsius = thermal(image_message(counts, "mono16"), scaling)
    assert np.isnan(celsius[0, 0]) and celsius[0, 1] == pytest.approx(0.0, abs=1e-3)
