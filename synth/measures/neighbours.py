"""Distances between points, block by block, and the spread of a class."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from synth.records import Floats

SPREAD_QUANTILE = 0.95
_BLOCK_CELLS = 4_000_000  # distances in memory at once: 32 MB
_EXACT = 1e-9  # rounding of a squared distance, in units of the points' mean squared norm


def distance_blocks(points: Floats, others: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield Euclidean distances, some rows at a time: (rows, (rows, len(others)) float64).

    They are computed as |a|^2 - 2ab + |b|^2 about the mean of `others`. Rounding errors between equal points are set to
    0, so that equal points have the distance 0.
    """
    centre = others.mean(axis=0, dtype=np.float64)
    right = others - centre
    right_norms = np.einsum("ij,ij->i", right, right)
    step = max(_BLOCK_CELLS // max(len(others), 1), 1)
    for start in range(0, len(points), step):
        rows = slice(start, min(start + step, len(points)))
        left = points[rows] - centre
        left_norms = np.einsum("ij,ij->i", left, left)
        norms = left_norms[:, None] + right_norms
        squared = norms - 2 * (left @ right.T)
        squared[squared <= _EXACT * norms] = 0
        yield rows, np.sqrt(squared)


def two_nearest(points: Floats, others: Floats) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Return the distances of each point to its two nearest others, and their indices.

    Each distance is computed from its pair alone, so other points can't change its last bit.

    Returns: (n, 2) float32, nearest first, and (n, 2) int32; (n, 1) if there is only one other.
    """
    left, right = (np.ascontiguousarray(side, np.float32) for side in (points, others))
    found, which = cv2.batchDistance(left, right, cv2.CV_32F, normType=cv2.NORM_L2, K=min(2, len(others)))
    return np.asarray(found, np.float32), np.asarray(which, np.int32)


def nearest(features: Floats, reference: Floats) -> Floats:
    """Return the distance of each point to the nearest of `reference`: (n,) float64; infinite if that is empty."""
    found = np.full(len(features), math.inf)
    if len(reference):
        for rows, distances in distance_blocks(features, reference):
            found[rows] = distances.min(axis=1)
    return found


def neighbour_distances(points: Floats, k: int) -> Floats:
    """Return the distance of each point to its k-th nearest other point: (n,) float64; 1 <= k < n."""
    found = np.empty(len(points))
    for rows, distances in distance_blocks(points, points):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = -1  # itself comes first
        found[rows] = np.partition(distances, k, axis=1)[:, k]
    return found


def spread(features: Floats) -> float:
    """Return the spread of a class: the 95 % quantile of the distance to the nearest other image.

    It is the unit of distances to a class: an image is unlike the class if it is more than a few spreads away. Equal
    images count once. With fewer than two different images the spread is infinite, so that no image is too far.
    """
    different = np.unique(features, axis=0)
    if len(different) < 2:
        return math.inf
    return float(np.quantile(neighbour_distances(different, 1), SPREAD_QUANTILE))
