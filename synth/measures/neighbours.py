"""Distances between points, block by block, and how far apart images of a class lie: what gates and checks share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

SPREAD_QUANTILE = 0.95
_BLOCK_CELLS = 4_000_000  # distances held at once: 32 MB
_EXACT = 1e-9  # rounding of a squared distance, in units of the points' mean squared norm


def distance_blocks(points: Floats, others: Floats) -> Iterator[tuple[slice, Floats]]:
    """Euclidean distances, some rows at a time: (rows, (rows, len(others)) float64).

    Computed as |a|^2 - 2ab + |b|^2 about the mean of `others`; what rounding leaves between equal points is set to 0,
    so that coinciding points are seen as such.
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
    """Distances of each point to the nearest two others, nearest first, and which they are: (n, 2), or (n, 1) if there
    is but one other.

    Each is computed from its pair alone: no other point changes its last bit.
    """
    left, right = (np.ascontiguousarray(side, np.float32) for side in (points, others))
    found, which = cv2.batchDistance(left, right, cv2.CV_32F, normType=cv2.NORM_L2, K=min(2, len(others)))
    return np.asarray(found, np.float32), np.asarray(which, np.int32)


def nearest(features: Floats, reference: Floats) -> Floats:
    """Distance of each point to the nearest point of `reference`: (n,) float64; infinite where that is empty."""
    found = np.full(len(features), math.inf)
    if len(reference):
        for rows, distances in distance_blocks(features, reference):
            found[rows] = distances.min(axis=1)
    return found


def neighbour_distances(points: Floats, k: int) -> Floats:
    """Distance of each point to its k-th nearest other point: (n,) float64; 1 <= k < n."""
    found = np.empty(len(points))
    for rows, distances in distance_blocks(points, points):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = -1  # itself comes first
        found[rows] = np.partition(distances, k, axis=1)[:, k]
    return found


def spread(features: Floats) -> float:
    """How far from the nearest other image the images of a class usually lie: 95 % of them are nearer.

    The unit in which distances to a class are told: an image farther from all real images than a few spreads is unlike
    them. Equal images count once. With less than two different images nothing is known of the spread: infinite, so
    nothing is called far.
    """
    different = np.unique(features, axis=0)
    if len(different) < 2:
        return math.inf
    return float(np.quantile(neighbour_distances(different, 1), SPREAD_QUANTILE))
