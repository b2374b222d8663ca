"""The camera image at a sixteenth of its pixels: what is looked at before, or beside, the backbone."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

#: Pixels per side of one thumbnail pixel.
SHRINK = 4


def grey_thumbnail(camera: Tensor) -> Tensor:
    """Mean over colours and blocks of pixels, rounded to whole grey levels, so that a stored copy is the same number.

    Args:
        camera: [B, H, W, 3] uint8 RGB.

    Returns:
        [B, H/4, W/4] grey levels 0 to 255 as float.
    """
    colours = camera.float().sum(dim=3).unsqueeze(1)  # [B, 1, H, W]; sums of whole numbers are exact
    return (functional.avg_pool2d(colours, SHRINK).squeeze(1) / 3.0).round()
