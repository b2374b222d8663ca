"""3-D ResNet-18 (R3D-18): D. Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018, table 1."""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.peers.layers import Size3, conv3d_bn, scaled

_CHANNELS = (64, 128, 256, 512)
_BLOCKS_PER_STAGE = 2


class _BasicBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        step: Size3 = (stride, stride, stride)
        self.branch = nn.Sequential(
            conv3d_bn(channels_in, channels_out, (3, 3, 3), step),
            conv3d_bn(channels_out, channels_out, (3, 3, 3), activation=None),
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = (
            nn.Identity() if same else conv3d_bn(channels_in, channels_out, (1, 1, 1), step, activation=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, C', T', H', W']."""
        out: Tensor = self.branch(x) + self.shortcut(x)
        return out.relu()


class ResNet3d18(nn.Module):
    """Full 3-D convolutions in every block; time is halved by the last three stages.

    Args:
        outputs: logits. width: multiplier of all channels; 1.0 is the published network.
    """

    def __init__(self, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in _CHANNELS]
        self.stem = conv3d_bn(3, channels[0], (3, 7, 7), (1, 2, 2))
        blocks: list[nn.Module] = []
        before = channels[0]
        for stage, after in enumerate(channels):
            for block in range(_BLOCKS_PER_STAGE):
                blocks.append(_BasicBlock(before, after, 2 if stage > 0 and block == 0 else 1))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.classify = nn.Linear(before, outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> logits [B, outputs]."""
        x = self.blocks(self.stem(clip))  # [B, 512, T/8, H/16, W/16]
        logits: Tensor = self.classify(x.mean(dim=(2, 3, 4)))
        return logits
