"""Differences between splits: against scipy, by hand, and by how often chance is called a result."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from synth.measures.paired import Difference, difference, holm

VALUES = [0.012, -0.004, 0.021, 0.008, 0.015]


def test_without_overlap_it_is_the_paired_t_test() -> None:
    found, expected = difference(VALUES, ratio=0.0), stats.ttest_1samp(VALUES, 0.0)
    assert found.mean == pytest.approx(np.mean(VALUES))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_overlap_widens_as_nadeau_and_bengio_say() -> None:
    found = difference(VALUES, ratio=0.25)
    error = math.sqrt((1 / 5 + 0.25) * np.var(VALUES, ddof=1))
    half = stats.t.ppf(0.975, 4) * error
    assert found.interval == pytest.approx((np.mean(VALUES) - half, np.mean(VALUES) + half))
    assert found.p == pytest.approx(2 * stats.t.sf(np.mean(VALUES) / error, 4))
    assert found.detectable == pytest.approx((stats.t.ppf(0.975, 4) + stats.t.ppf(0.8, 4)) * error)


def test_numbers_worked_by_hand() -> None:
    # mean .02, s .01, standard error .01 sqrt(1/3 + 1/2) = .009129; t with 2 degrees of freedom is 4.3027 and 1.0607.
    found = difference([0.01, 0.02, 0.03], ratio=0.5)
    assert found.interval == pytest.approx((0.02 - 0.03928, 0.02 + 0.03928), abs=1e-5)
    assert found.p == pytest.approx(0.1598, abs=1e-4)
    assert found.detectable == pytest.approx(0.04896, abs=1e-5)


def test_among_several_tests_a_difference_has_to_be_larger_to_be_seen_and_nothing_else_changes() -> None:
    alone, among = difference(VALUES, ratio=0.25), difference(VALUES, ratio=0.25, n_tests=5)
    assert (alone.interval, alone.p) == (among.interval, among.p)
    error = math.sqrt((1 / 5 + 0.25) * np.var(VALUES, ddof=1))
    assert among.detectable == pytest.approx((stats.t.ppf(0.995, 4) + stats.t.ppf(0.8, 4)) * error)


def test_what_is_detectable_is_seen_four_times_in_five() -> None:
    # By the non-central t, of independent splits whose spread is as found.
    values = [-1.0, 0.0, 1.0, 0.0, 1.0, -1.0, 0.5, -0.5]
    wanted, spread = difference(values, ratio=0.0).detectable, np.std(values, ddof=1)
    assert wanted is not None
    seen = stats.nct.sf(stats.t.ppf(0.975, 7), 7, wanted / (spread / math.sqrt(8)))
    assert seen == pytest.approx(0.8, abs=0.03)


def test_chance_is_called_a_result_about_as_often_as_alpha_says() -> None:
    # Splits share some of their noise: the paper takes n_test / (n_test + n_train) for their correlation.
    rng, correlation = np.random.default_rng(0), 0.2
    shared = rng.normal(size=(2000, 1)) * math.sqrt(correlation)
    values = shared + rng.normal(size=(2000, 5)) * math.sqrt(1 - correlation)
    corrected = [difference(list(row), ratio=0.25).p for row in values]
    plain = [difference(list(row), ratio=0.0).p for row in values]
    assert 0.03 < np.mean([p is not None and p < 0.05 for p in corrected]) < 0.07
    assert np.mean([p is not None and p < 0.05 for p in plain]) > 0.1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Difference(0)),
        ([0.1], Difference(1, 0.1)),
        ([0.0, 0.0], Difference(2, 0.0, (0.0, 0.0), 1.0)),
        ([0.1, 0.1], Difference(2, 0.1)),
        ([0.1, 0.1, 0.1], Difference(3, 0.1, (0.1, 0.1), 0.0)),
        ([0.3, 0.1 + 0.2, 0.3], Difference(3, 0.3, (0.3, 0.3), 0.0)),
    ],
)
def test_too_few_splits_or_no_spread(values: list[float], expected: Difference) -> None:
    assert difference(values, ratio=0.25) == expected


def test_holm_by_hand() -> None:
    # Sorted .005, .01, .03, .04, times 4, 3, 2, 1, and never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_an_unknown_p_stays_unknown_and_does_not_count() -> None:
    adjusted = holm([None, 0.01, None, 0.04])
    assert adjusted == [None, pytest.approx(0.02), None, pytest.approx(0.04)]
