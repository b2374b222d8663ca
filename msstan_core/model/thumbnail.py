"""The camera image at a sixteenth of its pixels: what is looked at before, or beside, the backbone."""

from __future__ import annotations

from torch import Tensor

#: Pixels per side of one thumbnail pixel.
SHRINK = 4


def grey_thumbnail(camera: Tensor) -> Tensor:
    """Mean over colours and blocks of pixels, rounded to whole grey levels, so that a stored copy is the same number.

    Args:
        camera: [B, H, W, 3] uint8 RGB.

    Returns:
        [B, H/4, W/4] grey levels 0 to 255 as float.
    """
    batch, height, width, colours = camera.shape
    # Rows first: three times faster in ONNX Runtime than a sum over colours and a pooling. Sums of whole numbers are
    # exact, so the order is free.
    rows = camera.float().view(batch, height // SHRINK, SHRINK, width * colours).sum(dim=2)
    blocks = rows.view(batch, height // SHRINK, width // SHRINK, SHRINK * colours).sum(dim=3)
    return (blocks / (SHRINK * SHRINK * colours)).round()
