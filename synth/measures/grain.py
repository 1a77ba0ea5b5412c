"""Grain: how much of an image's detail is of the finest kind. Pictures fall off towards fine detail, noise does not."""

from __future__ import annotations

import math

import cv2
import numpy as np

from synth.data.images import to_uint8
from synth.records import Pixels

MIN_SIDE, CROP = 8, 256
_FLOOR = 0.06  # energy of rounding to 8 bits, in squared levels: below it there is no detail to compare


def grain(pixels: Pixels) -> float:
    """Log of the energy of the finest band of the Laplacian pyramid over that of the next (Burt and Adelson 1983).

    It does not depend on contrast. Each octave of a natural image holds about the same energy (Field 1987), so it is
    near 0 there; white noise of any strength is near 2.8. Looked at is the middle of the image, at its own size; an
    image with a side under 8 pixels has none: 0.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        return 0.0
    top, left = max(height - CROP, 0) // 2, max(width - CROP, 0) // 2
    levels = np.ascontiguousarray(to_uint8(pixels)[top : top + CROP, left : left + CROP])
    grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY) if levels.ndim == 3 else levels
    fine = grey.astype(np.float32)
    middle = cv2.pyrDown(fine)
    energies = _energy(fine, middle) + _FLOOR, _energy(middle, cv2.pyrDown(middle)) + _FLOOR
    return math.log(energies[0] / energies[1])


def _energy(level: np.ndarray, smaller: np.ndarray) -> float:
    size = level.shape[1], level.shape[0]
    difference = cv2.norm(level, cv2.resize(smaller, size, interpolation=cv2.INTER_LINEAR), cv2.NORM_L2SQR)
    return float(difference) / level.size
