"""Messages as rclpy gives them, without rclpy."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np


def header(sec: int = 12, nanosec: int = 345, frame_id: str = "cam") -> SimpleNamespace:
    """A stamp, s and ns, and a frame."""
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=frame_id)


#: A picture of 4 rows, 6 columns and three channels that all differ.
BGR = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def encoded(kind: str) -> bytes:
    """The picture as a file of this extension."""
    return cv2.imencode(kind, BGR)[1].tobytes()
