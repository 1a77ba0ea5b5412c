"""Selection by clusters: only the big clusters of a class lose images. Each keeps its centre, its rim and some between.

A class that is undersampled at random loses what is rare in it. Undersampled by clusters, it loses what it has most of.
"""

import bisect
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.settings.undersampling import AUTO

Floats = npt.NDArray[np.floating[Any]]


def select_by_cluster(points: Floats, wanted: int, *, clusters: int | str = AUTO, state: int = 0) -> list[int]:
    """Return the places of the images that stay, ascending.

    Args:
        points: (n, F) the images of one class.
        wanted: how many stay, at most n.
        clusters: number of clusters; auto: about the square root of n / 2.
        state: seed of k-means.
    """
    from sklearn.cluster import KMeans  # slow to import
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n = len(points)
    k = min(max(round(math.sqrt(n / 2)), 1) if clusters == AUTO else int(clusters), n)
    # One thread: several would split the sums, and the last bits would depend on their number.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with fewer distinct images than clusters, some clusters stay empty
        found = KMeans(k, n_init=1, random_state=state).fit(points)
    distances = np.linalg.norm(points - found.cluster_centers_[found.labels_], axis=1)
    kept: list[int] = []
    for cluster, quota in enumerate(quotas(np.bincount(found.labels_, minlength=k).tolist(), wanted)):
        members = np.flatnonzero(found.labels_ == cluster)
        ranked = members[np.argsort(distances[members], kind="stable")]
        kept += ranked[evenly_ranked(len(ranked), quota)].tolist()
    return sorted(kept)


def quotas(sizes: Sequence[int], wanted: int) -> list[int]:
    """Return how many images each cluster keeps: all up to a cap; the biggest keep one more to reach `wanted`."""
    cap = bisect.bisect(range(wanted + 1), wanted, key=lambda cap: sum(min(size, cap) for size in sizes)) - 1
    kept = [min(size, cap) for size in sizes]
    left = wanted - sum(kept)
    for cluster in sorted(range(len(sizes)), key=lambda c: -sizes[c])[:left]:
        kept[cluster] = min(sizes[cluster], cap + 1)
    return kept


def evenly_ranked(n: int, wanted: int) -> list[int]:
    """Return `wanted` of the ranks 0..n - 1: the first, the last, and others evenly between; one alone is the first."""
    return [rank * (n - 1) // max(wanted - 1, 1) for rank in range(wanted)]
