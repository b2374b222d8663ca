"""ResNet-18 and ResNet-50 over single images: K. He et al., Deep Residual Learning, CVPR 2016 (stride in the 3x3)."""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.peers.layers import conv2d_bn, scaled

_BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
_CHANNELS = (64, 128, 256, 512)


class _Block(nn.Module):
    def __init__(self, channels_in: int, inner: int, channels_out: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        self.branch = (
            nn.Sequential(
                conv2d_bn(channels_in, inner, 1),
                conv2d_bn(inner, inner, 3, stride),
                conv2d_bn(inner, channels_out, 1, activation=None),
            )
            if bottleneck
            else nn.Sequential(
                conv2d_bn(channels_in, inner, 3, stride), conv2d_bn(inner, channels_out, 3, activation=None)
            )
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else conv2d_bn(channels_in, channels_out, 1, stride, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H/stride, W/stride]."""
        out: Tensor = self.branch(x) + self.shortcut(x)
        return out.relu()


class ResNetFeatures(nn.Module):
    """Everything before the classifier.

    Args:
        depth: 18 or 50. width: multiplier of all channels.
    """

    def __init__(self, depth: int, width: float = 1.0) -> None:
        super().__init__()
        bottleneck = depth >= 50
        before = scaled(_CHANNELS[0], width)
        self.stem = nn.Sequential(conv2d_bn(3, before, 7, 2), nn.MaxPool2d(3, 2, 1))
        blocks: list[nn.Module] = []
        for stage, (channels, count) in enumerate(zip(_CHANNELS, _BLOCKS[depth], strict=True)):
            inner = scaled(channels, width)
            after = inner * 4 if bottleneck else inner
            for index in range(count):
                blocks.append(_Block(before, inner, after, 2 if stage > 0 and index == 0 else 1, bottleneck))
                before = after
        self.blocks = nn.Sequential(*blocks)
        #: Width of the features.
        self.channels = before

    def forward(self, images: Tensor) -> Tensor:
        """images: [N, 3, H, W] -> pooled features [N, channels]."""
        features: Tensor = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return features
