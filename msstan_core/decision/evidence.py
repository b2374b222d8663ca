"""What an event rests on: the modalities' shares, and where in the image the network looked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from msstan_core.decision.result import AnomalyEvent, EventPhase, Evidence, ImageRegion

#: Cells with at least this share of the largest attention belong to the focus.
FOCUS_LEVEL = 0.5
#: A focus larger than this share of the image points at nothing.
LARGEST_FOCUS = 0.5


def evidence_of(modality_weights: NDArray[np.float32], attention: NDArray[np.float32] | None) -> Evidence:
    """Evidence of one tick.

    Args:
        modality_weights: [4]. attention: [h, w] over the camera image; None without a valid camera frame.
    """
    camera, thermal, acoustic, telemetry = (float(w) for w in modality_weights)
    region = None if attention is None else focus(attention)
    return Evidence((camera, thermal, acoustic, telemetry), region)


def focus(attention: NDArray[np.float32]) -> ImageRegion | None:
    """The box round the cells that hang together with the peak of the attention; None where it is spread out.

    Attention says what the pooling weighted, which is not proof of a cause (Jain and Wallace 2019).
    """
    if not np.isfinite(attention).all() or float(attention.max()) <= 0:
        return None
    high = attention >= FOCUS_LEVEL * attention.max()
    _, patches = cv2.connectedComponents(high.astype(np.uint8), connectivity=4)
    patch = patches == patches[np.unravel_index(int(attention.argmax()), attention.shape)]
    if patch.mean() > LARGEST_FOCUS:
        return None
    rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
    height, width = attention.shape
    return ImageRegion(
        left=float(columns[0] / width),
        top=float(rows[0] / height),
        right=float((columns[-1] + 1) / width),
        bottom=float((rows[-1] + 1) / height),
    )


class PeakRegions:
    """Remembers of every open event where the network looked when its score was highest.

    An event lasts, and what the network looks at near its end, or when the camera is gone, tells nothing of it.
    """

    def __init__(self) -> None:
        self._peaks: dict[int, tuple[float, ImageRegion]] = {}

    def attach(self, events: Sequence[AnomalyEvent], evidence: Evidence) -> tuple[AnomalyEvent, ...]:
        """The events of one tick, all that are open among them, with their evidence.

        Args:
            events: of the tick. evidence: of the tick; its region counts for events whose score is at its highest.
        """
        peaks = {}
        out = []
        for event in events:
            peak = self._peaks.get(event.event_id)
            if evidence.region is not None and event.score > (-math.inf if peak is None else peak[0]):
                peak = event.score, evidence.region
            if peak is not None and event.phase is not EventPhase.CLEARED:
                peaks[event.event_id] = peak
            region = None if peak is None else peak[1]
            out.append(replace(event, evidence=replace(evidence, region=region)))
        self._peaks = peaks
        return tuple(out)
