"""Camera and thermal images as the network reads them: decoded reduced, resized cheaply."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import CameraFrame

#: Factors at which JPEG can be decoded reduced (the DCT does it), with OpenCV's flags.
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
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
        image = frame.image if frame.image is not None else self._decode(frame.encoded or b"")
        small = cv2.resize(_halved(image, self._px), (self._px, self._px), interpolation=cv2.INTER_AREA)
        code = cv2.COLOR_GRAY2RGB if small.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(small, code), np.uint8)

    def _decode(self, encoded: bytes) -> NDArray[np.uint8]:
        factor = max((f for f in _REDUCED if self._encoded_least_side >= f * self._px), default=1)
        flag = _REDUCED.get(factor, cv2.IMREAD_COLOR)
        image = decoded(encoded, flag)
        if image is None:
            raise InputError("camera frame", "cannot be decoded", "send JPEG or PNG")
        self._encoded_least_side = min(image.shape[:2]) * factor
        return image


def decoded(encoded: bytes, flag: int = cv2.IMREAD_COLOR) -> NDArray[np.uint8] | None:
    """A JPEG or PNG file's content as [H, W, 3] BGR; ``flag`` is one of ``cv2.IMREAD_*``. None: cannot be decoded."""
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag) if encoded else None
    except cv2.error:  # a header that states a size beyond OpenCV's limit
        return None
    return None if image is None else np.asarray(image, np.uint8)


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
