"""The whole network, with its two faces: ``unroll`` over clips for training, ``step`` over one tick for streaming."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.errors import InputError
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
from msstan_core.model.heat_input import HeatInputConditioning
from msstan_core.model.image_path import ImagePath, Seen
from msstan_core.model.importance import Gated, ImportanceGate, hold
from msstan_core.model.knowledge import camera_prior, thermal_prior
from msstan_core.model.map_refinement import MapPast, MapRefinement
from msstan_core.model.measured_imperfections import MeasuredImperfections
from msstan_core.model.measured_values import MeasuredValues
from msstan_core.model.memory import RecurrentMemory
from msstan_core.model.occlusion import tick_visibility
from msstan_core.model.projection import ProjectionHead
from msstan_core.model.signals import Auxiliary, Features, Output
from msstan_core.model.spatial_attention import spatial_attention
from msstan_core.model.state import DOUBLE_PRECISION, State, state_shapes
from msstan_core.model.temporal import SeparableCausalConvolution, pushed, temporal_aggregation
from msstan_core.model.temporal_convolution3d import TemporalConvolution3d
from msstan_core.model.thumbnail import grey_thumbnail
from msstan_core.vocabulary import MODALITIES, Modality

__all__ = ["Auxiliary", "Features", "MsStan", "Output", "State"]


class MsStan(nn.Module):
    """Multi-Scale Spatiotemporal Attention Network.

    Args:
        config: sizes and switches. A mechanism that is off is None here: no parameters, no state, no cost.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = CameraBackbone(config)
        self.camera = CameraHead(self.backbone.channels, config)
        self.camera_attention = spatial_attention(config)
        self.thermal = ThermalBranch(config)
        self.thermal_attention = spatial_attention(config)
        self.thermal_levels = ThermalLevels(config) if config.thermal_statistics else None
        self.acoustic = AcousticBranch(config)
        self.telemetry = TelemetryBranch(config)
        self.context = ContextEmbedding(config) if config.context.enabled else None
        self.fusion = ModalityFusion(config)
        self.convolution = SeparableCausalConvolution(config) if config.separable_convolution.enabled else None
        self.temporal = temporal_aggregation(config)
        self.memory = RecurrentMemory(config) if config.memory.enabled else None
        self.measured = MeasuredValues(config) if config.measured_values else None
        self.measured_imperfections = MeasuredImperfections(config) if config.measured_imperfections else None
        self.heads = Heads(config)
        self.camera_refinement, self.thermal_refinement = MapRefinement.of(config), MapRefinement.of(config)
        self.camera_prior, self.thermal_prior = camera_prior(config), thermal_prior(config)
        self.heat_input = HeatInputConditioning(config) if config.context.heat_input else None
        self.volume = TemporalConvolution3d(config) if config.aggregation.kind in ("convolution", "both") else None
        self.projection = ProjectionHead(config) if config.projection.enabled else None
        self.gate = ImportanceGate(config) if config.sampling.enabled else None

    @property
    def _camera_path(self) -> ImagePath:
        reduce = None if self.volume is None else self.volume.camera
        return ImagePath(self.camera, self.camera_refinement, self.camera_prior, self.camera_attention, reduce)

    @property
    def _thermal_path(self) -> ImagePath:
        reduce = None if self.volume is None else self.volume.thermal
        return ImagePath(self.thermal, self.thermal_refinement, self.thermal_prior, self.thermal_attention, reduce)

    def unroll(self, features: Features) -> Output:
        """All ticks of clips at once. Every tensor has shape [B, T, ...]."""
        return self._unroll(features)[0]

    def unroll_sampled(self, features: Features) -> tuple[Output, Gated]:
        """As ``unroll``, with frames held where the importance gate would not have looked at them (40, 41)."""
        gated = self._decide(features)
        return self._unroll(self._held(features, gated.looked))[0], gated

    def unroll_with_auxiliary(self, features: Features) -> tuple[Output, Auxiliary]:
        """As ``unroll``, with what the losses of single mechanisms need; for training.

        With the importance gate, the frames of some clips are held as it decides: the network learns to live with it.

        Raises:
            InputError: when a mechanism needs thumbnails and the features hold none.
        """
        if self.gate is None or not self.config.sampling.trained:
            return self._unroll(features)
        gated = self._decide(features)
        held = torch.rand(len(gated.looked), device=gated.looked.device) < self.config.sampling.held_clips
        features = self._held(features, torch.where(held[:, None], gated.looked, 1.0))
        output, auxiliary = self._unroll(features)
        return output, auxiliary._replace(importance=gated.importance, looked=gated.looked, held=held.float())

    def _unroll(self, features: Features) -> tuple[Output, Auxiliary]:
        """Branches run only on ticks where their modality is valid: the fusion gives the others weight 0 anyway."""
        if self.config.uses_thumbnail and features.thumbnail is None:
            raise InputError("training features", "hold no thumbnails", "extract them with this model's configuration")
        clips = features.valid.shape[:2]
        flat = features.map(lambda part: part.flatten(0, 1))
        context, condition = self._circumstances(flat.telemetry, flat.context, flat.valid)
        valid = features.valid.unbind(dim=2)
        camera = self._camera_path.unroll(flat.camera, flat.thumbnail, valid[Modality.CAMERA], condition)
        thermal = self._thermal_path.unroll(flat.thermal, flat.thermal, valid[Modality.THERMAL], condition)
        heard = self._present(flat.log_mel, valid[Modality.ACOUSTIC], self.acoustic)
        told = self._present(flat.telemetry, valid[Modality.TELEMETRY], self.telemetry)
        camera = camera or self._unseen(flat.age_s, flat.camera.shape[-1])
        thermal = thermal or self._unseen(flat.age_s, 1)
        fused, weights, visible = self._fuse(flat, camera, thermal, [heard, told], context)
        h = fused.unflatten(0, clips)
        if self.convolution is not None:
            h = self.convolution.unroll(h)
        share = None if visible is None else visible.unflatten(0, clips)
        combined = h if self.temporal is None else self.temporal.unroll(h, share)
        if self.volume is not None and camera.reduced is not None and thermal.reduced is not None:
            maps = (camera.reduced.unflatten(0, clips), thermal.reduced.unflatten(0, clips))
            combined = combined + self.volume.unroll(h, *maps)
        said = None
        if self.measured is not None:
            said = self.measured(flat.telemetry, flat.thermal_statistics, flat.valid, context).unflatten(0, clips)
        if self.memory is not None:
            combined = combined + self.memory.unroll(self._to_remember(combined, said))
        if said is not None:
            combined = combined + said
        actions, imperfections, embedding = self.heads(combined)
        if self.measured_imperfections is not None and not self.training:
            read = (flat.telemetry, flat.valid, context)
            imperfections = self.measured_imperfections.joined(imperfections.flatten(0, 1), *read).unflatten(0, clips)
        attention = camera.attention.unflatten(0, clips)
        output = Output(actions, imperfections, embedding, weights.unflatten(0, clips), attention)
        auxiliary = Auxiliary(
            visible=_pair(camera.visible, thermal.visible, clips),
            separation_error=_pair(camera.separation_error, thermal.separation_error, clips),
            projected=None if self.projection is None else self.projection(embedding),
        )
        return output, auxiliary

    def step_features(self, features: Features, state: State) -> tuple[Output, State]:
        """One tick from backbone features. Every tensor has shape [B, ...]."""
        context, condition = self._circumstances(features.telemetry, features.context, features.valid)
        valid = features.valid.unbind(dim=1)
        was_valid = (None,) * len(valid) if state.present is None else state.present.unbind(dim=1)
        past = MapPast(state.camera_previous, state.camera_mean)
        m = Modality.CAMERA
        camera, camera_past = self._camera_path.step(
            features.camera, features.thumbnail, valid[m], was_valid[m], past, condition
        )
        past = MapPast(state.thermal_previous, state.thermal_mean)
        m = Modality.THERMAL
        thermal, thermal_past = self._thermal_path.step(
            features.thermal, features.thermal, valid[m], was_valid[m], past, condition
        )
        others = [self.acoustic(features.log_mel), self.telemetry(features.telemetry)]
        h, weights, visible = self._fuse(features, camera, thermal, others, context)
        state = state._replace(
            present=None if state.present is None else features.valid,
            camera_previous=camera_past.previous,
            camera_mean=camera_past.mean,
            thermal_previous=thermal_past.previous,
            thermal_mean=thermal_past.mean,
        )
        if self.convolution is not None and state.convolution is not None:
            h, history = self.convolution.step(h, state.convolution)
            state = state._replace(convolution=history)
        combined = h
        if self.temporal is not None and state.ring is not None and state.filled is not None:
            ring, filled = pushed(state.ring, h), pushed(state.filled, torch.ones_like(state.filled[:, 0]))
            share = None if state.visible is None or visible is None else pushed(state.visible, visible)
            combined = self.temporal.step(h, ring, filled, share)
            state = state._replace(ring=ring, filled=filled, visible=share)
        if self.volume is not None and state.volume is not None:
            assert camera.reduced is not None and thermal.reduced is not None
            aggregated, volume = self.volume.step(h, camera.reduced, thermal.reduced, state.volume)
            combined, state = combined + aggregated, state._replace(volume=volume)
        said = None
        if self.measured is not None:
            said = self.measured(features.telemetry, features.thermal_statistics, features.valid, context)
        if self.memory is not None and state.memory is not None:
            remembered, memory = self.memory.step(self._to_remember(combined, said), state.memory)
            combined, state = combined + remembered, state._replace(memory=memory)
        if said is not None:
            combined = combined + said
        actions, imperfections, embedding = self.heads(combined)
        if self.measured_imperfections is not None:
            read = (features.telemetry, features.valid, context)
            imperfections = self.measured_imperfections.joined(imperfections, *read)
        return Output(actions, imperfections, embedding, weights, camera.attention), state

    def look(self, camera: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the step needs of a frame [B, H, W, 3]: backbone features (8), thumbnail where the prior reads one."""
        reads_thumbnail = self.camera_prior is not None and self.camera_prior.hottest_spot
        return self.backbone(camera), grey_thumbnail(camera) if reads_thumbnail else None

    def step(self, camera: Tensor, rest: Features, state: State) -> tuple[Output, State]:
        """One tick from the image. camera: [B, H, W, 3] uint8 RGB; ``rest.camera`` is ignored."""
        features, thumbnail = self.look(camera)
        return self.step_features(rest._replace(camera=features, thumbnail=thumbnail), state)

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first tick: all zeros, nothing filled."""
        return State(
            **{
                name: torch.zeros(shape, dtype=torch.float64 if name in DOUBLE_PRECISION else torch.float32)
                for name, shape in state_shapes(self.config, batch).items()
            }
        )

    def imperfections_measured(self, telemetry: Tensor, context: Tensor, valid: Tensor) -> Tensor:
        """The second opinion on the imperfections by itself, for its training.

        Args:
            telemetry, context, valid: of N ticks with telemetry, each [N, ...] as in ``Features``.

        Returns:
            Logits [N, 13].

        Raises:
            InputError: when ``measured_imperfections`` is off.
        """
        if self.measured_imperfections is None:
            raise InputError("measured_imperfections", "is off in this model", "enable it, or set measured_ticks to 0")
        logits: Tensor = self.measured_imperfections(telemetry, self._circumstances(telemetry, context, valid)[0])
        return logits

    def _circumstances(self, telemetry: Tensor, context: Tensor, valid: Tensor) -> tuple[Tensor, Tensor | None]:
        """(context [N, d], condition of the spatial attention [N, d]) of N ticks."""
        embedded = telemetry.new_zeros(len(valid), self.config.width) if self.context is None else self.context(context)
        if self.heat_input is None:
            return embedded, None
        condition = self.heat_input(telemetry, valid)
        return embedded + condition, condition

    def _fuse(
        self, features: Features, camera: Seen, thermal: Seen, others: list[Tensor], context: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """(fused [N, d], modality weights [N, 4], share of what the tick says that nothing hides [N])."""
        heat = thermal.token
        if self.thermal_levels is not None:
            heat = heat + self.thermal_levels(features.thermal_statistics)
        tokens = torch.cat([camera.token, heat, *others], dim=1).unflatten(1, (len(MODALITIES), -1))
        if camera.visible is None or thermal.visible is None:
            return *self.fusion(tokens, features.valid, features.age_s, context), None
        always = torch.ones_like(camera.visible)
        visible = torch.stack([camera.visible, thermal.visible, always, always], dim=1)
        fused, weights = self.fusion(tokens, features.valid, features.age_s, context, visible)
        in_time = self.config.occlusion.in_time
        return fused, weights, tick_visibility(weights, camera.visible, thermal.visible) if in_time else None

    def _to_remember(self, combined: Tensor, said: Tensor | None) -> Tensor:
        """What the recurrent memory reads: the multi-scale feature, with what was measured where it may."""
        return combined if said is None or not self.config.memory.reads_measured else combined + said

    def _present(self, values: Tensor, valid: Tensor, encode: nn.Module) -> Tensor:
        """``encode`` on the rows of ``values`` [B*T, ...] that are valid [B, T], zeros elsewhere: tokens [B*T, d]."""
        rows = valid.flatten().nonzero().squeeze(1)
        tokens = valid.new_zeros(len(values), self.config.width)
        if not len(rows):
            return tokens
        # Under mixed precision an encoder answers in half precision, which index_copy does not convert on a GPU.
        return tokens.index_copy(0, rows, encode(values[rows].to(valid.dtype)).to(tokens.dtype))

    def _unseen(self, like: Tensor, side: int) -> Seen:
        """What an image modality hands on when none of the ticks has a valid image."""
        ticks, aggregation = len(like), self.config.aggregation
        grid = (aggregation.channels, aggregation.grid, aggregation.grid)
        return Seen(
            like.new_zeros(ticks, self.config.width),
            like.new_zeros(ticks, side, side),
            like.new_zeros(ticks) if self.config.occlusion.enabled else None,
            like.new_zeros(ticks, *grid) if self.volume is not None else None,
            like.new_zeros(ticks) if self.config.background.enabled and self.training else None,
        )

    def _decide(self, features: Features) -> Gated:
        """The gate's decisions on clips, tick after tick."""
        if self.gate is None or features.thumbnail is None:
            raise InputError(
                "frame sampling", "is off or has no thumbnails", "enable it in the model and extract again"
            )
        read = (features.thumbnail, features.thermal, features.log_mel, features.telemetry, features.valid)
        summaries = self.gate.summary(*(part.flatten(0, 1).float() for part in read))
        return self.gate.unroll(summaries.unflatten(0, features.valid.shape[:2]), features.valid)

    @staticmethod
    def _held(features: Features, looked: Tensor) -> Features:
        """The camera as the network sees it when only some frames are looked at [B, T]."""
        thumbnail = None if features.thumbnail is None else hold(features.thumbnail, looked)
        return features._replace(camera=hold(features.camera, looked), thumbnail=thumbnail)


def _pair(camera: Tensor | None, thermal: Tensor | None, clips: tuple[int, ...]) -> Tensor | None:
    """Two [B*T] -> [B, T, 2]; None where either is."""
    if camera is None or thermal is None:
        return None
    pair: Tensor = torch.stack([camera, thermal], dim=1).unflatten(0, clips)
    return pair
