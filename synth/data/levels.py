"""Levels of deep images (integers of more than 8 bits, and floats): each dataset has a range of its own.

In memory such images are uint16, from 0 for the lowest level that the dataset uses to 65535 for the highest. So
whatever shows, compares or changes pixels sees the whole contrast, and no effect leaves the range. Files keep their own
levels.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from synth.errors import ImageError
from synth.records import Levels

FLOAT = "float"
USUAL: Mapping[str, tuple[Levels, ...]] = {
    "16-bit": ((0, 65535),),
    "32-bit": ((0, 65535),),
    FLOAT: ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0)),
}
"""{kind of deep image: the ranges that software writes}."""
AS_STORED: Mapping[str, Levels | None] = {"16-bit": None}
"""A range to read with: files of 16 bits keep their levels."""
FILLED = 0.5
"""A dataset that uses at least this share of a usual range has that range, and not one of its own."""
STUCK = 0.005
"""Up to this share of the pixels of an image, 0 and 65535 are dead and saturated pixels of a 16-bit camera."""
TOP = 65535

Deep = npt.NDArray[np.generic]


def kind_of(mode: str) -> str:
    """Return the kind of deep image that has a mode of Pillow, a key of `USUAL`; nothing for images of 8 bits."""
    if mode.startswith("I;16"):
        return "16-bit"
    return {"I": "32-bit", "F": FLOAT}.get(mode, "")


def extent(levels: Deep) -> Levels:
    """Return the lowest and highest level of an image, without the dead and saturated pixels of a 16-bit camera.

    Raises:
        ImageError: NaN or infinite levels.
    """
    if levels.dtype.kind == "f":
        if not np.isfinite(levels).all():
            raise ImageError("float levels that are NaN or infinite")
        return float(levels.min()), float(levels.max())
    stuck = (levels == 0) | (levels == TOP)
    chosen = levels[~stuck] if 0 < np.count_nonzero(stuck) <= STUCK * levels.size else levels
    return int(chosen.min()), int(chosen.max())


def range_of(kind: str, extents: Iterable[Levels]) -> Levels | None:
    """Return the range of images with these lowest and highest levels; None for integers that fill the usual range.

    It is a usual range if they fill it, else their own. Integers have a range of whole numbers, floats of floats.
    """
    lows, highs = zip(*extents, strict=True)
    low, high = min(lows), max(highs)
    usual = next((each for each in USUAL[kind] if each[0] <= low and high <= each[1]), None)
    if usual is not None and (high - low >= FILLED * (usual[1] - usual[0]) or low == high):
        return usual if kind == FLOAT else None
    return (low, high) if high > low else (low, low + 1)


def usual_range(kind: str, span: Levels) -> Levels:
    """Return the smallest usual range that holds an image, or the largest one."""
    return next((each for each in USUAL[kind] if span[1] <= each[1]), USUAL[kind][-1])


def to_pixels(levels: Deep, own: Levels) -> npt.NDArray[np.uint16]:
    """Convert levels to pixels of the range; levels outside it become its ends."""
    low, high = own
    shares = (levels.astype(np.float64) - low) * (TOP / (high - low))
    pixels: npt.NDArray[np.uint16] = np.rint(shares.clip(0, TOP)).astype(np.uint16)
    return pixels


def to_levels(pixels: npt.NDArray[np.uint16], own: Levels) -> Deep:
    """Convert pixels back to levels of the range: float32, or the first of uint16, int16 and int32 that holds it."""
    low, high = own
    levels = low + pixels.astype(np.float64) * ((high - low) / TOP)
    if isinstance(low, float):
        return levels.astype(np.float32)
    fitting = (kind for kind in (np.uint16, np.int16) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return np.rint(levels).astype(next(fitting, np.int32))


def fits_16_bits(own: Levels) -> bool:
    """Whether a file of unsigned 16-bit integers, of any format that has them, holds the range."""
    return not isinstance(own[0], float) and own[0] >= 0 and own[1] <= TOP
