"""Grain: how much of an image's detail is of the finest kind. Pictures fall off towards it, noise does not."""

from __future__ import annotations

import math

import cv2
import cv2.typing
import numpy as np

from synth.data.images import to_uint8
from synth.records import Pixels

MIN_SIDE, CROP = 8, 256
_FLOOR = 0.33  # what rounding to 8 bits adds, in squared levels: below it there is no detail to compare


def grain(pixels: Pixels) -> float:
    """Log of the energy of differences between neighbouring pixels over the same at half the size.

    It does not depend on contrast. In natural images, whose spectrum falls with the square of the frequency (Field
    1987), neighbours at half the size differ as much or more: it is near 0 or below. White noise of any strength is
    near 3.1, for the 5-tap binomial filter of the pyramid (Burt and Adelson 1983) averages it away. Looked at is the
    middle of the image, at its own size; an image with a side under 8 pixels has none: 0.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        return 0.0
    top, left = max(height - CROP, 0) // 2, max(width - CROP, 0) // 2
    levels = np.ascontiguousarray(to_uint8(pixels)[top : top + CROP, left : left + CROP])
    grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY) if levels.ndim == 3 else levels
    return math.log((_energy(grey) + _FLOOR) / (_energy(cv2.pyrDown(grey)) + _FLOOR))


def _energy(grey: cv2.typing.MatLike) -> float:
    """Mean squared difference of neighbours, side by side and one above the other."""
    across = cv2.norm(grey[:, 1:], grey[:, :-1], cv2.NORM_L2SQR)
    down = cv2.norm(grey[1:], grey[:-1], cv2.NORM_L2SQR)
    return (across + down) / grey.size
