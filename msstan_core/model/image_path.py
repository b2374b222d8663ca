"""The way of one image modality: map (8), refined map (26-35), attended token (13-17, 45). Camera and thermal alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from msstan_core.model.knowledge import KnowledgePrior
from msstan_core.model.map_refinement import MapPast, MapRefinement, Refined
from msstan_core.model.spatial_attention import MeanOverPlaces, SpatialAttention
from msstan_core.model.temporal_convolution3d import PlaceReduction


class Seen(NamedTuple):
    """What one image modality hands on, of N ticks."""

    token: Tensor  #: [N, d]
    attention: Tensor  #: [N, h, w]
    visible: Tensor | None  #: [N] mean of the occlusion mask; None without one
    reduced: Tensor | None  #: [N, c, g, g] for the 3D convolutions; None without them
    separation_error: Tensor | None  #: [N] see BackgroundSuppression.error


@dataclass(frozen=True)
class ImagePath:
    """The modules of one image modality in the order they are passed; those that are off are None.

    Not a module itself: the modules belong to :class:`~msstan_core.model.ms_stan.MsStan`, whose parameter names are
    what saved weights refer to.
    """

    encode: Callable[[Tensor], Tensor]  #: images [N, ...] -> f_t [N, d, h, w]
    refinement: MapRefinement | None
    prior: KnowledgePrior | None
    attention: SpatialAttention | MeanOverPlaces
    reduce: PlaceReduction | None

    def step(
        self,
        images: Tensor,
        cue: Tensor | None,
        valid: Tensor,
        was_valid: Tensor | None,
        past: MapPast,
        condition: Tensor | None,
    ) -> tuple[Seen, MapPast]:
        """One tick.

        Args:
            images: [B, ...] what ``encode`` takes. cue: [B, H, W] image that the prior reads.
            valid, was_valid: [B] of this modality, now and at the last tick. past: of the last tick.
            condition: [B, d] see SpatialAttention.
        """
        refined = Refined(self.encode(images), None, None)
        if self.refinement is not None:
            refined, past = self.refinement.step(refined.maps, valid, was_valid, past)
        seen = self._attend(refined, cue, condition)
        if seen.reduced is not None:  # stays in the state for long: nothing of an invalid image may
            seen = seen._replace(reduced=torch.where(valid[:, None, None, None] > 0, seen.reduced, 0.0))
        return seen, past

    def unroll(self, images: Tensor, cue: Tensor | None, valid: Tensor, condition: Tensor | None) -> Seen | None:
        """All ticks of clips; only those with a valid image are computed, the others read zero.

        Args:
            images: [B*T, ...]. cue: [B*T, H, W]. valid: [B, T]. condition: [B*T, d].

        Returns:
            B*T ticks; None when no image is valid.
        """
        rows = valid.flatten().nonzero().squeeze(1)
        if len(rows) == 0:
            return None
        present = images[rows].to(valid.dtype)  # images are kept in half precision until here
        if present.dim() == 4:  # channels last: the layout in which the layers behind are fastest on a CPU
            present = present.contiguous(memory_format=torch.channels_last)
        refined = Refined(self.encode(present), None, None)
        if self.refinement is not None:
            dense = _spread(refined.maps, rows, valid.numel()).unflatten(0, valid.shape)
            refined = self.refinement.unroll(dense, valid)
        seen = self._attend(
            refined,
            None if cue is None else cue[rows].to(valid.dtype),
            None if condition is None else condition[rows],
        )
        return Seen(*(None if part is None else _spread(part, rows, valid.numel()) for part in seen))  # type: ignore[arg-type]

    def _attend(self, refined: Refined, cue: Tensor | None, condition: Tensor | None) -> Seen:
        guidance = None if self.prior is None else self.prior(cue)
        token, attention = self.attention(refined.maps, guidance, condition)
        reduced = None if self.reduce is None else self.reduce(refined.maps)
        return Seen(token, attention, refined.visible, reduced, refined.separation_error)


def _spread(part: Tensor, rows: Tensor, ticks: int) -> Tensor:
    """``part`` [n, ...] at its rows of [ticks, ...], zeros elsewhere."""
    return part.new_zeros(ticks, *part.shape[1:]).index_copy(0, rows, part)
