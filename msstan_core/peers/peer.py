"""What a peer is: sizes, what it looks at, and what one decision update of it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from msstan_core.errors import InputError
from msstan_core.model.branches import CameraBackbone
from msstan_core.model.configuration import nano
from msstan_core.model.signals import Features
from msstan_core.peers.tick_features import example_features
from msstan_core.vocabulary import ACTIONS, ISO_CODES, Modality

#: Logits of a peer that watches welds: actions, then imperfections.
OUTPUTS = len(ACTIONS) + len(ISO_CODES)
CAMERA = frozenset({Modality.CAMERA})


class Kind(StrEnum):
    """What a decision update of a peer computes."""

    CLIP = "clip"  #: the whole window again: forward([B, 3, T, H, W]) -> [B, outputs]
    STREAMING = "streaming"  #: the newest frame and a memory: step([B, 3, H, W], *state) -> (logits, *state)
    FEATURES = "features"  #: features of the newest tick and a memory: step(Features, *state) -> (logits, *state)
    FRAME = "frame"  #: one frame, no neural network


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a network looks at."""

    frames: int  #: of a clip; of a training clip where the network streams
    pixels: int  #: side of the square image
    stride: int  #: camera frames from one frame of the clip, or one update of the memory, to the next
    rate_hz: float = 30.0  #: camera frames a second that the stride refers to


@dataclass(frozen=True, slots=True)
class Variant:
    """One size of a network."""

    name: str  #: as tables show it
    build: Callable[..., nn.Module]  #: number of logits -> network with random weights; over features also ``config``
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Peer:
    """A network that MS-STAN is compared with.

    ``full`` is the published size, which is what is timed; ``reduced`` is what two cores can train in the budget.
    """

    name: str
    kind: Kind
    full: Variant
    reduced: Variant
    reference: str
    parameters_m: float  #: millions at the published size with ``published_outputs`` logits
    published_outputs: int = 400
    modalities: frozenset[Modality] = CAMERA  #: what it is given

    def variant(self, full: bool) -> Variant:
        """The size asked for."""
        return self.full if full else self.reduced

    def update(self, full: bool = True) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """What one decision update runs, in evaluation mode, with inputs of batch 1 to export or time it by.

        A peer over features includes the frozen camera backbone where it reads the camera.

        Raises:
            InputError: for a peer that is no network (``Kind.FRAME``).
        """
        if self.kind is Kind.FRAME:
            raise InputError(self.name, "is no network", "time msstan_core.peers.hog_svm itself")
        chosen = self.variant(full)
        network = chosen.build(OUTPUTS).eval()
        size = chosen.sampling
        if self.kind is Kind.CLIP:
            return network, (torch.randn(1, 3, size.frames, size.pixels, size.pixels),)
        state = _initial_state(network)
        if self.kind is Kind.STREAMING:
            return OneStep(network).eval(), (torch.randn(1, 3, size.pixels, size.pixels), *state)
        module = OneFeatureStep(network, Modality.CAMERA in self.modalities).eval()
        return module, (*example_features(images=module.backbone is not None), *state)


class OneStep(nn.Module):
    """A streaming network seen as a module whose forward is its step, for exporters."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """(image [B, 3, H, W], state ...) -> (logits [B, outputs], state ...)."""
        step: Any = self.network.step
        out: tuple[Tensor, ...] = step(image, *state)
        return out


class OneFeatureStep(nn.Module):
    """A network over features seen as a module from the camera image on, for exporters."""

    def __init__(self, network: nn.Module, camera: bool) -> None:
        super().__init__()
        self.network = network
        self.backbone = CameraBackbone(nano()) if camera else None

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """(camera [B, H, W, 3] uint8, other parts of Features but the thumbnail, state ...) -> (logits, state ...)."""
        camera, *rest = inputs[:_FEATURE_PARTS]
        features = Features(camera if self.backbone is None else self.backbone(camera), *rest)
        step: Any = self.network.step
        out: tuple[Tensor, ...] = step(features, *inputs[_FEATURE_PARTS:])
        return out


#: Parts of Features without the thumbnail.
_FEATURE_PARTS = len(Features._fields) - 1


def _initial_state(network: nn.Module) -> tuple[Tensor, ...]:
    initial: Any = network.initial_state
    state: tuple[Tensor, ...] = initial(1)
    return state
