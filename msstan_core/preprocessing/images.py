"""Camera and thermal images as the network reads them: decoded reduced, resized cheaply."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.observation import CameraFrame

#: Factors at which JPEG can be decoded reduced (the DCT does it), with OpenCV's flags.
_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
#: Before area-averaging, whole pixels are skipped until the image is at most this many times the target: INTER_AREA
#: on a full 720p frame costs as much as the network.
_SKIP_TO = 3


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
        skip = min(image.shape[0], image.shape[1]) // (_SKIP_TO * self._px)
        if skip > 1:
            image = image[::skip, ::skip]
        small = cv2.resize(np.ascontiguousarray(image), (self._px, self._px), interpolation=cv2.INTER_AREA)
        code = cv2.COLOR_GRAY2RGB if small.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(small, code), np.uint8)

    def _decode(self, encoded: bytes) -> NDArray[np.uint8]:
        factor = max((f for f in _REDUCED if self._encoded_least_side >= f * self._px), default=1)
        flag = _REDUCED.get(factor, cv2.IMREAD_COLOR)
        data = np.frombuffer(encoded, np.uint8)
        image = cv2.imdecode(data, flag) if len(data) else None
        if image is None:
            raise InputError("camera frame", f"cannot be decoded ({len(encoded)} bytes)", "send JPEG or PNG")
        self._encoded_least_side = min(image.shape[:2]) * factor
        return np.asarray(image, np.uint8)


def thermal_image(celsius: NDArray[np.float32], px: int) -> NDArray[np.float32]:
    """[px, px] degC. Pixels without a value take the image's lowest one.

    Raises:
        InputError: when no pixel has a value.
    """
    finite = np.isfinite(celsius)
    if not finite.all():
        if not finite.any():
            raise InputError("thermal frame", "no pixel has a finite temperature", "check the camera's range and scale")
        celsius = np.where(finite, celsius, celsius[finite].min())
    shrink = min(celsius.shape) > px
    interpolation = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(celsius, (px, px), interpolation=interpolation), np.float32)
