"""What goes into the network and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Features(NamedTuple):
    """One batch of ticks (or of clips, with a time axis after the batch axis) for the trainable part."""

    camera: Tensor  #: [..., channels, h, w] backbone features
    thermal: Tensor  #: [..., H, W] degC
    log_mel: Tensor  #: [..., bands, frames] dB
    telemetry: Tensor  #: [..., InputSpec.telemetry_count]
    context: Tensor  #: [..., 4] ids
    valid: Tensor  #: [..., 4] 0 or 1
    age_s: Tensor  #: [..., 4]
    thermal_statistics: Tensor  #: [..., STATISTICS_COUNT]
    thumbnail: Tensor | None = None  #: [..., H/4, W/4] grey levels of the camera; None where no mechanism reads it

    def map(self, change: Callable[[Tensor], Tensor]) -> Features:
        """``change`` applied to every part that there is."""
        return Features(*(None if part is None else change(part) for part in self))  # type: ignore[arg-type]


class Output(NamedTuple):
    """What the network says of a tick; the same for clips, with a time axis after the batch axis."""

    action_logits: Tensor  #: [B, 9]
    imperfection_logits: Tensor  #: [B, 13]
    embedding: Tensor  #: [B, d]
    modality_weights: Tensor  #: [B, 4]
    attention: Tensor  #: [B, h, w] of the camera


class Auxiliary(NamedTuple):
    """What the losses of single mechanisms need beside the output; None where the mechanism is off."""

    visible: Tensor | None = None  #: [B, T, 2] mean of the occlusion masks of camera and thermal image (26)
    separation_error: Tensor | None = None  #: [B, T, 2] error of the background separation (30), training mode only
    projected: Tensor | None = None  #: [B, T, p] embedding after the projection head (39)
    importance: Tensor | None = None  #: [B, T] a_t (40)
    looked: Tensor | None = None  #: [B, T] 1 where the gate would have looked at the frame (41)
    held: Tensor | None = None  #: [B] 1 for clips whose camera was held where the gate would not have looked
