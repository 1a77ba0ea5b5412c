"""The nearest neighbours of the images of a class, and the pairs of parents that SMOTE draws (Chawla et al. 2002).

The first parent is one of: each image equally often; only those in danger, of whose nearest images at least half but
not all are of other classes (borderline-SMOTE1, Han et al. 2005); or each with a weight, the share of other classes
among its nearest images (ADASYN, He et al. 2008). The second parent is one of its nearest images of the same class.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.generators.base import ParentOrder
from synth.measures.neighbours import distance_blocks, spread
from synth.settings.oversampling import Smote

Floats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class NeighbourGraph:
    """The nearest neighbours of the n images of one class."""

    neighbours: tuple[Indices, ...]
    """For each image, the images that it may be interpolated with, nearest first; empty: only with itself."""
    weights: Floats | None
    """(n,) how often each image becomes the first parent; None: equally often."""
    k: int
    """Neighbours asked for, at most n - 1."""
    n_too_far: int
    """Neighbours that were left out because they are farther away than the class's spread allows."""

    def draw(
        self, settings: Smote, attempts: range, *, seed: int, label: str, order: ParentOrder
    ) -> tuple[Indices, Indices, Floats]:
        """Draw first parent, second parent and step of each attempt: three arrays (n,).

        The two parents are the same for an image without neighbours.
        """
        draws = seeds.uniforms(seed, label, stream="smote", attempts=attempts, n_draws=3)
        if self.weights is None:
            first = np.array([order.pick(attempt) for attempt in attempts], np.intp)
        else:
            limits = np.cumsum(self.weights)
            first = np.minimum(np.searchsorted(limits, draws[:, 0] * limits[-1], side="right"), len(limits) - 1)
        second = first.copy()
        for row, (image, u) in enumerate(zip(first.tolist(), draws[:, 1].tolist(), strict=True)):
            near = self.neighbours[image]
            if len(near):
                second[row] = near[int(u * len(near))]
        low, high = settings.step
        return first, second, low + (high - low) * draws[:, 2]

    def remarks(self, settings: Smote, label: str) -> list[str]:
        """Return what a user should know about the neighbours of this class, one line each."""
        n = len(self.neighbours)
        alone = sum(not len(near) for near in self.neighbours)
        found = []
        if n == 1 or self.k == 0:
            what = "copies of it" if settings.augment == "off" else "images between changed copies of it"
            found.append(f"{label}: there is only one image, so only {what} can be made")
        elif self.k < settings.k_neighbors:
            found.append(f"{label}: k = {self.k} instead of {settings.k_neighbors}, because there are {n} images")
        if self.n_too_far:
            left = f"; {alone} images have no neighbour left and are interpolated with themselves" if alone else ""
            found.append(
                f"{label}: {self.n_too_far} of {n * self.k} neighbours are too far apart for this class and are not "
                f"used{left}"
            )
        elif n > 1 and self.k and alone:
            found.append(f"{label}: {alone} images have no neighbour that differs from them")
        if settings.parents != "plain" and self.weights is None:
            found.append(f"{label}: no image is near another class, so all become parents equally often")
        return found


def neighbour_graph(points: Floats, others: Floats, settings: Smote) -> NeighbourGraph:
    """Find the neighbours of the images of a class.

    Args:
        points: (n, F) its images in a feature space. Equal points are not neighbours: an image between two equal
            images is a copy.
        others: (m, F) images of the other classes; used by borderline and adaptive only.
    """
    n = len(points)
    limit = settings.reach * spread(points) if settings.reach and n > 1 else math.inf
    k = max(min(settings.k_neighbors, n - 1), 0)
    neighbours, n_too_far = [], 0
    for rows, distances in distance_blocks(points, points):
        distances[distances == 0] = np.inf
        for row, distance in enumerate(distances, start=rows.start):
            distance[row] = np.inf
            near = _nearest(distance, k)
            near = near[np.isfinite(distance[near])]
            kept = near[distance[near] <= limit]
            n_too_far += len(near) - len(kept)
            neighbours.append(kept)
    weights = None if settings.parents == "plain" else _weights(points, others, settings)
    return NeighbourGraph(tuple(neighbours), weights, k, n_too_far)


def _nearest(distances: Floats, k: int) -> Indices:
    """Return the places of the k smallest distances, smallest first; of equal ones, the first."""
    if not k:
        return np.empty(0, np.intp)
    candidates = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1])
    return candidates[np.argsort(distances[candidates], kind="stable")][:k]


def _weights(points: Floats, others: Floats, settings: Smote) -> Floats | None:
    """Return how often each image becomes a parent; None if no image is near another class."""
    everything = np.concatenate([points, others])
    m = min(settings.m_neighbors, len(everything) - 1)
    shares = np.zeros(len(points))
    for rows, distances in distance_blocks(points, everything):
        for row, distance in enumerate(distances, start=rows.start):
            distance[row] = np.inf
            shares[row] = (_nearest(distance, m) >= len(points)).mean() if m else 0.0
    weights = shares if settings.parents == "adaptive" else ((shares >= 0.5) & (shares < 1)).astype(np.float64)
    return weights if weights.any() else None
