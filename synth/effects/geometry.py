"""All geometric effects of an attempt become one matrix and one interpolation.

Coordinates are those of pixel centres: (0, 0) is the centre of the top left pixel, x points right, y points down.
The function of an effect returns the forward matrices source -> output of m images: (m, 3, 3) float64. Positive angles
are anticlockwise on a screen. The conventions are those of albumentations' Affine. `synth.effects.inside` keeps the
frame inside the source; here, what lies outside is filled.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import cv2
import numpy as np

from synth.effects.parameters import Columns, EffectBatch, Floats
from synth.records import Pixels

Sizes = Floats  # (m, 2): width, height

LARGE_SIDE = 256
INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
IDENTITY, FLIP, AFFINE, PERSPECTIVE = range(4)  # kinds of matrices; the first two need no interpolation
# With "inside" no pixel outside is shown; an interpolation at the border only reads its neighbours.
_BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE, "inside": cv2.BORDER_REPLICATE}


def _eye(m: int) -> Floats:
    return np.tile(np.eye(3), (m, 1, 1))


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    # One by one through the C library: vectorised sin, cos and tan may round differently for another length.
    return np.array([function(value) for value in values])


def _about_centre(linear: Floats, sizes: Sizes) -> Floats:
    """Move the fixed point of a linear map to the centre of the frame."""
    centre = sizes / 2 - 0.5
    linear[:, 0, 2] = centre[:, 0] - linear[:, 0, 0] * centre[:, 0] - linear[:, 0, 1] * centre[:, 1]
    linear[:, 1, 2] = centre[:, 1] - linear[:, 1, 0] * centre[:, 0] - linear[:, 1, 1] * centre[:, 1]
    return linear


def crop(columns: Columns, sizes: Sizes) -> Floats:
    """Enlarge a part of the frame to all of it: output = (source - corner + 1/2) * zoom - 1/2."""
    matrix = _eye(len(sizes))
    side = np.sqrt(columns["area"])
    for axis, name in enumerate("xy"):
        corner = (1 - side) * columns[name] * sizes[:, axis]
        matrix[:, axis, axis] = 1 / side
        matrix[:, axis, 2] = (0.5 - corner) / side - 0.5
    return matrix


def flip(axis: int, sizes: Sizes) -> Floats:
    """Mirror the frame: x -> width - 1 - x for axis 0, y -> height - 1 - y for axis 1."""
    matrix = _eye(len(sizes))
    matrix[:, axis, axis] = -1
    matrix[:, axis, 2] = sizes[:, axis] - 1
    return matrix


def quarter_turn(columns: Columns, sizes: Sizes) -> Floats:
    """Rotate anticlockwise by 90 degrees, `turns` times; the frame rotates with the image."""
    matrix = _eye(len(sizes))
    for i, (turns, (width, height)) in enumerate(zip(columns["turns"].tolist(), sizes, strict=True)):
        matrix[i, :2] = {
            1: [[0, 1, 0], [-1, 0, width - 1]],
            2: [[-1, 0, width - 1], [0, -1, height - 1]],
            3: [[0, -1, height - 1], [1, 0, 0]],
        }[turns]
    return matrix


def scale(columns: Columns, sizes: Sizes) -> Floats:
    """Zoom about the centre."""
    matrix = _eye(len(sizes))
    matrix[:, 0, 0] = matrix[:, 1, 1] = columns["factor"]
    return _about_centre(matrix, sizes)


def shear(columns: Columns, sizes: Sizes) -> Floats:
    """Slant both axes about the centre: a positive x moves the top to the right, a positive y the left side down."""
    matrix = _eye(len(sizes))
    matrix[:, 0, 1] = -_each(math.tan, np.radians(columns["x"]))
    matrix[:, 1, 0] = -_each(math.tan, np.radians(columns["y"]))
    return _about_centre(matrix, sizes)


def perspective(columns: Columns, sizes: Sizes) -> Floats:
    """Return the homography that moves each corner of the frame by its share of width and height."""
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
    "flip_horizontal": lambda columns, sizes: flip(0, sizes),
    "flip_vertical": lambda columns, sizes: flip(1, sizes),
    "quarter_turn": quarter_turn,
    "scale": scale,
    "shear": shear,
    "perspective": perspective,
    "rotate": rotate,
    "shift": shift,
}
"""The geometric effects, in the order in which they run."""


def compose(batches: Sequence[EffectBatch], sizes: Sizes) -> tuple[Floats, Sizes]:
    """Compose the geometric effects of each of n images; other effects are ignored.

    Returns: (n, 3, 3) float64 source -> output, and the output sizes (n, 2).
    """
    matrices, sizes = _eye(len(sizes)), sizes.copy()
    for name, indices, columns in batches:
        if name not in GEOMETRY:
            continue
        matrices[indices] = GEOMETRY[name](columns, sizes[indices]) @ matrices[indices]
        if name == "quarter_turn":
            sideways = indices[columns["turns"] % 2 == 1]
            sizes[sideways] = sizes[sideways][:, ::-1]
    return matrices, sizes


def kinds_of(matrices: Floats, sizes: Sizes) -> list[int]:
    """Return the kind of each matrix: IDENTITY, FLIP (left and right), AFFINE or PERSPECTIVE."""
    kinds = np.where((matrices[:, 2] == (0, 0, 1)).all(axis=1), AFFINE, PERSPECTIVE)
    kinds[(matrices == flip(0, sizes)).all(axis=(1, 2))] = FLIP
    kinds[(matrices == np.eye(3)).all(axis=(1, 2))] = IDENTITY
    return [int(kind) for kind in kinds]


def warp(pixels: Pixels, matrix: Floats, size: Sequence[int], kind: int, *, interpolation: str, fill: str) -> Pixels:
    """Apply a matrix of a known kind with one interpolation; `size` is (width, height)."""
    if kind == IDENTITY:
        return pixels
    if kind == FLIP:
        return cast(Pixels, cv2.flip(pixels, 1))
    if fill == "reflect" and min(size) == 1:
        fill = "edge"  # the same image; OpenCV's cubic reflection of a single row never ends
    border, colour = _border(fill, pixels.ndim, pixels.itemsize)
    flags = _flags(interpolation, pixels)
    fast = pixels.ndim == 3 and flags == cv2.INTER_LINEAR  # OpenCV warps four channels twice as fast as three
    source = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA) if fast else pixels
    if kind == AFFINE:
        moved = cv2.warpAffine(source, matrix[:2], size, flags=flags, borderMode=border, borderValue=colour)
    else:
        moved = cv2.warpPerspective(source, matrix, size, flags=flags, borderMode=border, borderValue=colour)
    return cast(Pixels, cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB) if fast else moved)


def _flags(interpolation: str, pixels: Pixels) -> int:
    # Linear interpolation costs small images a third of their sharpness, cubic a tenth, but takes three times as long.
    if interpolation == "auto":
        interpolation = "cubic" if min(pixels.shape[:2]) < LARGE_SIDE else "linear"
    return INTERPOLATIONS[interpolation]


@functools.cache
def _border(fill: str, n_dimensions: int, n_bytes: int) -> tuple[int, tuple[float, ...]]:
    """Return OpenCV's border mode and colour for the recipe's fill, in the channels and levels of the pixels."""
    if fill in _BORDERS:
        return _BORDERS[fill], (0,)
    step = 257 if n_bytes == 2 else 1
    red, green, blue = (int(fill[i : i + 2], 16) * step for i in (1, 3, 5))
    grey = round(0.299 * red + 0.587 * green + 0.114 * blue)
    return cv2.BORDER_CONSTANT, (grey,) if n_dimensions == 2 else (red, green, blue)
