"""Camera and thermal images as the network reads them: decoded reduced, resized cheaply."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.image_encodings import eight_bit
from msstan_core.observation import CameraFrame

#: Factors at which JPEG can be decoded reduced (the DCT does it), with OpenCV's flags.
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
#: How a PNG file begins, and where it states its bits a channel.
_PNG, _PNG_DEPTH_AT = b"\x89PNG\r\n\x1a\n", 24
#: Images at least this many times the target are halved first. Averaging 2x2 pixels is vectorised; averaging a whole
#: 720p frame by an uneven factor costs twice the network. Every pixel still counts.
_HALVE_FROM = 3


class FrameReader:
    """Decodes and resizes camera frames of one stream; remembers the stream's size to decode no more than needed.

    Args:
        px: side of the square result in pixels.
    """

    def __init__(self, px: int) -> None:
        self._px = px
        self._encoded_least_side = 0  #: shorter side of the stream's frames, 0: not known yet

    def read(self, frame: CameraFrame) -> NDArray[np.uint8]:
        """[px, px, 3] RGB; mono is repeated. Aspect ratio is not kept: the whole view counts.

        Raises:
            InputError: when a compressed frame cannot be decoded.
        """
        image = frame.image if frame.image is not None else self._decode(frame)
        small = cv2.resize(_halved(image, self._px), (self._px, self._px), interpolation=cv2.INTER_AREA)
        code = cv2.COLOR_GRAY2RGB if small.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(small, code), np.uint8)

    def _decode(self, frame: CameraFrame) -> NDArray[np.uint8]:
        factor = max((f for f in _REDUCED if self._encoded_least_side >= f * self._px), default=1)
        if _is_sixteen_bit(frame.encoded or b""):
            factor = 1
        image = decoded(frame, _REDUCED.get(factor, cv2.IMREAD_COLOR))
        if image is None:
            raise InputError("camera frame", "cannot be decoded", "send JPEG or PNG")
        self._encoded_least_side = min(image.shape[:2]) * factor
        return image


def decoded(frame: CameraFrame, flag: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8] | None:
    """An encoded frame as [H, W, 3] BGR; None: cannot be decoded.

    Args:
        frame: with ``encoded``. flag: one of ``cv2.IMREAD_*``; a PNG of 16 bits a channel is read whole, and scaled by
            the frame's bit depth as a raw image would be.
    """
    encoded = frame.encoded or b""
    deep = _is_sixteen_bit(encoded)
    try:
        read_as = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if deep else flag
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), read_as) if encoded else None
    except cv2.error:  # a header that states a size beyond OpenCV's limit
        return None
    if image is None:
        return None
    return eight_bit(image, frame.bit_depth) if deep else np.asarray(image, np.uint8)


def _is_sixteen_bit(encoded: bytes) -> bool:
    """Whether a file's content is a PNG of 16 bits a channel, as image_transport makes of mono16."""
    return encoded.startswith(_PNG) and encoded[_PNG_DEPTH_AT : _PNG_DEPTH_AT + 1] == b"\x10"


def thermal_image(celsius: NDArray[np.float32], px: int) -> NDArray[np.float32]:
    """[px, px] degC. Pixels without a value take the image's lowest one.

    Raises:
        InputError: when no pixel has a value.
    """
    small = _resized_thermal(celsius, px)
    if np.isfinite(small).all():  # one without a value would show wherever it is used: no need to look for it first
        return small
    finite = np.isfinite(celsius)
    if not finite.any():
        raise InputError("thermal frame", "no pixel has a finite temperature", "check the camera's range and scale")
    return _resized_thermal(np.where(finite, celsius, celsius[finite].min()), px)


def _resized_thermal(celsius: NDArray[np.float32], px: int) -> NDArray[np.float32]:
    shrink = min(celsius.shape) > px
    interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(_halved(celsius, px), (px, px), interpolation=interpolation), np.float32)


def _halved(image: NDArray[Any], px: int) -> NDArray[Any]:
    """The image averaged over 2x2 pixels as often as its shorter side is at least _HALVE_FROM targets.

    An odd last row or column is left out.
    """
    while min(image.shape[:2]) >= _HALVE_FROM * px:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return image
