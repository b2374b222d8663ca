"""SlowFast-R50: C. Feichtenhofer et al., SlowFast Networks for Video Recognition, ICCV 2019, table 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.peers.bottleneck3d import RESNET50_BLOCKS, bottleneck_stage
from msstan_core.peers.layers import conv3d_bn, scaled

#: Share of the fast pathway's channels, its inverse: beta = 1/8.
_BETA_INVERSE = 8
#: Channels of a lateral connection over those of the fast pathway.
_LATERAL_RATIO = 2
_SLOW_TEMPORAL_KERNELS = (1, 1, 3, 3)
_FAST_TEMPORAL_KERNEL = 3
_DROPOUT = 0.5


class SlowFast50(nn.Module):
    """A slow pathway with many channels and a fast one with few, joined by lateral connections after four stages.

    Args:
        outputs: logits.
        alpha: fast frames per slow frame; 8 and a lateral kernel of 5 for 4x16, 4 and 7 for 8x8.
        lateral_kernel: taps in time of the lateral connections.
        width: multiplier of all channels; 1.0 is the published network.
    """

    def __init__(self, outputs: int, alpha: int = 8, lateral_kernel: int = 5, width: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        slow = [scaled(c, width) for c in (64, 256, 512, 1024, 2048)]
        # The thin pathway keeps its ratio to the other one, so its steps are finer than `scaled` makes them.
        fast = [max(1, c // _BETA_INVERSE) for c in slow]
        self.slow_stem = conv3d_bn(3, slow[0], (1, 7, 7), (1, 2, 2))
        self.fast_stem = conv3d_bn(3, fast[0], (5, 7, 7), (1, 2, 2))
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.laterals = nn.ModuleList(
            conv3d_bn(c, c * _LATERAL_RATIO, (lateral_kernel, 1, 1), (alpha, 1, 1)) for c in fast[:-1]
        )
        self.slow_stages, self.fast_stages = nn.ModuleList(), nn.ModuleList()
        for stage, blocks in enumerate(RESNET50_BLOCKS):
            stride = 1 if stage == 0 else 2
            before = slow[stage] + fast[stage] * _LATERAL_RATIO
            after = slow[stage + 1]
            kernels = [_SLOW_TEMPORAL_KERNELS[stage]] * blocks
            self.slow_stages.append(bottleneck_stage(before, after // 4, after, kernels, stride))
            kernels = [_FAST_TEMPORAL_KERNEL] * blocks
            after = fast[stage + 1]
            self.fast_stages.append(bottleneck_stage(fast[stage], max(1, after // 4), after, kernels, stride))
        self.dropout = nn.Dropout(_DROPOUT)
        self.classify = nn.Linear(slow[-1] + fast[-1], outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] at the fast pathway's rate, T a multiple of alpha -> logits [B, outputs]."""
        slow = self.pool(self.slow_stem(clip[:, :, :: self.alpha]))  # [B, 64, T/alpha, H/4, W/4]
        fast = self.pool(self.fast_stem(clip))  # [B, 8, T, H/4, W/4]
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow_stages, self.fast_stages, strict=True):
            slow = slow_stage(torch.cat([slow, lateral(fast)], dim=1))
            fast = fast_stage(fast)
        pooled = torch.cat([slow.mean(dim=(2, 3, 4)), fast.mean(dim=(2, 3, 4))], dim=1)
        logits: Tensor = self.classify(self.dropout(pooled))
        return logits
