"""`fill = "inside"`: every pixel of a warped image comes from inside its source.

After its effects, an image is enlarged about the centre of the frame, just enough that the frame lies inside the
source. With H the inverse of the matrix, c the centre and p a corner of the frame, the corner of a frame that is 1/u
times as large shows the source at H (c + u (p - c)). Numerator and denominator are linear in u, so each side of the
source bounds u in closed form, for perspectives too. Where that would enlarge too much, all warps of the image are
weakened alike first.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from synth.effects.geometry import Sizes, compose
from synth.effects.parameters import EffectBatch, Floats

BISECTIONS = 7
"""Steps of the search for the largest share of a warp's strength that needs no more."""
NEUTRAL: Mapping[str, float] = {"scale": 1.0, "shear": 0.0, "perspective": 0.0, "rotate": 0.0, "shift": 0.0}
"""Warps that can show what lies outside, and the value of their parameters that changes nothing."""


def compose_inside(batches: Sequence[EffectBatch], sizes: Sizes, *, zoom_max: float) -> tuple[Floats, Sizes]:
    """Compose the geometric effects of n images as `geometry.compose`, with the frame inside the source.

    Args:
        zoom_max: no image is enlarged more than this because of its other warps.
    """

    def warped(shares: Floats) -> tuple[Floats, Sizes, Floats]:
        matrices, frames = compose(_weakened(batches, shares), sizes)
        return matrices, frames, zoom_inside(matrices, sizes, frames)

    matrices, frames, zooms = warped(np.ones(len(sizes)))
    if (zooms > zoom_max).any():
        low, high = np.where(zooms > zoom_max, 0.0, 1.0), np.ones(len(sizes))
        for _ in range(BISECTIONS):  # an image that needs no change keeps low = high = 1
            middle = (low + high) / 2
            far = warped(middle)[2] > zoom_max
            low, high = np.where(far, low, middle), np.where(far, middle, high)
        matrices, frames, zooms = warped(low)
    zooms[np.isinf(zooms)] = 1  # a crop of a single row: its border is the row itself
    centre = (frames - 1) / 2
    zoomed = np.zeros_like(matrices)
    zoomed[:, 0, 0] = zoomed[:, 1, 1] = zooms
    zoomed[:, :2, 2] = (1 - zooms[:, None]) * centre
    zoomed[:, 2, 2] = 1
    return np.where((zooms > 1)[:, None, None], zoomed @ matrices, matrices), frames


def zoom_inside(matrices: Floats, sizes: Sizes, frames: Sizes) -> Floats:
    """Return the smallest zoom of each warped image, 1 or more, with which no pixel lies outside its source.

    Args:
        matrices: (n, 3, 3) source -> output.
        sizes: (n, 2) of the sources.
        frames: (n, 2) of the outputs.

    Returns: (n,); infinite if the centre of the frame is not inside the source.
    """
    inverse = np.linalg.inv(matrices)
    centre = (frames - 1) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * centre[:, None]
    at_centre = inverse @ np.concatenate([centre, np.ones((len(centre), 1))], axis=1)[:, :, None]  # (n, 3, 1)
    to_corner = inverse[:, :, :2] @ corners.transpose(0, 2, 1)  # (n, 3, 4)
    smallest: Floats = np.ones(len(sizes))
    for axis in (0, 1):
        last = sizes[:, axis, None] - 1
        for sign, offset in ((1, 0), (-1, last)):  # inside are x >= 0 and last - x >= 0
            # The distance to the side is distance + u * change, each times the denominator.
            distance = sign * at_centre[:, axis] + offset * at_centre[:, 2]
            change = sign * to_corner[:, axis] + offset * to_corner[:, 2]
            with np.errstate(divide="ignore", invalid="ignore"):
                bounds = np.where(change < 0, np.maximum(distance, 0) / -change, np.inf)
            smallest = np.minimum(smallest, bounds.min(axis=1))
    with np.errstate(divide="ignore"):
        return 1 / smallest


def _weakened(batches: Sequence[EffectBatch], shares: Floats) -> list[EffectBatch]:
    """Return the effects with the warps of each image at (n,) shares of their strength."""
    return [
        (name, indices, {key: _towards(NEUTRAL[name], column, shares[indices]) for key, column in columns.items()})
        if name in NEUTRAL
        else (name, indices, columns)
        for name, indices, columns in batches
    ]


def _towards(neutral: float, values: Floats, shares: Floats) -> Floats:
    # At full strength the values stay as they were drawn, to the last bit.
    return np.where(shares < 1, neutral + shares * (values - neutral), values)
