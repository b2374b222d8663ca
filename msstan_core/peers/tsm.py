"""Online TSM on MobileNetV2: J. Lin, C. Gan, S. Han, TSM: Temporal Shift Module, ICCV 2019, section 4.2 and its demo.

An eighth of the channels comes from the frame before, in every block with a residual; no convolution sees time.
MobileNetV2: M. Sandler et al., CVPR 2018, table 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from msstan_core.peers.layers import conv2d_bn, scaled

#: MobileNetV2: (expansion, channels, blocks, stride) of each stage.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM_CHANNELS, _LAST_CHANNELS = 32, 1280
#: One channel in this many is shifted.
_SHIFT = 8
_DROPOUT = 0.2


class _InvertedResidual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [conv2d_bn(channels_in, inner, 1, activation=nn.ReLU6)]
        layers += [
            conv2d_bn(inner, inner, 3, stride, groups=inner, activation=nn.ReLU6),
            conv2d_bn(inner, channels_out, 1, activation=None),
        ]
        self.branch = nn.Sequential(*layers)
        self.residual = stride == 1 and channels_in == channels_out
        #: Channels that come from the frame before; 0: none.
        self.shifted = channels_in // _SHIFT if self.residual and expansion != 1 else 0
        self.channels_in = channels_in

    def forward(self, x: Tensor, earlier: Tensor) -> Tensor:
        """x: [N, C, H, W]; earlier: [N, shifted, H, W] of the frame before -> [N, C', H', W']."""
        seen = torch.cat([earlier, x[:, self.shifted :]], dim=1) if self.shifted else x
        out: Tensor = self.branch(seen)
        return x + out if self.residual else out


class OnlineTsm(nn.Module):
    """MobileNetV2 with online temporal shift. Streams: the shifted channels of the frame before are its memory.

    Args:
        outputs: logits. width: multiplier of all channels. pixels: side of the images, for the memory's sizes.
    """

    def __init__(self, outputs: int, width: float = 1.0, pixels: int = 224) -> None:
        super().__init__()
        before = scaled(_STEM_CHANNELS, width)
        self.stem = conv2d_bn(3, before, 3, 2, activation=nn.ReLU6)
        self.blocks = nn.ModuleList()
        side = (pixels + 1) // 2
        #: Channels and side of the memory of each block that shifts.
        self._memory: list[tuple[int, int]] = []
        for expansion, channels, count, first_stride in _STAGES:
            after = scaled(channels, width)
            for index in range(count):
                block = _InvertedResidual(before, after, expansion, first_stride if index == 0 else 1)
                if block.shifted:
                    self._memory.append((block.shifted, side))
                if index == 0:
                    side = (side + first_stride - 1) // first_stride
                self.blocks.append(block)
                before = after
        last = _LAST_CHANNELS if width <= 1.0 else scaled(_LAST_CHANNELS, width)
        self.widen = conv2d_bn(before, last, 1, activation=nn.ReLU6)
        self.dropout = nn.Dropout(_DROPOUT)
        self.classify = nn.Linear(last, outputs)

    def forward(self, clip: Tensor) -> Tensor:
        """clip: [B, 3, T, H, W] -> logits of every frame from it and earlier ones [B, T, outputs]."""
        frames = clip.transpose(1, 2)  # [B, T, 3, H, W]
        x = self.stem(frames.flatten(0, 1))
        for block in self.blocks:
            assert isinstance(block, _InvertedResidual)
            now = x[:, : block.shifted].unflatten(0, frames.shape[:2])
            earlier = torch.cat([torch.zeros_like(now[:, :1]), now[:, :-1]], dim=1).flatten(0, 1)
            x = block(x, earlier)
        logits: Tensor = self._head(x).unflatten(0, frames.shape[:2])
        return logits

    def initial_state(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Shifted channels of each block before the first frame, each [B, channels, side, side]."""
        return tuple(torch.zeros(batch, channels, side, side) for channels, side in self._memory)

    def step(self, image: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """One frame [B, 3, H, W] and the memory -> (logits [B, outputs], memory ...)."""
        x = self.stem(image)
        kept: list[Tensor] = []
        for block in self.blocks:
            assert isinstance(block, _InvertedResidual)
            if block.shifted:
                now, earlier = x[:, : block.shifted], memory[len(kept)]
                kept.append(now)
            else:
                earlier = x
            x = block(x, earlier)
        return self._head(x), *kept

    def _head(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.dropout(self.widen(x).mean(dim=(2, 3))))
        return logits
