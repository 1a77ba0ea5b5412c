"""Resize images to the square input of a network."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from synth.data.images import to_uint8
from synth.records import Pixels

SIDES = (32, 48, 64, 96)
SHRINKS = 1.5  # images may shrink this much: finer detail rarely separates classes


def network_input(pixels: Pixels, side: int) -> npt.NDArray[np.uint8]:
    """Resize to (side, side, 3) uint8: grey becomes three equal channels, 16 bits become 8, and the aspect changes."""
    levels = to_uint8(pixels)
    shrinking = min(levels.shape[:2]) >= side
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    small = cv2.resize(levels, (side, side), interpolation=method) if levels.shape[:2] != (side, side) else levels
    return cv2.cvtColor(small, cv2.COLOR_GRAY2RGB) if small.ndim == 2 else small  # type: ignore[return-value]


def fitting_side(sizes: Sequence[tuple[int, int]]) -> int:
    """Return the side that suits images of these (width, height)."""
    typical = float(np.median([(width * height) ** 0.5 for width, height in sizes])) / SHRINKS
    return max((side for side in SIDES if side <= typical), default=SIDES[0])
