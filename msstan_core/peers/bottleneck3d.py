"""Stages of bottleneck blocks over clips, as SlowFast and the inflated ResNet-50 both use them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from msstan_core.peers.layers import conv3d_bn

#: Blocks of ResNet-50's four stages.
RESNET50_BLOCKS = (3, 4, 6, 3)


class _Bottleneck3d(nn.Module):
    """[k,1,1] -> [1,3,3] -> [1,1,1], stride in space only."""

    def __init__(self, channels_in: int, inner: int, channels_out: int, temporal_kernel: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv3d_bn(channels_in, inner, (temporal_kernel, 1, 1)),
            conv3d_bn(inner, inner, (1, 3, 3), (1, stride, stride)),
            conv3d_bn(inner, channels_out, (1, 1, 1), activation=None),
        )
        same = channels_in == channels_out and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else conv3d_bn(channels_in, channels_out, (1, 1, 1), (1, stride, stride), activation=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, C', T, H/stride, W/stride]."""
        out: Tensor = self.branch(x) + self.shortcut(x)
        return out.relu()


def bottleneck_stage(
    channels_in: int, inner: int, channels_out: int, temporal_kernels: Sequence[int], stride: int
) -> nn.Sequential:
    """One block per temporal kernel; the first one strides."""
    blocks = [
        _Bottleneck3d(channels_in if i == 0 else channels_out, inner, channels_out, kernel, stride if i == 0 else 1)
        for i, kernel in enumerate(temporal_kernels)
    ]
    return nn.Sequential(*blocks)
