"""Compare a set of images with a reference in a feature space: (n, F) arrays in, numbers out; None is unknown.

FID is missing on purpose: for sets of fewer than some thousand images its estimate is biased far above zero, and its
covariance is singular.
"""

import math
from dataclasses import dataclass

import numpy as np

from synth.measures.intervals import percentile_interval
from synth.measures.neighbours import distance_blocks, neighbour_distances
from synth.records import Floats

KID_POOL = 1000
"""Largest sample of each set for KID; a larger set is sampled at random."""
N_SUBSETS = 200
K_NEAREST = 5
IMAGES_PER_NEIGHBOUR = 4
"""A ball holds at most about a quarter of the class: with 9 images, a ball to the 5th neighbour would hold most."""
DIVERSITY_POOL = 1000
VARIANCE_KEPT = 0.9
_ROUNDING = 1e-7
"""Relative tolerance, so that points on the surface of a ball count as inside."""


@dataclass(frozen=True)
class Kid:
    """Kernel Inception distance, with any features instead of Inception's."""

    value: float | None = None
    """Unbiased: near 0 (also below 0) for two samples of one distribution."""
    interval: tuple[float, float] | None = None


def kid(features: Floats, reference: Floats, *, rng: np.random.Generator, n: int | None = None) -> Kid:
    """Estimate the squared maximum mean discrepancy with kernel (x.y / F + 1)^3 (Binkowski et al. 2018, 3 and 4).

    Features are first scaled: the midpoint of both sets becomes 0, and the mean square of the reference's deviations 1.
    So the number means the same for any judge and class: about .1 if a set is shifted by .2 standard deviations of the
    reference in every feature, .7 if by .5, and 3 if by 1.

    The interval comes from subsets of half of each set, drawn without replacement: half-samples vary about as much as
    whole samples do (the delete-half jackknife: the mean of n/2 of n has variance s^2/n). If both sets have one
    distribution, the interval is up to twice too wide, never too narrow.

    Args:
        n: sample size to assume for `features`, so that intervals of two sets can be compared.
    """
    if min(len(features), len(reference)) < 2:
        return Kid()
    a, b = _some(features, KID_POOL, rng), _some(reference, KID_POOL, rng)
    scaled = np.concatenate(_rescaled(a, b))
    gram = (scaled @ scaled.T / scaled.shape[1] + 1) ** 3
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


def _subsets(n: int, size: int, rng: np.random.Generator) -> Floats:
    """Return (N_SUBSETS, n): 1 for points in the subset, else 0."""
    chosen = np.zeros((N_SUBSETS, n))
    order = rng.random((N_SUBSETS, n)).argsort(axis=1)[:, :size]
    np.put_along_axis(chosen, order, 1, axis=1)
    return chosen


def _mmd(gram: Floats, in_a: Floats, in_b: Floats) -> Floats:
    """Return the U-statistic of each pair of subsets (equation 4): mean kernel within a and b, minus twice between."""
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
    """Density and coverage of the balls around the points of a reference."""

    density: float | None = None
    """Mean number of balls that hold a point, relative to the reference's own distribution; it can exceed 1."""
    coverage: float | None = None
    """Share of balls that hold a point, 0..1."""


def density_coverage(features: Floats, reference: Floats, *, n: int | None = None) -> Cover:
    """Return density and coverage (Naeem et al. 2020, equations 2 and 3) of balls to the k-th nearest reference point.

    k is 5 as in the paper, and less for fewer than 20 reference points (`IMAGES_PER_NEIGHBOUR`). The surface belongs to
    the ball (in the authors' code it does not, so that it finds nothing if all points are equal).

    Args:
        n: coverage grows with the number of points, so return its expectation for a random subset of n points. It is
            exact: a subset misses a ball with c of N points with probability C(N-c, n) / C(N, n).
    """
    from scipy.stats import hypergeom

    if len(reference) < 2 or not len(features):
        return Cover()
    k = max(min(K_NEAREST, len(reference) // IMAGES_PER_NEIGHBOUR), 1)
    radii = neighbour_distances(reference, k)
    inside = np.zeros(len(reference), np.int64)
    for rows, distances in distance_blocks(reference, features):
        inside[rows] = (distances <= radii[rows, None] * (1 + _ROUNDING)).sum(axis=1)
    missed = hypergeom.pmf(0, len(features), inside, min(n or len(features), len(features)))
    return Cover(float(inside.sum() / (k * len(features))), float(1 - missed.mean()))


def diversity(features: Floats, reference: Floats, *, rng: np.random.Generator) -> float | None:
    """Return the mean distance between two images of the set, relative to that of the reference.

    Only the principal components with 90 % of the reference's variance count: images of pure noise differ a lot, but
    not in the way real images differ. The components fit the reference best, so new real images stay below 1: compare
    with the value of other real images.
    """
    own, real = (_some(points, DIVERSITY_POOL, rng).astype(np.float64) for points in (features, reference))
    if len(real) < 2:
        return None
    components = _principal_components(real)
    unit, found = mean_distance(real @ components), mean_distance(own @ components)
    return found / unit if unit and found is not None else None


def _principal_components(points: Floats) -> Floats:
    """Return (F, few) orthonormal components with most of the variance."""
    _, strengths, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    held = np.cumsum(strengths**2)
    n_kept = int(np.searchsorted(held, VARIANCE_KEPT * held[-1])) + 1
    kept: Floats = directions[:n_kept].T
    return kept


def mean_distance(points: Floats) -> float | None:
    """Return the mean distance between two different points; None with fewer than two."""
    from scipy.spatial.distance import pdist

    return float(pdist(points).mean()) if len(points) > 1 else None
