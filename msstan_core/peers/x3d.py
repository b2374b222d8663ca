"""X3D: C. Feichtenhofer, X3D: Expanding Architectures for Efficient Video Recognition, CVPR 2020.

XS, S and M share their weights' shapes and differ in frames and pixels.
"""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.peers.layers import conv3d_bn, scaled

_STEM_CHANNELS = 24
_STAGE_CHANNELS = (24, 48, 96, 192)
_STAGE_BLOCKS = (3, 5, 11, 7)
#: Inner channels of a block over its outer ones.
_BOTTLENECK = 2.25
_SQUEEZE = 0.0625
_HEAD_CHANNELS = 2048
_DROPOUT = 0.5


def _squeezed(channels: int) -> int:
    """Channels inside squeeze-and-excitation: a multiple of 8 that is not less than 0.9 of the share asked for."""
    wanted = channels * _SQUEEZE
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class _SqueezeExcitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = _squeezed(channels)
        self.layers = nn.Sequential(nn.Conv3d(channels, inner, 1), nn.ReLU(), nn.Conv3d(inner, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W], scaled per channel."""
        scale: Tensor = self.layers(x.mean(dim=(2, 3, 4), keepdim=True)).sigmoid()
        return x * scale


class _Block(nn.Module):
    """Expand, depthwise 3x3x3, squeeze-and-excitation in every other block, project."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, excite: bool) -> None:
        super().__init__()
        inner = int(_BOTTLENECK * channels_out)
        self.branch = nn.Sequential(
            conv3d_bn(channels_in, inner, (1, 1, 1)),
            conv3d_bn(inner, inner, (3, 3, 3), (1, stride, stride), groups=inner, activation=None),
            _SqueezeExcitation(inner) if excite else nn.Identity(),
            nn.SiLU(),
            conv3d_bn(inner, channels_out, (1, 1, 1), activation=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.shortcut = conv3d_bn(channels_in, channels_out, (1, 1, 1), (1, stride, stride), activation=None)
        elif stride != 1:
            self.shortcut = nn.Conv3d(channels_in, channels_out, 1, (1, stride, stride), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, C', T, H/stride, W/stride]."""
        out: Tensor = self.branch(x) + self.shortcut(x)
        return out.relu()


class X3d(nn.Module):
    """Channelwise 3-D convolutions; time is never reduced before the head.

    Args:
        outputs: logits. width: multiplier of the published channels.
    """

    def __init__(self, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        stem = scaled(_STEM_CHANNELS, width)
        self.stem = nn.Sequential(
            nn.Conv3d(3, stem, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            conv3d_bn(stem, stem, (5, 1, 1), groups=stem),
        )
        blocks: list[nn.Module] = []
        before = stem
        for channels, depth in zip(_STAGE_CHANNELS, _STAGE_BLOCKS, strict=True):
            after = scaled(channels, width)
            for index in range(depth):
                blocks.append(_Block(before, after, 2 if index == 0 else 1, excite=index % 2 == 0))
                before = after
        self.blocks = nn.Sequential(*blocks)
        inner, head = int(_BOTTLENECK * before), scaled(_HEAD_CHANNELS, width)
        self.widen = conv3d_bn(before, inner, (1, 1, 1))
        self.head = nn.Sequential(nn.Linear(inner, head, bias=False), nn.ReLU(), nn.Dropout(_DROPOUT))
        self.classify = nn.Linear(head, outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> logits [B, outputs]."""
        x = self.widen(self.blocks(self.stem(clip)))  # [B, 432, T, H/32, W/32]
        logits: Tensor = self.classify(self.head(x.mean(dim=(2, 3, 4))))
        return logits
