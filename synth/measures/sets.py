"""How one set of images stands to another in a feature space: (n, F) arrays in, numbers out; None is unknown.

Never FID: its estimate is biased far above zero for sets under some thousand images, and its covariance is singular.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.measures.intervals import percentile_interval
from synth.measures.neighbours import distance_blocks, neighbour_distances

Floats = npt.NDArray[np.floating[Any]]

KID_POOL = 1000
"""Images of each set that KID looks at; the rest of a larger set is left out at random."""
N_SUBSETS = 200
K_NEAREST = 5
IMAGES_PER_NEIGHBOUR = 4
"""A ball holds at most about a quarter of the class: with 9 images, one to the 5th neighbour would hold most of it."""
DIVERSITY_POOL = 1000
VARIANCE_KEPT = 0.9
_ROUNDING = 1e-7
"""Points on the rim of a ball count as inside, in spite of rounding."""


@dataclass(frozen=True)
class Kid:
    """Kernel Inception distance, with any features in Inception's place."""

    value: float | None = None
    """Unbiased: near 0 (also below) for two samples of one distribution."""
    interval: tuple[float, float] | None = None


def kid(features: Floats, reference: Floats, *, rng: np.random.Generator, n: int | None = None) -> Kid:
    """Unbiased squared maximum mean discrepancy, kernel (x.y / F + 1)^3 (Binkowski et al. 2018, sections 3 and 4).

    Features are first brought to a scale on which that kernel sees something: the middle of both sets becomes 0, and
    the mean square of the reference's deviations 1. So the number means the same for any judge and class: about .1
    where a set is shifted by .2 standard deviations of the reference in every feature, .7 by .5, 3 by 1.

    The interval comes from subsets of half of each set, drawn without replacement: half-samples vary about as much as
    whole samples vary among themselves (the delete-half jackknife: the mean of n/2 of n has variance s^2/n). Where
    both sets are of one distribution it is up to twice too wide, never too narrow.

    Args:
        n: take that many of `features` as its sample size, so that intervals of two sets can be compared.
    """
    if min(len(features), len(reference)) < 2:
        return Kid()
    a, b = _some(features, KID_POOL, rng), _some(reference, KID_POOL, rng)
    gram = _kernel(*_rescaled(a, b))
    value = float(_mmd(gram, np.ones((1, len(a))), np.ones((1, len(b))))[0])
    half_a, half_b = min(n or len(a), len(a)) // 2, len(b) // 2
    if min(half_a, half_b) < 2:
        return Kid(value)
    values = _mmd(gram, _subsets(len(a), half_a, rng), _subsets(len(b), half_b, rng))
    return Kid(value, percentile_interval(values))


def _some(points: Floats, n: int, rng: np.random.Generator) -> Floats:
    return points if len(points) <= n else points[np.sort(rng.permutation(len(points))[:n])]


def _rescaled(points: Floats, reference: Floats) -> tuple[Floats, Floats]:
    wide, base = points.astype(np.float64), reference.astype(np.float64)
    centre = (wide.mean(axis=0) + base.mean(axis=0)) / 2
    scale = math.sqrt(float(base.var(axis=0, ddof=1).mean())) or 1.0
    return (wide - centre) / scale, (base - centre) / scale


def _kernel(points: Floats, reference: Floats) -> Floats:
    both = np.concatenate([points, reference])
    gram: Floats = (both @ both.T / both.shape[1] + 1) ** 3
    return gram


def _subsets(n: int, size: int, rng: np.random.Generator) -> Floats:
    """(N_SUBSETS, n): 1 where a point is in the subset."""
    chosen = np.zeros((N_SUBSETS, n))
    order = rng.random((N_SUBSETS, n)).argsort(axis=1)[:, :size]
    np.put_along_axis(chosen, order, 1, axis=1)
    return chosen


