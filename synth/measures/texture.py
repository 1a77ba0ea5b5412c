"""Properties of an image at its own size: size, levels, sharpness and grain."""

import math
from typing import Any

import cv2
import cv2.typing
import numpy as np
import numpy.typing as npt

from synth.data.images import to_uint8
from synth.records import Pixels

N_BANDS = 3
FLAT = 1e-6
"""A flat image has a variance of the Laplacian up to this (levels 0..1)."""
_FLOOR = 1e-6  # energy of rounding to 8 bits: (1/255)^2 / 12
MIN_SIDE, CROP = 8, 256
_GRAIN_FLOOR = 0.33  # squared levels that rounding to 8 bits adds


def descriptor(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return features that reveal how an image was made: (2 + 3 + 6,) float32.

    They are log width and height; the log energy of three bands of the Laplacian pyramid (Burt and Adelson 1983),
    finest first, which blur lowers and noise raises; mean and standard deviation of each channel.
    """
    levels = to_uint8(pixels).astype(np.float32) / 255
    colour = levels if levels.ndim == 3 else np.repeat(levels[:, :, None], 3, axis=2)
    height, width = levels.shape[:2]
    bands = [math.log(energy + _FLOOR) for energy in _band_energies(colour.mean(axis=2))]
    flat = colour.reshape(-1, 3)
    values: list[Any] = [math.log(width), math.log(height), *bands, *flat.mean(axis=0), *flat.std(axis=0)]
    return np.array(values, np.float32)


def sharpness(levels: npt.NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian (Pech-Pacheco et al. 2000) of (H, W, C) levels 0..1; 0 for a flat image."""
    variance = float(cv2.Laplacian(levels.mean(2), cv2.CV_32F).var())
    return variance if variance > FLAT else 0.0


def _band_energies(grey: npt.NDArray[np.float32]) -> list[float]:
    energies = []
    for _ in range(N_BANDS):
        smaller = cv2.pyrDown(grey)
        size = grey.shape[1], grey.shape[0]
        band = grey - cv2.resize(smaller, size, interpolation=cv2.INTER_LINEAR)
        energies.append(float(np.square(band).mean()))
        grey = smaller  # type: ignore[assignment]
    return energies


def grain(pixels: Pixels) -> float:
    """Return the grain: the log ratio of the energy of neighbour differences at full size and at half the size.

    It does not depend on contrast. In natural images, whose spectrum falls with the square of the frequency (Field
    1987), neighbours at half the size differ as much or more, so the grain is near 0 or below. White noise of any
    strength has 3.1, because the 5-tap binomial filter of the pyramid (Burt and Adelson 1983) averages it out. Only the
    centre of the image counts; an image with a side under 8 pixels has grain 0.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        return 0.0
    top, left = max(height - CROP, 0) // 2, max(width - CROP, 0) // 2
    levels = np.ascontiguousarray(to_uint8(pixels)[top : top + CROP, left : left + CROP])
    grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY) if levels.ndim == 3 else levels
    return math.log((_energy(grey) + _GRAIN_FLOOR) / (_energy(cv2.pyrDown(grey)) + _GRAIN_FLOOR))


def _energy(grey: cv2.typing.MatLike) -> float:
    """Return the mean squared difference of horizontal and vertical neighbours."""
    across = cv2.norm(grey[:, 1:], grey[:, :-1], cv2.NORM_L2SQR)
    down = cv2.norm(grey[1:], grey[:-1], cv2.NORM_L2SQR)
    return (across + down) / grey.size
