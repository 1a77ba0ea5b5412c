"""Detect copies of real images: an image that differs no more than after saving it again as JPEG."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synth.data.encoding import encode
from synth.data.images import decode_jpeg, to_uint8
from synth.data.network_input import network_input
from synth.measures.neighbours import neighbour_distances
from synth.records import Encoding, Floats, Pixels

SIDE = 32
RESAVED = Encoding("jpeg", "", 75, "420")
QUANTILE = 0.99


def thumbnail(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return 32 x 32 RGB levels as (3072,) float32, scaled so that Euclidean distance is the RMSE of levels in 0..1."""
    small = network_input(pixels, SIDE).astype(np.float32).reshape(-1)
    return small / np.float32(255 * math.sqrt(small.size))


def saved_again(pixels: Pixels) -> Pixels:
    """Return the image after a round trip through a JPEG file of quality 75 and chroma 4:2:0, a common default."""
    return decode_jpeg(encode(to_uint8(pixels), RESAVED), "L" if pixels.ndim == 2 else "RGB")


def resave_error(pixels: Pixels) -> float:
    """Return the RMSE between an image and itself after saving it again, at 32 x 32 pixels."""
    return float(np.linalg.norm(thumbnail(pixels) - thumbnail(saved_again(pixels))))


def tolerance(resave_errors: Sequence[float] | Floats, thumbnails: Floats) -> float:
    """Return the RMSE up to which an image is a copy of a real image of the class.

    It is the 99 % quantile of the resave errors of the class, but at most half of the distance between its two nearest
    different real images, because images at that distance show different things. (Real images within the quantile of
    each other are the same image, saved twice.)

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
