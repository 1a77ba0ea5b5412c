"""95 % confidence intervals: for shares, and for any score by the bootstrap."""

import math
import statistics

import numpy as np

from synth.records import Floats

CONFIDENCE = 0.95
Z = statistics.NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
N_RESAMPLES = 1000


def wilson(n_hits: float, n: int) -> tuple[float, float]:
    """Return the score interval of a share n_hits / n (Wilson 1927; equation 4 of Brown, Cai and DasGupta 2001).

    Unlike the Wald interval it is right for few images and for shares of 0 or 1. It is (0, 1) for n = 0. `n_hits` may
    be a fraction, as in the share of images in fewer groups of images, which SciPy does not allow.
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = n_hits / n, Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return (0.0 if share == 0 else centre - half), (1.0 if share == 1 else centre + half)


def p_less(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Return the p-value of Fisher's exact test that a share is smaller than another (one-sided; Fisher 1922).

    Args: one, other: (hits, n) of each share.
    """
    from scipy.stats import fisher_exact

    table = [[hits, n - hits] for hits, n in (one, other)]
    return float(fisher_exact(table, alternative="less").pvalue)


def mean_of_differences(differences: Floats) -> tuple[float, float]:
    """Return the interval of the mean of paired differences of shares, -1..1 each.

    Wald's interval with half a pair added to each cell of the 2 x 2 table: a few pairs that all agree prove little
    (Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions").
    """
    n = len(differences) + 2
    mean = float(differences.sum()) / n
    half = Z * math.sqrt((float(np.square(differences).sum()) + 1) / n - mean**2) / math.sqrt(n)
    return max(mean - half, -1.0), min(mean + half, 1.0)


def n_for_half_width(share: float, half_width: float) -> int:
    """Return about how many images measure a share to within +- half_width (normal approximation)."""
    return math.ceil(Z**2 * share * (1 - share) / half_width**2)


def resampled_counts(n_units: int, rng: np.random.Generator, n_resamples: int) -> Floats:
    """Return how often each unit is drawn in each bootstrap sample (Efron 1979).

    Returns: (n_units, n_resamples) float32; every column sums to n_units.
    """
    counts = np.empty((n_units, n_resamples), np.float32)
    for sample in counts.T:
        sample[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
    return counts


def percentile_interval(values: Floats) -> tuple[float, float] | None:
    """Return the middle 95 % of resampled values; samples with an undefined score (NaN) are ignored."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
