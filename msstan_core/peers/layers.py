"""What several peers are built of: scaled widths, convolution with batch normalisation, image normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Size3 = tuple[int, int, int]
#: Channels stay multiples of this when a width multiplier scales them.
CHANNEL_STEP = 8
#: ImageNet statistics of RGB in [0, 1], as all these papers normalise.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def scaled(channels: int, width: float) -> int:
    """``channels`` times the width multiplier, a multiple of 8 unless the multiplier is 1."""
    if width == 1.0:
        return channels
    return max(CHANNEL_STEP, round(channels * width / CHANNEL_STEP) * CHANNEL_STEP)


def conv3d_bn(
    channels_in: int,
    channels_out: int,
    kernel: Size3,
    stride: Size3 = (1, 1, 1),
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias that keeps the size at stride 1, batch normalisation, activation."""
    time, height, width = (k // 2 for k in kernel)
    layers: list[nn.Module] = [
        nn.Conv3d(channels_in, channels_out, kernel, stride, (time, height, width), groups=groups, bias=False),
        nn.BatchNorm3d(channels_out),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


def conv2d_bn(
    channels_in: int,
    channels_out: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """As :func:`conv3d_bn`, for images."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


def normalised(frames: Tensor) -> Tensor:
    """Frames as a camera gives them -> what the networks take.

    Args:
        frames: [B, T, H, W, 3] uint8 RGB.

    Returns:
        [B, 3, T, H, W] float, about zero mean and unit variance.
    """
    mean = torch.tensor(_MEAN, device=frames.device) * 255.0
    std = torch.tensor(_STD, device=frames.device) * 255.0
    return ((frames.float() - mean) / std).permute(0, 4, 1, 2, 3)


def parameter_count(network: nn.Module) -> int:
    """Parameters, without the running statistics of normalisations."""
    return sum(p.numel() for p in network.parameters())
