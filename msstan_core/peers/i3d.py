"""I3D on ResNet-50: J. Carreira, A. Zisserman, Quo Vadis, Action Recognition?, CVPR 2017.

Inflated as in X. Wang et al., Non-local Neural Networks, CVPR 2018: every other block has three taps in time.
"""

from __future__ import annotations

from torch import Tensor, nn

from msstan_core.peers.bottleneck3d import RESNET50_BLOCKS, bottleneck_stage
from msstan_core.peers.layers import conv3d_bn, scaled

#: Taps in time of a stage's blocks, repeated over the stage.
_TEMPORAL_KERNELS = ((3,), (3, 1), (3, 1), (1, 3))
_DROPOUT = 0.5


class InflatedResNet50(nn.Module):
    """ResNet-50 whose kernels got a time axis.

    Args:
        outputs: logits. width: multiplier of all channels; 1.0 is the published network.
    """

    def __init__(self, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        channels = [scaled(c, width) for c in (64, 256, 512, 1024, 2048)]
        self.stem = conv3d_bn(3, channels[0], (5, 7, 7), (1, 2, 2))
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.halve_time = nn.MaxPool3d((2, 1, 1), (2, 1, 1))
        self.stages = nn.ModuleList()
        for stage, blocks in enumerate(RESNET50_BLOCKS):
            pattern = _TEMPORAL_KERNELS[stage]
            kernels = [pattern[i % len(pattern)] for i in range(blocks)]
            after = channels[stage + 1]
            self.stages.append(bottleneck_stage(channels[stage], after // 4, after, kernels, 1 if stage == 0 else 2))
        self.dropout = nn.Dropout(_DROPOUT)
        self.classify = nn.Linear(channels[-1], outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> logits [B, outputs]."""
        x = self.pool(self.stem(clip))  # [B, 64, T, H/4, W/4]
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == 0:
                x = self.halve_time(x)
        logits: Tensor = self.classify(self.dropout(x.mean(dim=(2, 3, 4))))
        return logits
