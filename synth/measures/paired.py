"""How sure a difference is that was measured on several splits of the same images.

The training parts of the splits overlap, so their differences resemble each other more than independent ones would: the
plain paired t-test calls chance a result far too often. The corrected resampled t-test (Nadeau and Bengio 2003,
"Inference for the generalization error") takes (1/n + n_test / n_train) s^2 for the variance of the mean, not s^2 / n.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

POWER = 0.8
"""How often a difference as large as `detectable` would be seen."""
MIN_EQUAL = 3
"""So many splits with exactly the same difference are no chance; two may be."""
_ROUNDING = 1e-12  # of the largest value: spread below is rounding


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences; None where nothing is known."""

    n: int
    """Splits."""
    mean: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    """Two-sided; of this difference alone."""
    detectable: float | None = None
    """The smallest true difference that would be seen with probability .8; None without a spread to tell it from."""


def difference(values: Sequence[float], *, ratio: float, alpha: float = 0.05, n_tests: int = 1) -> Difference:
    """Test the differences of n splits against 0.

    Fewer than two: no noise is known, so there is the mean alone. All equal: nothing happened (p 1) where they are 0;
    else p is 0 with at least three of them, and unknown with two.

    Args:
        values: one finite difference for each split.
        ratio: n_test / n_train of a split.
        n_tests: how many differences are tested together. `detectable` is what stands out among them (Holm's strictest
            step, alpha / n_tests); interval and p are those of one difference alone.
    """
    n = len(values)
    if n < 2:
        return Difference(n, values[0] if n else None)
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    if spread <= _ROUNDING * max(map(abs, values)):
        return _without_spread(n, values[0])
    error = spread * math.sqrt(1 / n + ratio)
    half = _quantile(1 - alpha / 2, n - 1) * error
    seen = _quantile(1 - alpha / (2 * max(n_tests, 1)), n - 1) + _quantile(POWER, n - 1)
    return Difference(n, mean, (mean - half, mean + half), _two_sided(mean / error, n - 1), seen * error)


def _without_spread(n: int, value: float) -> Difference:
    if value == 0:
        return Difference(n, 0.0, (0.0, 0.0), 1.0)
    return Difference(n, value, (value, value), 0.0) if n >= MIN_EQUAL else Difference(n, value)


def _quantile(share: float, freedom: int) -> float:
    """Of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def _two_sided(t: float, freedom: int) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(t)))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjust the p values of one family (Holm 1979); an unknown one stays unknown and does not count."""
    known = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min((len(known) - rank) * p, 1.0))
        adjusted[index] = highest
    return adjusted
