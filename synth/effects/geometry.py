"""All geometry of an attempt becomes one matrix and one interpolation.

Coordinates are of pixel centres: (0, 0) is the centre of the top left pixel, x to the right, y downwards.
Each function gives the forward matrix source -> output of one effect for m images at once: (m, 3, 3) float64.
Angles are anticlockwise, as seen on a screen. The conventions are those of albumentations' Affine, so both
agree.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import cv2
import numpy as np

from synth.effects.parameters import Columns, Floats, Touch
from synth.records import Pixels

Sizes = Floats  # (m, 2): width, height

LARGE_SIDE = 256
INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
STAY, MIRROR, AFFINE, PERSPECTIVE = range(4)  # what a matrix asks for: nothing, a copy, or an interpolation of a kind
_BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE}


def _eye(m: int) -> Floats:
    return np.tile(np.eye(3), (m, 1, 1))


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    # One by one through the C library: vectorised sin, cos and tan may round differently with the length.
    return np.array([function(value) for value in values])


def _about_centre(linear: Floats, sizes: Sizes) -> Floats:
    """Lay a linear map about the centre of the frame."""
    centre = sizes / 2 - 0.5
    linear[:, 0, 2] = centre[:, 0] - linear[:, 0, 0] * centre[:, 0] - linear[:, 0, 1] * centre[:, 1]
    linear[:, 1, 2] = centre[:, 1] - linear[:, 1, 0] * centre[:, 0] - linear[:, 1, 1] * centre[:, 1]
    return linear


def crop(columns: Columns, sizes: Sizes) -> Floats:
    """Stretch a part of the frame over all of it: output = (source - corner + 1/2) * zoom - 1/2."""
    matrix = _eye(len(sizes))
    side = np.sqrt(columns["area"])
    for axis, name in enumerate("xy"):
        corner = (1 - side) * columns[name] * sizes[:, axis]
        matrix[:, axis, axis] = 1 / side
        matrix[:, axis, 2] = (0.5 - corner) / side - 0.5
    return matrix


def flip_horizontal(columns: Columns, sizes: Sizes) -> Floats:
    """x -> width - 1 - x."""
    matrix = _eye(len(sizes))
    matrix[:, 0, 0] = -1
    matrix[:, 0, 2] = sizes[:, 0] - 1
    return matrix


def flip_vertical(columns: Columns, sizes: Sizes) -> Floats:
    """y -> height - 1 - y."""
    matrix = _eye(len(sizes))
    matrix[:, 1, 1] = -1
    matrix[:, 1, 2] = sizes[:, 1] - 1
    return matrix


def quarter_turn(columns: Columns, sizes: Sizes) -> Floats:
    """Turn anticlockwise by 90 degrees, `turns` times; the frame turns with the picture."""
    matrices = []
    for turns, (width, height) in zip(columns["turns"], sizes, strict=True):
        matrices.append(
            {
                1: [[0, 1, 0], [-1, 0, width - 1], [0, 0, 1]],
                2: [[-1, 0, width - 1], [0, -1, height - 1], [0, 0, 1]],
                3: [[0, -1, height - 1], [1, 0, 0], [0, 0, 1]],
            }[int(turns)]
        )
    return np.array(matrices, np.float64)


def scale(columns: Columns, sizes: Sizes) -> Floats:
    """Zoom about the centre."""
    matrix = _eye(len(sizes))
    matrix[:, 0, 0] = matrix[:, 1, 1] = columns["factor"]
    return _about_centre(matrix, sizes)


def shear(columns: Columns, sizes: Sizes) -> Floats:
    """Slant both axes about the centre: above 0, x moves the top to the right and y the left side down."""
    matrix = _eye(len(sizes))
    matrix[:, 0, 1] = -_each(math.tan, np.radians(columns["x"]))
    matrix[:, 1, 0] = -_each(math.tan, np.radians(columns["y"]))
    return _about_centre(matrix, sizes)


def perspective(columns: Columns, sizes: Sizes) -> Floats:
    """The homography that moves each corner of the frame by its share of width and height."""
    matrices = []
    for i, size in enumerate(sizes):
        # The corners of a frame one pixel wide must not coincide.
        far = np.maximum(size - 1, 1).astype(np.float32)
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * far
        moves = np.array([[columns[f"{axis}{corner}"][i] for axis in "xy"] for corner in range(4)]) * size
        matrices.append(cv2.getPerspectiveTransform(corners, (corners + moves).astype(np.float32)))
    return np.array(matrices)


def rotate(columns: Columns, sizes: Sizes) -> Floats:
    """Rotate anticlockwise about the centre."""
    radians = np.radians(columns["degrees"])
    cosine, sine = _each(math.cos, radians), _each(math.sin, radians)
    matrix = _eye(len(sizes))
    matrix[:, 0, 0], matrix[:, 0, 1] = cosine, sine
    matrix[:, 1, 0], matrix[:, 1, 1] = -sine, cosine
    return _about_centre(matrix, sizes)


def shift(columns: Columns, sizes: Sizes) -> Floats:
    """Move by a share of width and height."""
    matrix = _eye(len(sizes))
    matrix[:, 0, 2] = columns["x"] * sizes[:, 0]
    matrix[:, 1, 2] = columns["y"] * sizes[:, 1]
    return matrix


GEOMETRY: Mapping[str, Callable[[Columns, Sizes], Floats]] = {
    "crop": crop,
    "flip_horizontal": flip_horizontal,
    "flip_vertical": flip_vertical,
    "quarter_turn": quarter_turn,
    "scale": scale,
    "shear": shear,
    "perspective": perspective,
    "rotate": rotate,
    "shift": shift,
}
"""The geometric effects, in the order in which they act."""


def compose(effects: Sequence[Touch], sizes: Sizes) -> tuple[Floats, Sizes]:
    """One matrix for each of n images; effects that are not geometry are passed over.

    Returns: (n, 3, 3) float64 source -> output, and the output sizes (n, 2).
    """
    matrices, sizes = _eye(len(sizes)), sizes.copy()
    for name, touched, columns in effects:
        if name not in GEOMETRY:
            continue
        matrices[touched] = GEOMETRY[name](columns, sizes[touched]) @ matrices[touched]
        if name == "quarter_turn":
            sideways = touched[columns["turns"] % 2 == 1]
            sizes[sideways] = sizes[sideways][:, ::-1]
    return matrices, sizes


def forms(matrices: Floats, sizes: Sizes) -> list[int]:
    """What each matrix asks for: STAY, MIRROR, AFFINE or PERSPECTIVE."""
    mirrors = flip_horizontal({}, sizes)
    found = np.where((matrices[:, 2] == (0, 0, 1)).all(axis=1), AFFINE, PERSPECTIVE)
    found[(matrices == mirrors).all(axis=(1, 2))] = MIRROR
    found[(matrices == np.eye(3)).all(axis=(1, 2))] = STAY
    return [int(form) for form in found]


def warp(pixels: Pixels, matrix: Floats, size: Sequence[int], form: int, *, interpolation: str, fill: str) -> Pixels:
    """Apply one matrix of a known form with one interpolation; `size` is (width, height)."""
    if form == STAY:
        return pixels
    if form == MIRROR:
        return cast(Pixels, cv2.flip(pixels, 1))
    if fill == "reflect" and min(size) == 1:
        fill = "edge"  # the same picture; OpenCV's cubic reflection of a single row never ends
    border, colour = _border(fill, pixels.ndim, pixels.itemsize)
    flags = _flags(interpolation, pixels)
    fast = pixels.ndim == 3 and flags == cv2.INTER_LINEAR  # OpenCV moves four channels twice as fast as three
    source = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA) if fast else pixels
    if form == AFFINE:
        moved = cv2.warpAffine(source, matrix[:2], size, flags=flags, borderMode=border, borderValue=colour)
    else:
        moved = cv2.warpPerspective(source, matrix, size, flags=flags, borderMode=border, borderValue=colour)
    return cast(Pixels, cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB) if fast else moved)


def _flags(interpolation: str, pixels: Pixels) -> int:
    """Linear interpolation takes a third of the sharpness of small images, cubic a tenth, at three times the cost."""
    if interpolation == "auto":
        interpolation = "cubic" if min(pixels.shape[:2]) < LARGE_SIDE else "linear"
    return INTERPOLATIONS[interpolation]


@functools.cache
def _border(fill: str, n_dimensions: int, n_bytes: int) -> tuple[int, tuple[float, ...]]:
    """OpenCV's border mode and colour for the recipe's fill, in the channels and levels of the pixels."""
    if fill in _BORDERS:
        return _BORDERS[fill], (0,)
    step = 257 if n_bytes == 2 else 1
    red, green, blue = (int(fill[i : i + 2], 16) * step for i in (1, 3, 5))
    grey = round(0.299 * red + 0.587 * green + 0.114 * blue)
    return cv2.BORDER_CONSTANT, (grey,) if n_dimensions == 2 else (red, green, blue)
