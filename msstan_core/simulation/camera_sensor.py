"""What happens to light between the scene and the image file: glare, glass, lens blur, sensor noise, transfer curve."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.simulation.optics import Floats
from msstan_core.simulation.scene import paint_glass
from msstan_core.simulation.sensor_settings import CameraSettings

#: The grain is cut from a larger sheet at a random place.
_GRAIN_MARGIN_PX = 48


class CameraSensor:
    """Turns scene radiance (1: full scale) into codes."""

    def __init__(self, settings: CameraSettings, random: np.random.Generator) -> None:
        s = self._settings = settings
        self._random = random
        self.channels = 3 if s.colour else 1
        transmittance, scatter = paint_glass(s.width, s.height, s.dirt, random)
        columns, rows = np.meshgrid(np.linspace(-1, 1, s.width), np.linspace(-1, 1, s.height))
        vignette = (1.0 - s.vignetting * (columns**2 + rows**2) / 2).astype(np.float32)
        self._pass_through = self.spread(transmittance * vignette)
        self._scatter = self.spread(scatter)
        shape = (s.height + _GRAIN_MARGIN_PX, s.width + _GRAIN_MARGIN_PX, self.channels)
        self._grain = np.squeeze(random.standard_normal(shape, np.float32))
        self._curve = np.clip(255.0 * (np.arange(256) / 255.0) ** s.gamma, 0, 255).astype(np.uint8)

    def spread(self, single: Floats) -> Floats:
        """[H, W] to all channels."""
        return np.asarray(cv2.merge([single] * self.channels), np.float32) if self.channels > 1 else single

    def expose(self, image: Floats) -> NDArray[np.uint8]:
        """Radiance [H, W] or [H, W, 3], changed in place, to codes [H, W, 3]."""
        s = self._settings
        if s.bloom > 0:
            self._add_glare(image)
        image *= self._pass_through
        if s.dirt > 0:
            image += self._scatter * np.float32(0.3 * float(np.minimum(image, 1.0).mean()))
        if s.blur_px > 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), s.blur_px), np.float32)
        np.minimum(image, 1.0, out=image)
        row, column = self._random.integers(0, _GRAIN_MARGIN_PX, 2)
        grain = self._grain[row : row + s.height, column : column + s.width]
        # photon noise grows with the signal, read noise is always there
        image += np.float32(s.noise) * grain * (np.float32(0.35) + image)
        np.maximum(image, 0.0, out=image)
        codes = cv2.convertScaleAbs(image, alpha=255.0 * (1.0 - s.black_level), beta=255.0 * s.black_level)
        if s.gamma != 1.0:
            codes = cv2.LUT(codes, self._curve)
        return np.asarray(cv2.cvtColor(codes, cv2.COLOR_GRAY2BGR) if self.channels == 1 else codes, np.uint8)

    def _add_glare(self, image: Floats) -> None:
        """Light beyond full scale spreads around its source."""
        s = self._settings
        small = cv2.resize(image, (max(s.width // 8, 4), max(s.height // 8, 4)), interpolation=cv2.INTER_AREA)
        over = np.clip(small - 0.9, 0, 25)
        if float(over.max()) <= 0:
            return
        wide = max(s.width / 56, 1.0)
        halo = np.float32(0.05 * s.bloom) * (cv2.GaussianBlur(over, (0, 0), 1.2) + cv2.GaussianBlur(over, (0, 0), wide))
        image += cv2.resize(halo, (s.width, s.height), interpolation=cv2.INTER_LINEAR).reshape(image.shape)
