"""Every peer by name: how it is built at its published size and at the size it is trained at on two cores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from msstan_core.peers.cnn_lstm import CnnLstm
from msstan_core.peers.i3d import InflatedResNet50
from msstan_core.peers.resnet3d import ResNet3d18
from msstan_core.peers.slowfast import SlowFast50
from msstan_core.peers.x3d import X3d
from msstan_core.vocabulary import ACTIONS, ISO_CODES

#: Logits of a peer that watches welds: actions, then imperfections.
OUTPUTS = len(ACTIONS) + len(ISO_CODES)


class Kind(StrEnum):
    """What a decision update of a peer computes."""

    CLIP = "clip"  #: the whole window again: forward([B, 3, T, H, W]) -> [B, outputs]
    STREAMING = "streaming"  #: the newest frame and a memory: step([B, 3, H, W], *state) -> (logits, *state)


@dataclass(frozen=True, slots=True)
class Sampling:
    """What a network looks at."""

    frames: int  #: of a clip; of a training clip where the network streams
    pixels: int  #: side of the square image
    stride: int  #: camera frames from one frame of the clip to the next
    rate_hz: float = 30.0  #: camera frames a second that the stride refers to


@dataclass(frozen=True, slots=True)
class Variant:
    """One size of a network."""

    name: str  #: as tables show it
    build: Callable[[int], nn.Module]  #: number of logits -> network with random weights
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
    parameters_m: float  #: millions at the published size with ``published_outputs`` logits, as published or counted
    published_outputs: int = 400

    def variant(self, full: bool) -> Variant:
        """The size asked for."""
        return self.full if full else self.reduced

    def update(self, full: bool = True) -> tuple[nn.Module, tuple[Tensor, ...]]:
        """What one decision update runs, in evaluation mode, with random inputs of batch 1 to export or time it by."""
        chosen = self.variant(full)
        network = chosen.build(OUTPUTS).eval()
        size = chosen.sampling
        if self.kind is Kind.STREAMING:
            return OneStep(network).eval(), (torch.randn(1, 3, size.pixels, size.pixels), *_initial_state(network))
        return network, (torch.randn(1, 3, size.frames, size.pixels, size.pixels),)


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


def _initial_state(network: nn.Module) -> tuple[Tensor, ...]:
    initial: Any = network.initial_state
    state: tuple[Tensor, ...] = initial(1)
    return state


#: Side of the images that every reduced peer is trained on.
REDUCED_PIXELS = 112

PEERS: dict[str, Peer] = {
    "r3d_18": Peer(
        "R3D-18",
        Kind.CLIP,
        Variant("R3D-18", ResNet3d18, Sampling(16, 112, 2)),
        Variant(
            "R3D-18 (width 0.25, 112 px, 8 frames)", partial(ResNet3d18, width=0.25), Sampling(8, REDUCED_PIXELS, 4)
        ),
        "Tran et al., A Closer Look at Spatiotemporal Convolutions for Action Recognition, CVPR 2018",
        33.37,
    ),
    "slowfast_r50": Peer(
        "SlowFast-R50 4x16",
        Kind.CLIP,
        Variant("SlowFast-R50 4x16", SlowFast50, Sampling(32, 224, 2)),
        Variant(
            "SlowFast-R50 (width 0.25, 112 px, 2+8 frames)",
            partial(SlowFast50, alpha=4, width=0.25),
            Sampling(8, REDUCED_PIXELS, 4),
        ),
        "Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019",
        34.48,
    ),
    "i3d_r50": Peer(
        "I3D-R50",
        Kind.CLIP,
        Variant("I3D-R50 8x8", InflatedResNet50, Sampling(8, 224, 8)),
        Variant(
            "I3D-R50 (width 0.25, 112 px, 8 frames)",
            partial(InflatedResNet50, width=0.25),
            Sampling(8, REDUCED_PIXELS, 4),
        ),
        "Carreira and Zisserman, Quo Vadis, Action Recognition?, CVPR 2017; ResNet-50 as in Wang et al., CVPR 2018",
        28.04,
    ),
    "x3d_xs": Peer(
        "X3D-XS",
        Kind.CLIP,
        Variant("X3D-XS 4x12", X3d, Sampling(4, 160, 12)),
        Variant("X3D-XS (width 0.5, 112 px)", partial(X3d, width=0.5), Sampling(4, REDUCED_PIXELS, 8)),
        "Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020",
        3.79,
    ),
    "x3d_s": Peer(
        "X3D-S",
        Kind.CLIP,
        Variant("X3D-S 13x6", X3d, Sampling(13, 160, 6)),
        Variant("X3D-S (width 0.5, 112 px, 8 frames)", partial(X3d, width=0.5), Sampling(8, REDUCED_PIXELS, 4)),
        "Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020",
        3.79,
    ),
    "cnn_lstm": Peer(
        "CNN+LSTM",
        Kind.STREAMING,
        Variant("ResNet-18 + LSTM 512", CnnLstm, Sampling(16, 224, 1)),
        Variant("ResNet-18 + LSTM (width 0.25, 112 px)", partial(CnnLstm, width=0.25), Sampling(16, REDUCED_PIXELS, 2)),
        "Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015, with ResNet-18",
        13.48,
    ),
}
