"""Which images of a class stay where only its big clusters are thinned: of each the centre, the rim and some between.

A class thinned at random loses what is rare within it; thinned by clusters it loses what it has plenty of.
"""

from __future__ import annotations

import bisect
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.settings.undersampling import AUTO

Floats = npt.NDArray[np.floating[Any]]


def clustered(points: Floats, wanted: int, *, clusters: int | str = AUTO, state: int = 0) -> list[int]:
    """The places of the images that stay, in order.

    Args:
        points: (n, F) the images of one class.
        wanted: how many stay, at most n.
        clusters: how many there are; auto: about the square root of n / 2.
        state: seed of the search for clusters.
    """
    from sklearn.cluster import KMeans  # slow to import
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n = len(points)
    k = min(max(round(math.sqrt(n / 2)), 1) if clusters == AUTO else int(clusters), n)
    # One thread: with more, sums are cut up by their number, and so are the last bits.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with fewer distinct images than clusters some of these stay empty
        found = KMeans(k, n_init=1, random_state=state).fit(points)
    distances = np.linalg.norm(points - found.cluster_centers_[found.labels_], axis=1)
    shares = shared_out(np.bincount(found.labels_, minlength=k).tolist(), wanted)
    kept: list[int] = []
    for cluster, share in enumerate(shares):
        members = np.flatnonzero(found.labels_ == cluster)
        ranked = members[np.argsort(distances[members], kind="stable")]
        kept += ranked[evenly_ranked(len(ranked), share)].tolist()
    return sorted(kept)


def shared_out(sizes: Sequence[int], wanted: int) -> list[int]:
    """How many each cluster keeps: all of it up to a cap; what the cap leaves over goes to the biggest, one each."""
    cap = bisect.bisect(range(wanted + 1), wanted, key=lambda cap: sum(min(size, cap) for size in sizes)) - 1
    kept = [min(size, cap) for size in sizes]
    left = wanted - sum(kept)
    for cluster in sorted(range(len(sizes)), key=lambda c: -sizes[c])[:left]:
        kept[cluster] = min(sizes[cluster], cap + 1)
    return kept


def evenly_ranked(n: int, wanted: int) -> list[int]:
    """So many of the ranks 0..n - 1: the first, the last, and evenly between; one alone is the first."""
    return [rank * (n - 1) // max(wanted - 1, 1) for rank in range(wanted)]
