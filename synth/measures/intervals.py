"""How sure a number is: 95 % intervals for shares, and for any score by resampling."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

CONFIDENCE = 0.95
Z = statistics.NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
N_RESAMPLES = 1000


def wilson(n_hits: float, n: float) -> tuple[float, float]:
    """The score interval of a share n_hits / n (Wilson 1927; equation 4 of Brown, Cai and DasGupta 2001).

    Unlike the textbook interval it is right for few images and for shares of 0 or 1. Nothing seen: (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    share, slack = n_hits / n, Z**2 / n
    centre = share + slack / 2
    half = Z * math.sqrt(share * (1 - share) / n + slack / (4 * n))
    return max((centre - half) / (1 + slack), 0.0), min((centre + half) / (1 + slack), 1.0)


def n_for_half_width(share: float, half_width: float) -> int:
    """About how many images tell a share to within +- half_width (normal approximation)."""
    return math.ceil(Z**2 * share * (1 - share) / half_width**2)


def resampled_counts(n_units: int, rng: np.random.Generator, n_resamples: int) -> Floats:
    """How often each unit is drawn in each bootstrap sample (Efron 1979).

    Returns: (n_units, n_resamples) float32; every column sums to n_units.
    """
    counts = np.empty((n_units, n_resamples), np.float32)
    for sample in counts.T:
        sample[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
    return counts


def percentile_interval(values: Floats) -> tuple[float, float] | None:
    """The middle 95 % of resampled values; samples in which the score is undefined (NaN) don't count."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
