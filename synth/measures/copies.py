"""Is an image a copy of a real one? What counts is how little saving an image again changes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from synth.data.images import to_uint8
from synth.data.network_input import network_input
from synth.measures.neighbours import neighbour_distances
from synth.records import Pixels

Floats = npt.NDArray[np.floating[Any]]

SIDE = 32
QUALITY = 75
QUANTILE = 0.99


def thumbnail(pixels: Pixels) -> npt.NDArray[np.float32]:
    """32 x 32 RGB, flat: (3072,) float32, scaled so that Euclidean distance is the RMSE of levels in 0..1."""
    small = network_input(pixels, SIDE).astype(np.float32).reshape(-1)
    return small / np.float32(255 * math.sqrt(small.size))


def saved_again(pixels: Pixels) -> Pixels:
    """The image as it comes back from a JPEG file of quality 75 (chroma 4:2:0), which most programs write."""
    levels = np.ascontiguousarray(to_uint8(pixels))
    grey = levels.ndim == 2
    data = simplejpeg.encode_jpeg(
        levels[:, :, None] if grey else levels,
        quality=QUALITY,
        colorspace="GRAY" if grey else "RGB",
        colorsubsampling="Gray" if grey else "420",
    )
    decoded: Pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY" if grey else "RGB")
    return decoded[:, :, 0] if grey else decoded


def resave_error(pixels: Pixels) -> float:
    """RMSE between an image and itself saved again, at 32 x 32 pixels."""
    return float(np.linalg.norm(thumbnail(pixels) - thumbnail(saved_again(pixels))))


def tolerance(resave_errors: Sequence[float] | Floats, thumbnails: Floats) -> float:
    """RMSE up to which an image is a copy of a real image of the class.

    The 99 % quantile of what saving the class's own images again does to them; but at most half of the distance between
    the two nearest different real images, for what is as near to one as real images are to each other shows another
    picture. (Real images within the first bound of each other are one picture saved twice, not two.)

    Args:
        resave_errors: of real images of the class.
        thumbnails: (n, 3072) of its real images.
    """
    if not len(resave_errors):
        return 0.0
    saved = float(np.quantile(resave_errors, QUANTILE))
    if len(thumbnails) < 2:
        return saved
    apart = neighbour_distances(thumbnails, 1)
    different = apart[apart > saved]
    return min(saved, float(different.min()) / 2) if len(different) else saved
