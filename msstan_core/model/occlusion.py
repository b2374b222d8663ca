"""What hides the scene: learned occlusion masks (equations 26, 27, 28)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Log-odds of "visible" before training: 0.95. A mask that starts half closed would only starve the layers behind.
_VISIBLE_AT_FIRST = 3.0
#: A hidden tick keeps this much weight in the temporal attention: what little is seen may be all there is.
_LEAST_VISIBLE = 1e-3


class OcclusionMask(nn.Module):
    """Scores how visible each place is: m in [0, 1], 1 where nothing hides the scene.

    The print of equation 27 punishes the L1 norm of m itself, which drives a *visibility* mask to 0 everywhere;
    :func:`msstan_core.training.losses.occlusion.occlusion_loss` punishes 1 - m.

    Args:
        width: feature dimension d.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width // 4, 1, 1)
        nn.init.constant_(last.bias, _VISIBLE_AT_FIRST)  # type: ignore[arg-type]
        # A hidden place differs from its surroundings; the first convolution sees them.
        self.layers = nn.Sequential(
            nn.Conv2d(width, width // 4, 1),
            nn.Conv2d(width // 4, width // 4, 3, padding=1, groups=width // 4),
            nn.GELU(),
            last,
        )

    def forward(self, maps: Tensor) -> Tensor:
        """maps: f_t [N, d, h, w] -> m_t [N, 1, h, w]."""
        return self.layers(maps).sigmoid()  # type: ignore[no-any-return]


def tick_visibility(weights: Tensor, camera: Tensor, thermal: Tensor) -> Tensor:
    """How much of what a tick says was visible, for the temporal attention (28).

    Features are pooled and fused before they are attended to in time, so the mask enters as one number per tick: the
    mean of each image's mask, weighted as the fusion weighted the image. Sound and telemetry cannot be hidden.

    Args:
        weights: [..., 4] modality weights of the fusion. camera, thermal: [...] mean of the masks.

    Returns:
        [...] in [0, 1]; 1 where neither image had weight.
    """
    return 1.0 - weights[..., 0] * (1.0 - camera) - weights[..., 1] * (1.0 - thermal)


def visibility_bias(visible: Tensor) -> Tensor:
    """What visibility v adds to logits, log(v): attention weights become proportional to v exp(score) (28)."""
    return torch.log(visible.clamp(min=_LEAST_VISIBLE))
