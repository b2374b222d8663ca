"""The whole network, with its two faces: ``unroll`` over clips for training, ``step`` over one tick for streaming."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from msstan_core.model.branches import (
    AcousticBranch,
    CameraBackbone,
    CameraHead,
    ContextEmbedding,
    TelemetryBranch,
    ThermalBranch,
    ThermalLevels,
)
from msstan_core.model.configuration import ModelConfig
from msstan_core.model.fusion import ModalityFusion
from msstan_core.model.heads import Heads
from msstan_core.model.spatial_attention import SpatialAttention
from msstan_core.model.temporal import MultiScaleTemporalAttention, SeparableCausalConvolution
from msstan_core.vocabulary import Modality


class Features(NamedTuple):
    """One batch of ticks (or of clips, with a time axis after the batch axis) for the trainable part."""

    camera: Tensor  #: [..., channels, h, w] backbone features
    thermal: Tensor  #: [..., H, W] degC
    log_mel: Tensor  #: [..., bands, frames] dB
    telemetry: Tensor  #: [..., FEATURE_COUNT]
    context: Tensor  #: [..., 4] ids
    valid: Tensor  #: [..., 4] 0 or 1
    age_s: Tensor  #: [..., 4]


class State(NamedTuple):
    """Everything that one tick hands to the next; explicit, so that a graph without side effects can stream."""

    convolution: Tensor  #: [B, taps-1, d] past inputs of the temporal convolution
    ring: Tensor  #: [B, R, d] past attended features, newest last
    filled: Tensor  #: [B, R] 1 where the ring holds a tick


class Output(NamedTuple):
    """What the network says of a tick; the same for clips, with a time axis after the batch axis."""

    action_logits: Tensor  #: [B, 9]
    imperfection_logits: Tensor  #: [B, 13]
    embedding: Tensor  #: [B, d]
    modality_weights: Tensor  #: [B, 4]
    attention: Tensor  #: [B, h, w] of the camera


class MsStan(nn.Module):
    """Multi-Scale Spatiotemporal Attention Network.

    Args:
        config: sizes and switches.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = CameraBackbone(config)
        self.camera = CameraHead(self.backbone.channels, config)
        self.camera_attention = SpatialAttention(config.width)
        self.thermal = ThermalBranch(config)
        self.thermal_attention = SpatialAttention(config.width)
        self.thermal_levels = ThermalLevels(config) if config.thermal_levels else None
        self.acoustic = AcousticBranch(config)
        self.telemetry = TelemetryBranch(config)
        self.context = ContextEmbedding(config)
        self.fusion = ModalityFusion(config)
        self.convolution = SeparableCausalConvolution(config)
        self.temporal = MultiScaleTemporalAttention(config)
        self.heads = Heads(config)

    def attend_and_fuse(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """The per-tick part: (fused [B, d], modality weights [B, 4], camera attention [B, h, w])."""
        camera, attention = self.camera_attention(self.camera(features.camera))
        tokens = torch.stack(
            [
                camera,
                self.thermal_token(features.thermal),
                self.acoustic(features.log_mel),
                self.telemetry(features.telemetry),
            ],
            dim=1,
        )
        fused, weights = self.fusion(tokens, features.valid, features.age_s, self.context(features.context))
        return fused, weights, attention

    def thermal_token(self, thermal: Tensor) -> Tensor:
        """thermal: [B, H, W] degC -> [B, d]: the attended map, and the temperatures themselves."""
        attended: Tensor = self.thermal_attention(self.thermal(thermal))[0]
        return attended if self.thermal_levels is None else attended + self.thermal_levels(thermal)

    def unroll(self, features: Features) -> Output:
        """All ticks of clips at once, for training. Every tensor has shape [B, T, ...].

        Branches run only on ticks where their modality is valid: the fusion gives the others weight 0 in any case.
        """
        batch, ticks = features.valid.shape[:2]
        flat = Features(*(part.flatten(0, 1) for part in features))
        present = flat.valid > 0
        attended = self._where(
            present[:, Modality.CAMERA], flat.camera, lambda x: self.camera_attention(self.camera(x))
        )
        camera, attention = attended or (None, flat.age_s.new_zeros(flat.camera[:, 0].shape))
        heated = self._where(present[:, Modality.THERMAL], flat.thermal, lambda x: (self.thermal_token(x),))
        heard = self._where(present[:, Modality.ACOUSTIC], flat.log_mel, lambda x: (self.acoustic(x),))
        told = self._where(present[:, Modality.TELEMETRY], flat.telemetry, lambda x: (self.telemetry(x),))
        absent = flat.age_s.new_zeros(batch * ticks, self.config.width)
        tokens = [absent if t is None else t for t in (camera, *(p[0] if p else None for p in (heated, heard, told)))]
        fused, weights = self.fusion(torch.stack(tokens, dim=1), flat.valid, flat.age_s, self.context(flat.context))
        combined = self.temporal.unroll(self.convolution.unroll(fused.unflatten(0, (batch, ticks))))
        actions, imperfections, embedding = self.heads(combined)
        return Output(
            actions,
            imperfections,
            embedding,
            weights.unflatten(0, (batch, ticks)),
            attention.unflatten(0, (batch, ticks)),
        )

    @staticmethod
    def _where(
        present: Tensor, values: Tensor, encode: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...] | None:
        """``encode`` on the rows of ``values`` that are present, zeros elsewhere; None when no row is."""
        rows = present.nonzero().squeeze(1)
        if len(rows) == 0:
            return None
        encoded = encode(values[rows].float())  # images are kept in half precision until here
        return tuple(e.new_zeros(len(present), *e.shape[1:]).index_copy(0, rows, e) for e in encoded)

    def step_features(self, features: Features, state: State) -> tuple[Output, State]:
        """One tick from backbone features. Every tensor has shape [B, ...]."""
        fused, weights, attention = self.attend_and_fuse(features)
        h, convolution = self.convolution.step(fused, state.convolution)
        combined, ring, filled = self.temporal.step(h, state.ring, state.filled)
        actions, imperfections, embedding = self.heads(combined)
        return Output(actions, imperfections, embedding, weights, attention), State(convolution, ring, filled)

    def step(self, camera: Tensor, rest: Features, state: State) -> tuple[Output, State]:
        """One tick from the image. camera: [B, H, W, 3] uint8 RGB; ``rest.camera`` is ignored."""
        return self.step_features(rest._replace(camera=self.backbone(camera)), state)

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first tick: all zeros, nothing filled."""
        config = self.config
        return State(
            torch.zeros(batch, config.temporal_kernel - 1, config.width),
            torch.zeros(batch, config.ring_ticks, config.width),
            torch.zeros(batch, config.ring_ticks),
        )
