"""What one tick hands to the next: the parts of the streaming state, and which of them a configuration has.

Importable without torch, because the ONNX engine needs the shapes and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msstan_core.model.configuration import ModelConfig
from msstan_core.vocabulary import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class State(NamedTuple):
    """Everything that one tick hands to the next; explicit, so that a graph without side effects can stream.

    A part is None where the mechanism that needs it is off. All parts are zero before the first tick.
    """

    convolution: Tensor | None = None  #: [B, taps-1, d] past inputs of the separable temporal convolution
    ring: Tensor | None = None  #: [B, R, d] past attended features, newest last
    filled: Tensor | None = None  #: [B, R] 1 where the ring holds a tick
    visible: Tensor | None = None  #: [B, R] 1 - share of what was hidden, of the ring's ticks (28)
    volume: Tensor | None = None  #: [B, R-1, c, g, g] past inputs of the 3D convolutions, level by level
    present: Tensor | None = None  #: [B, 4] validity at the last tick
    camera_previous: Tensor | None = None  #: [B, d, h, w] map of the last tick (33)
    camera_mean: Tensor | None = None  #: [B, d, h, w] slow running mean of the maps (30)
    thermal_previous: Tensor | None = None  #: as camera_previous
    thermal_mean: Tensor | None = None  #: as camera_mean
    memory: Tensor | None = None  #: [B, width of the memory] of the recurrent unit, in double precision

    def parts(self) -> dict[str, Tensor]:
        """The parts that there are, by name, in the order of the step graph's arguments."""
        return {name: part for name, part in self._asdict().items() if part is not None}

    def map(self, change: Callable[[Tensor], Tensor]) -> State:
        """``change`` applied to each part that there is."""
        return State(**{name: change(part) for name, part in self.parts().items()})


#: Parts that add up small changes over hours, which single precision would round off; the others are float32.
DOUBLE_PRECISION = frozenset({"memory"})


def camera_map_side(config: ModelConfig) -> int:
    """Places per side of the camera's feature map; the backbone's stride is 8 up to block 5, then 16."""
    return config.inputs.camera_px // (8 if config.backbone_blocks <= 5 else 16)


def thermal_map_side(config: ModelConfig) -> int:
    """Places per side of the thermal feature map."""
    return config.inputs.thermal_px // 8


def state_shapes(config: ModelConfig, batch: int = 1) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the state's parts under this configuration, in the order of :class:`State`."""
    d, ring = config.width, config.ring_ticks
    aggregation = config.aggregation
    side = aggregation.grid
    shapes: dict[str, tuple[int, ...]] = {}
    if config.separable_convolution.enabled:
        shapes["convolution"] = (config.temporal_kernel - 1, d)
    if aggregation.kind != "convolution":
        shapes["ring"] = (ring, d)
        shapes["filled"] = (ring,)
        if config.occlusion.enabled and config.occlusion.in_time and aggregation.kind != "mean":
            shapes["visible"] = (ring,)
    if aggregation.kind in ("convolution", "both"):
        shapes["volume"] = (ring - 1, aggregation.channels, side, side)
    if config.magnification.enabled:
        shapes["present"] = (len(MODALITIES),)
    for name, places in (("camera", camera_map_side(config)), ("thermal", thermal_map_side(config))):
        if config.magnification.enabled:
            shapes[f"{name}_previous"] = (d, places, places)
        if config.background.enabled:
            shapes[f"{name}_mean"] = (d, places, places)
    if config.memory.enabled:
        shapes["memory"] = (config.memory.width,)
    return {name: (batch, *shapes[name]) for name in State._fields if name in shapes}


def gate_state_shapes(config: ModelConfig, batch: int = 1) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the importance gate's state (model/importance.py); zeros before the first tick."""
    return {"reference": (batch, sum(gate_summary_sizes(config))), "may_hold": (batch,)}


def gate_summary_sizes(config: ModelConfig) -> tuple[int, ...]:
    """Numbers of a tick that the importance gate compares: of the image alone where that is all that it scores by.

    Otherwise of image, temperatures, sound, telemetry and validity.
    """
    inputs, image = config.inputs, (config.inputs.camera_px // 4) ** 2
    if config.sampling.score == "change":
        return (image,)
    return image, thermal_map_side(config) ** 2, inputs.log_mel.bands, inputs.telemetry_count, len(MODALITIES)
