"""Differentiable augmentation of the discriminator's input (DiffAugment, Zhao et al. 2020).

Real and generated images are changed in the same way, so the discriminator can't memorise a few real images. All
changes keep the class: a little brightness, saturation and contrast, and a shift. Hue would change the class of a
traffic light, and cut-out squares would appear in the generated images.
"""

import torch
from torch import Tensor

N_DRAWS = 5


def augmented(x: Tensor, draws: Tensor, *, colour: float, shift: float) -> Tensor:
    """Augment each image with its own random numbers.

    Args:
        x: (B, C, S, S) in [-1, 1].
        draws: (B, 5), uniform in [0, 1).
        colour: largest change of brightness (of half the range of levels), saturation and contrast (as a fraction).
        shift: largest shift, as a fraction of the side; the border pixels are repeated.

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
