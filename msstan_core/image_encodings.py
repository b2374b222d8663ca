"""Pixels of ``sensor_msgs/Image``: from its encoding to BGR or mono 8 bit (camera) and degrees Celsius (thermal).

Own conversions because cv_bridge is not on every machine this runs on. Single-channel and bgr8 images are views of the
message's buffer, without a copy.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError

ABSOLUTE_ZERO_CELSIUS = -273.15
#: What reads more than an arc's plasma marks a pixel without a reading (1e6, the largest number of the type).
HOTTEST_CELSIUS = 30_000.0


@dataclass(frozen=True, slots=True)
class SensorScaling:
    """What an image's encoding does not say: the meaning of its 16-bit counts."""

    camera_bit_depth: int = 16  #: significant bits of a mono16 camera image; a 12-bit camera fills 0..4095
    thermal_celsius_per_count: float = float("nan")  #: degC per count of a 16-bit thermal image, e.g. 0.01
    thermal_celsius_at_zero: float = float("nan")  #: degC of count 0, e.g. -273.15 for hundredths of a kelvin


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one encoding lies in memory, and the OpenCV conversion (name of the constant) that makes BGR of it."""

    dtype: str
    channels: int
    to_bgr: str = ""


_LAYOUTS: dict[str, _Layout] = {
    "mono8": _Layout("u1", 1),
    "8UC1": _Layout("u1", 1),
    "bgr8": _Layout("u1", 3),
    "8UC3": _Layout("u1", 3),
    "rgb8": _Layout("u1", 3, "COLOR_RGB2BGR"),
    "bgra8": _Layout("u1", 4, "COLOR_BGRA2BGR"),
    "rgba8": _Layout("u1", 4, "COLOR_RGBA2BGR"),
    "mono16": _Layout("u2", 1),
    "16UC1": _Layout("u2", 1),
    "32FC1": _Layout("f4", 1),
    "64FC1": _Layout("f8", 1),
    "yuv422": _Layout("u1", 2, "COLOR_YUV2BGR_UYVY"),
    "uyvy": _Layout("u1", 2, "COLOR_YUV2BGR_UYVY"),
    "yuv422_yuy2": _Layout("u1", 2, "COLOR_YUV2BGR_YUY2"),
    "yuyv": _Layout("u1", 2, "COLOR_YUV2BGR_YUY2"),
    # ROS names the mosaic's first row, OpenCV the second row's second and third pixel: rggb is OpenCV's BG.
    "bayer_rggb8": _Layout("u1", 1, "COLOR_BayerBG2BGR"),
    "bayer_bggr8": _Layout("u1", 1, "COLOR_BayerRG2BGR"),
    "bayer_gbrg8": _Layout("u1", 1, "COLOR_BayerGR2BGR"),
    "bayer_grbg8": _Layout("u1", 1, "COLOR_BayerGB2BGR"),
}

CAMERA_ENCODINGS = tuple(name for name, layout in _LAYOUTS.items() if layout.dtype in ("u1", "u2"))
THERMAL_ENCODINGS = ("32FC1", "64FC1", "mono16", "16UC1")


def camera_pixels(message: Any, where: str, scaling: SensorScaling) -> NDArray[np.uint8]:
    """Image as [H, W] mono or [H, W, 3] BGR, 8 bit. 16-bit images are scaled by the camera's bit depth.

    Raises:
        InputError: for an encoding that is no camera image, or a buffer that does not fit the stated size.
    """
    if message.encoding not in CAMERA_ENCODINGS:
        raise InputError(
            where,
            f"encoding is {message.encoding!r}, which is no camera image this monitor reads",
            f"publish one of {', '.join(CAMERA_ENCODINGS)}",
        )
    layout = _LAYOUTS[message.encoding]
    pixels = _view(message, where, layout)
    if layout.dtype == "u2":
        depth = scaling.camera_bit_depth
        if not 8 <= depth <= 16:
            raise InputError(where, f"camera.bit_depth is {depth}", "give the significant bits of the camera, 8 to 16")
        return eight_bit(pixels, depth)
    if not layout.to_bgr:
        return pixels
    import cv2

    try:
        bgr: NDArray[np.uint8] = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, layout.to_bgr)))
    except cv2.error:
        size = f"{message.width}x{message.height}"
        raise InputError(
            where, f"a {message.encoding} image cannot be {size} pixels", "publish even sizes from 4x4 pixels on"
        ) from None
    return bgr


def eight_bit(counts: NDArray[Any], bit_depth: int) -> NDArray[np.uint8]:
    """16-bit counts of a camera [H, W, ...] as 8 bit, by its significant bits, 8 to 16."""
    # Not min-max: brightness is information (arc on or off), and min-max would remove it.
    scaled: NDArray[np.uint8] = np.minimum(counts >> (bit_depth - 8), 255).astype(np.uint8)
    return scaled


def thermal_celsius(message: Any, where: str, scaling: SensorScaling) -> NDArray[np.float32]:
    """Image as [H, W] degC; what is no temperature becomes NaN: markers, infinite, below absolute zero.

    Raises:
        InputError: for an encoding without temperatures, 16 bit without a known scale, or a buffer of the wrong size.
    """
    if message.encoding not in THERMAL_ENCODINGS:
        raise InputError(
            where,
            f"encoding is {message.encoding!r}, which holds no temperatures",
            f"publish one of {', '.join(THERMAL_ENCODINGS)}",
        )
    layout = _LAYOUTS[message.encoding]
    celsius = _view(message, where, layout)
    if layout.dtype == "u2":
        scale, zero = scaling.thermal_celsius_per_count, scaling.thermal_celsius_at_zero
        if not (np.isfinite(scale) and np.isfinite(zero)):
            raise InputError(
                where,
                f"{message.encoding} counts without a temperature scale",
                "set thermal.celsius_per_count and thermal.celsius_at_zero of the monitor (offline: in the file of "
                "--params), or publish 32FC1 in degC",
            )
        celsius = celsius.astype(np.float32) * np.float32(scale) + np.float32(zero)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, and that NaN below
        celsius = celsius.astype(np.float32, copy=False)
    physical = (celsius >= ABSOLUTE_ZERO_CELSIUS) & (celsius <= HOTTEST_CELSIUS)
    if not physical.all():
        celsius = np.where(physical, celsius, np.float32("nan"))
    return celsius


def _view(message: Any, where: str, layout: _Layout) -> NDArray[Any]:
    """The pixels as [H, W] or [H, W, C] over the message's buffer, in the machine's byte order."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    if height <= 0 or width <= 0:
        raise InputError(where, f"image is {width}x{height} pixels", "publish images with width and height above 0")
    dtype = np.dtype(layout.dtype)
    row = width * layout.channels * dtype.itemsize
    if step < row:
        raise InputError(
            where, f"step is {step} bytes, a row of {width} {message.encoding} pixels takes {row}", "correct step"
        )
    buffer = buffer_view(message.data)
    expected = step * height
    # Some drivers leave the padding of the last row out; everything else means a cut or mislabelled image.
    if not expected - (step - row) <= len(buffer) <= expected:
        raise InputError(
            where,
            f"data holds {len(buffer)} bytes, {width}x{height} {message.encoding} with step {step} takes {expected}",
            "the image is cut or mislabelled; correct data, height, width, step or encoding",
        )
    if message.is_bigendian and dtype.itemsize > 1:
        dtype = dtype.newbyteorder(">")
    strides = (step, layout.channels * dtype.itemsize, dtype.itemsize)
    pixels: NDArray[Any] = np.ndarray((height, width, layout.channels), dtype, buffer, 0, strides)
    if layout.channels == 1:
        pixels = pixels[:, :, 0]
    # A buffer of the other byte order, or at an odd address, is copied once; the usual case stays a view.
    native = dtype.newbyteorder("<" if sys.byteorder == "little" else ">")
    return pixels if pixels.flags.aligned and dtype == native else pixels.astype(native)


def buffer_view(data: Any) -> NDArray[np.uint8]:
    """Bytes of a ``uint8[]`` field as [N], without a copy for array.array (rclpy), ndarray (rosbags) and bytes."""
    if isinstance(data, (list, tuple)):
        return np.asarray(data, np.uint8)
    # frombuffer refuses an empty buffer
    return np.frombuffer(data, np.uint8) if len(data) else np.zeros(0, np.uint8)
