"""What an image looks like before any network shrinks it: size, sharpness, grain and levels."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from synth.data.images import to_uint8
from synth.records import Pixels

N_BANDS = 3
FLAT = 1e-6
"""Variance of the Laplacian under which an image has no sharpness to speak of (levels 0..1)."""
_FLOOR = 1e-6  # energy of rounding to 8 bits (1/255)^2 / 12: below it there is nothing to compare


def descriptor(pixels: Pixels) -> npt.NDArray[np.float32]:
    """What gives a way of making images away: (2 + 3 + 6,) float32.

    Log width and height; log energy of three bands of the Laplacian pyramid (Burt and Adelson 1983), finest first,
    where blur lowers and noise raises it; mean and standard deviation of each channel.
    """
    levels = to_uint8(pixels).astype(np.float32) / 255
    colour = levels if levels.ndim == 3 else np.repeat(levels[:, :, None], 3, axis=2)
    height, width = levels.shape[:2]
    bands = [math.log(energy + _FLOOR) for energy in _band_energies(colour.mean(axis=2))]
    flat = colour.reshape(-1, 3)
    values: list[Any] = [math.log(width), math.log(height), *bands, *flat.mean(axis=0), *flat.std(axis=0)]
    return np.array(values, np.float32)


def sharpness(levels: npt.NDArray[np.float32]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of an image (H, W, C) in levels 0..1; 0 where it is flat."""
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