def _mmd(gram: Floats, in_a: Floats, in_b: Floats) -> Floats:
    """The U-statistic of each pair of subsets (equation 4): mean kernel within a and within b, minus twice between."""
    n_a, n_b = in_a.sum(axis=1), in_b.sum(axis=1)
    size = in_a.shape[1]
    aa, bb, ab = gram[:size, :size], gram[size:, size:], gram[:size, size:]
    within_a = ((in_a @ aa) * in_a).sum(axis=1) - in_a @ np.diag(aa)
    within_b = ((in_b @ bb) * in_b).sum(axis=1) - in_b @ np.diag(bb)
    between = ((in_a @ ab) * in_b).sum(axis=1)
    result: Floats = within_a / (n_a * (n_a - 1)) + within_b / (n_b * (n_b - 1)) - 2 * between / (n_a * n_b)
    return result


@dataclass(frozen=True)
class Cover:
    """How a set lies in the balls around the reference's points."""

    density: float | None = None
    """How many balls a point lies in, 1 on average for the reference's own distribution; can exceed 1."""
    coverage: float | None = None
    """Share of balls with a point in them, 0..1."""


def density_coverage(features: Floats, reference: Floats, *, n: int | None = None) -> Cover:
    """Density and coverage (Naeem et al. 2020, equations 2 and 3) of balls to the k-th nearest other reference point.

    k = 5 as in the paper, less for fewer than 20 reference points (`IMAGES_PER_NEIGHBOUR`). The rim belongs to the ball
    (the authors' code leaves it out, and finds nothing where all points coincide).

    Args:
        n: coverage grows with the number of points, so give it as expected of a random subset of n of them. The
            expectation is exact: a ball with c of N points is missed with probability C(N-c, n) / C(N, n).
    """
    if len(reference) < 2 or not len(features):
        return Cover()
    k = max(min(K_NEAREST, len(reference) // IMAGES_PER_NEIGHBOUR), 1)
    radii = neighbour_distances(reference, k)
    inside = np.zeros(len(reference), np.int64)
    for rows, distances in distance_blocks(reference, features):
        inside[rows] = (distances <= radii[rows, None] * (1 + _ROUNDING)).sum(axis=1)
    density = inside.sum() / (k * len(features))
    return Cover(
        float(density), float(_hit_by_subset(inside, len(features), min(n or len(features), len(features))).mean())
    )


def _hit_by_subset(inside: npt.NDArray[np.int64], total: int, n: int) -> Floats:
    """Probability that a random subset of n of `total` points has one of the `inside`."""
    from scipy.special import gammaln

    missed = np.full(len(inside), -np.inf)
    can_miss = total - inside >= n
    left = total - inside[can_miss]
    # log of C(left, n) / C(total, n)
    missed[can_miss] = gammaln(left + 1) - gammaln(left - n + 1) - gammaln(total + 1) + gammaln(total - n + 1)
    return np.asarray(1 - np.exp(missed))


def diversity(features: Floats, reference: Floats, *, rng: np.random.Generator) -> float | None:
    """Mean distance of two images of the set, as a multiple of the same of the reference.

    Only along the directions in which the reference varies (principal components that hold 90 % of its variance):
    images of pure noise differ a lot from one another, but in no way in which real images differ. The directions fit
    the reference best, so a fresh sample of the same kind stays below 1: judge by what other real images reach.
    """
    own, real = (_some(points, DIVERSITY_POOL, rng).astype(np.float64) for points in (features, reference))
    if len(real) < 2:
        return None
    directions = _principal_directions(real)
    distances = mean_distance(own @ directions), mean_distance(real @ directions)
    return distances[0] / distances[1] if distances[0] is not None and distances[1] else None


def _principal_directions(points: Floats) -> Floats:
    """(F, few): orthonormal directions that hold most of the variance."""
    _, strengths, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    held = np.cumsum(strengths**2)
    n_kept = int(np.searchsorted(held, VARIANCE_KEPT * held[-1])) + 1
    kept: Floats = directions[:n_kept].T
    return kept


def mean_distance(points: Floats) -> float | None:
    """Return the mean distance of two different points; None with fewer than two."""
    if len(points) < 2:
        return None
    total = sum(float(distances.sum()) for _, distances in distance_blocks(points, points))
    return total / (len(points) * (len(points) - 1))
