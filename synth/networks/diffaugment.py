"""Changes of images that gradients pass through, for all that a discriminator sees (DiffAugment, Zhao et al. 2020).

Real and drawn images are changed alike, so the discriminator can't learn a few real ones by heart. Only what keeps a
class is there: a little brightness, saturation and contrast, and a shift. Hue would change what a lamp shows, and
cut-out squares turn up in the images that are drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

N_DRAWS = 5


def augmented(x: Tensor, draws: Tensor, *, colour: float, shift: float) -> Tensor:
    """Change each image by its own draws.

    Args:
        x: (B, C, S, S) in [-1, 1].
        draws: (B, 5), evenly distributed in [0, 1).
        colour: largest change of brightness (of half the range of levels), saturation and contrast (as a fraction).
        shift: largest shift, as a fraction of the side; what enters repeats the border.

    Returns: (B, C, S, S); levels may leave [-1, 1].
    """
    brightness, saturation, contrast = ((2 * draws[:, :3] - 1) * colour).T[:, :, None, None, None]
    grey = x.mean(1, keepdim=True)
    x = grey + (1 + saturation) * (x - grey)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (1 + contrast) * (x - mean) + mean + brightness
    side = x.shape[2]
    reach = round(shift * side)
    offsets = (draws[:, 3:] * (2 * reach + 1)).long() - reach
    places = (torch.arange(side, device=x.device) + offsets[:, :, None]).clamp_(0, side - 1)  # (B, 2, S)
    x = x.gather(2, places[:, 0, None, :, None].expand_as(x))
    return x.gather(3, places[:, 1, None, None, :].expand_as(x))
