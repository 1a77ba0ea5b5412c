"""Which images of a class are interpolated with which: the segments that SMOTE draws from (Chawla et al. 2002).

Three choices of the first parent: each image equally often; only those in danger, of whose nearest images at least half
but not all are of other classes (borderline-SMOTE1, Han et al. 2005); or each with a weight, the share of other classes
among its nearest images (ADASYN, He et al. 2008). The second parent is one of its nearest images of the same class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.generators.parent_order import ParentOrder
from synth.measures.neighbours import distance_blocks, spread
from synth.settings.oversampling import Smote

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Segments:
    """The segments of one class of n images."""

    neighbours: tuple[Indices, ...]
    """For each image the others that it may be interpolated with, nearest first; none: only with itself."""
    weights: Floats | None
    """(n,) how often each becomes the first parent; None: equally often."""
    k: int
    """Neighbours asked for, at most n - 1."""
    refused: int
    """Neighbours that were left out, being farther than the class's spread allows."""

    def draw(
        self, settings: Smote, attempts: range, *, seed: int, label: str, deal: ParentOrder, first_attempt: int = 0
    ) -> tuple[Indices, Indices, Floats]:
        """First parent, second parent and step of each attempt; the two are one where an image has no neighbour."""
        draws = seeds.uniforms(seed, label, stream="smote", attempts=attempts, n_draws=3)
        if self.weights is None:
            first = np.array([deal.pick(attempt - first_attempt) for attempt in attempts], np.intp)
        else:
            limits = np.cumsum(self.weights)
            first = np.minimum(np.searchsorted(limits, draws[:, 0] * limits[-1], side="right"), len(limits) - 1)
        second = [self._neighbour(i, u) for i, u in zip(first.tolist(), draws[:, 1].tolist(), strict=True)]
        low, high = settings.step
        return first, np.array(second, np.intp), low + (high - low) * draws[:, 2]

    def _neighbour(self, image: int, u: float) -> int:
        near = self.neighbours[image]
        return int(near[int(u * len(near))]) if len(near) else image


def segments_of(points: Floats, others: Floats, settings: Smote) -> Segments:
    """The segments of a class.

    Args:
        points: (n, F) its images in the space in which neighbours are near. Equal points are no neighbours: what lies
            between two equal images is a copy.
        others: (m, F) images of the other classes; asked only by borderline and adaptive.
    """
    n = len(points)
    limit = settings.reach * spread(points) if settings.reach and n > 1 else math.inf
    k = max(min(settings.k_neighbors, n - 1), 0)
    neighbours, refused = [], 0
    for rows, distances in distance_blocks(points, points):
        distances[distances == 0] = np.inf
        for row, distance in enumerate(distances, start=rows.start):
            distance[row] = np.inf
            near = _nearest(distance, k)
            near = near[np.isfinite(distance[near])]
            kept = near[distance[near] <= limit]
            refused += len(near) - len(kept)
            neighbours.append(kept)
    weights = None if settings.parents == "plain" else _weights(points, others, settings)
    return Segments(tuple(neighbours), weights, k, refused)


def _nearest(distances: Floats, k: int) -> Indices:
    """The k smallest, smallest first; of equal ones the first."""
    if not k:
        return np.empty(0, np.intp)
    candidates = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    return candidates[np.argsort(distances[candidates], kind="stable")][:k]


def _weights(points: Floats, others: Floats, settings: Smote) -> Floats | None:
    """How often each image becomes a parent; None where no image is near another class."""
    everything = np.concatenate([points, others])
    m = min(settings.m_neighbors, len(everything) - 1)
    shares = np.zeros(len(points))
    for rows, distances in distance_blocks(points, everything):
        for row, distance in enumerate(distances, start=rows.start):
            distance[row] = np.inf
            shares[row] = (_nearest(distance, m) >= len(points)).mean() if m else 0.0
    weights = shares if settings.parents == "adaptive" else ((shares >= 0.5) & (shares < 1)).astype(np.float64)
    return weights if weights.any() else None


def remarks(segments: Segments, settings: Smote, label: str) -> list[str]:
    """What a person should know of a class's segments."""
    n = len(segments.neighbours)
    alone = sum(not len(near) for near in segments.neighbours)
    found = []
    if n == 1 or segments.k == 0:
        what = "only copies of it" if settings.augment == "off" else "images between its own changed copies"
        found.append(f"{label}: one image alone: {what} can be made")
    elif segments.k < settings.k_neighbors:
        found.append(f"{label}: k = {segments.k} instead of {settings.k_neighbors}, for there are {n} images")
    if segments.refused:
        left = f"; {alone} images have none left and are interpolated with themselves" if alone else ""
        found.append(
            f"{label}: {segments.refused} of {n * segments.k} neighbours are too far apart for this class and are not "
            f"bridged{left}"
        )
    elif n > 1 and segments.k and alone:
        found.append(f"{label}: {alone} images have no neighbour that differs from them")
    if settings.parents != "plain" and segments.weights is None:
        found.append(f"{label}: no image lies near another class: all become parents equally often")
    return found


def distinct(hashes: Sequence[str]) -> list[int]:
    """Places of the first of each kind: an image that stands there twice is one image."""
    return sorted({hash: place for place, hash in reversed(list(enumerate(hashes)))}.values())
