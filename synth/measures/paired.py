"""Tests of differences that are measured on several splits of the same images.

The training parts of the splits overlap, so their differences are correlated, and the plain paired t-test finds far too
many false differences. The corrected resampled t-test (Nadeau and Bengio 2003, "Inference for the generalization
error") uses (1/n + n_test / n_train) s^2 as the variance of the mean instead of s^2 / n.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit  # the distribution of Student's t, and its quantiles

from synth.records import ShortRepr

POWER = 0.8
"""Probability that a true difference as large as `detectable` is found."""
MIN_EQUAL = 3
"""This many splits with exactly the same difference are not chance; two may be."""
_ROUNDING = 1e-12  # a standard deviation below this fraction of the largest value is rounding


@dataclass(frozen=True, repr=False)
class Difference(ShortRepr):
    """The mean of paired differences; None if unknown."""

    n: int
    """Number of splits."""
    mean: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    """Two-sided p value of this difference alone."""
    detectable: float | None = None
    """The smallest true difference that is found with probability .8; None if the differences do not vary."""


def difference(values: Sequence[float], *, ratio: float, alpha: float = 0.05, n_tests: int = 1) -> Difference:
    """Test the differences of n splits against 0.

    With fewer than two splits only the mean is known. If all differences are 0, p is 1. If they are equal but not 0, p
    is 0 for three splits or more, and unknown for two.

    Args:
        values: one finite difference for each split.
        ratio: n_test / n_train of a split.
        n_tests: number of differences that are tested together, for `detectable` (Holm's strictest step, alpha /
            n_tests); interval and p are those of one difference alone.
    """
    n = len(values)
    if n < 2:
        return Difference(n, values[0] if n else None)
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    if spread <= _ROUNDING * max(map(abs, values)):
        if values[0] == 0:
            return Difference(n, 0.0, (0.0, 0.0), 1.0)
        return Difference(n, values[0], (values[0], values[0]), 0.0) if n >= MIN_EQUAL else Difference(n, values[0])
    error = spread * math.sqrt(1 / n + ratio)
    half = float(stdtrit(n - 1, 1 - alpha / 2)) * error
    detectable = float(stdtrit(n - 1, 1 - alpha / (2 * max(n_tests, 1))) + stdtrit(n - 1, POWER)) * error
    return Difference(n, mean, (mean - half, mean + half), float(2 * stdtr(n - 1, -abs(mean / error))), detectable)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjust the p values of one family (Holm 1979); unknown ones (None) stay unknown and do not count."""
    known = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min((len(known) - rank) * p, 1.0))
        adjusted[index] = highest
    return adjusted
