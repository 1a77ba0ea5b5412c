"""Codes that a GAN's images are mixed from: of two real images of a class, the same wherever an attempt is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from synth import seeds
from synth.gan.codes import (
    FEW,
    FLOOR,
    CodeBank,
    CodeMix,
    Ints,
    borrowing,
    draw,
    lenders_of,
    noise_of,
    on_sphere,
    refusal,
    sources_of,
)

SIZES = {0: 12, 2: 5, 3: 40}
"""Rows of each class in the bank; class 1 has none."""
MANY = range(6000)


def build_bank(n_code: int) -> CodeBank:
    labels = np.repeat(list(SIZES), list(SIZES.values()))
    codes = on_sphere(np.random.default_rng(2).standard_normal((len(labels), n_code), np.float32))
    return CodeBank(codes, np.arange(len(labels)) // 2, labels)


def classes(n: int) -> Ints:
    return np.array(list(SIZES))[np.arange(n) % len(SIZES)]


def drawn_of(bank: CodeBank, sources: Ints, attempts: range, *, seed: int = 3, label: str = "red") -> CodeMix:
    return draw(bank, sources, attempts, seed=seed, label=label)


def fields(drawn: CodeMix) -> list[np.ndarray]:
    return [drawn.first, drawn.second, drawn.steps, drawn.noise]


@pytest.mark.parametrize("amount", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("n_code", [2, 64])
def test_codes_lie_on_the_sphere(n_code: int, amount: float) -> None:
    bank = build_bank(n_code)
    codes = drawn_of(bank, classes(300), range(300)).codes(bank, amount)
    assert (codes.shape, codes.dtype) == ((300, n_code), np.float32)
    assert np.linalg.norm(codes, axis=1) == pytest.approx(math.sqrt(n_code), rel=1e-4)


def test_the_sphere_keeps_directions_and_survives_nothing() -> None:
    points = np.array([[3.0, 4.0], [-0.3, -0.4], [0.0, 0.0]], np.float32)
    root = math.sqrt(2)
    assert on_sphere(points) == pytest.approx(np.array([[0.6, 0.8], [-0.6, -0.8], [0, 0]]) * root, rel=1e-4)


@pytest.mark.parametrize("n_code", [2, 5, 8])
def test_an_attempt_does_not_depend_on_what_is_drawn_with_it(n_code: int) -> None:
    bank, sources = build_bank(n_code), classes(50)
    whole = drawn_of(bank, sources, range(50))
    codes = whole.codes(bank, 0.3)
    chunks = [range(30, 50), range(17), range(17, 30)]  # any order
    for attempts in [*chunks, *(range(i, i + 1) for i in (49, 0, 17))]:
        part = drawn_of(bank, sources[attempts], attempts)
        for alone, together in zip(fields(part), fields(whole), strict=True):
            assert np.array_equal(alone, together[attempts])
        assert np.array_equal(part.codes(bank, 0.3), codes[attempts])


def test_both_rows_are_of_the_source_class_and_every_row_is_drawn() -> None:
    bank, sources = build_bank(4), classes(len(MANY))
    drawn = drawn_of(bank, sources, MANY)
    for rows in (drawn.first, drawn.second):
        assert np.array_equal(bank.labels[rows], sources)
        for label, size in SIZES.items():
            counts = np.bincount(rows[sources == label], minlength=len(bank.labels))[bank.labels == label]
            assert stats.chisquare(counts).pvalue > 1e-3, (label, size)
    pairs = np.column_stack([drawn.first, drawn.second])[sources == 2]
    assert len(np.unique(pairs, axis=0)) == SIZES[2] ** 2


def test_steps_are_even_and_noise_is_normal() -> None:
    drawn = drawn_of(build_bank(6), classes(len(MANY)), MANY)
    assert drawn.steps.round(6).tolist() == drawn.steps.tolist()
    assert stats.kstest(drawn.steps, "uniform").pvalue > 1e-3
    assert stats.kstest(drawn.noise.reshape(-1), "norm").pvalue > 1e-3
    tied = np.corrcoef(np.column_stack([drawn.steps, drawn.noise, drawn.first, drawn.second]).T)
    independent = tied[:7, :7][~np.eye(7, dtype=bool)]
    assert np.abs(independent).max() < 5 / math.sqrt(len(MANY))
    of_one = drawn_of(build_bank(6), np.full(len(MANY), 3), MANY)
    assert abs(np.corrcoef(of_one.first, of_one.second)[0, 1]) < 5 / math.sqrt(len(MANY))


def test_noise_is_finite_at_both_ends() -> None:
    ends = noise_of(np.array([[0.0, 2.0**-53, 0.5, 1 - 2.0**-53]]))
    assert np.isfinite(ends).all()
    assert (ends[0, 0] < ends[0, 1] < -8, ends[0, 2], ends[0, 3] > 8) == (True, 0, True)


@pytest.mark.parametrize("attempt", [0, 41])
def test_the_equation_by_hand(attempt: int) -> None:
    bank, sources = build_bank(5), classes(42)
    codes = drawn_of(bank, sources, range(42)).codes(bank, 0.3)[attempt]
    u = seeds.uniforms(3, "red", stream="codes", attempts=range(attempt, attempt + 1), n_draws=8)[0].tolist()
    rows = np.flatnonzero(bank.labels == sources[attempt])
    z_a, z_b = (bank.codes[rows[int(share * len(rows))]].astype(np.float64) for share in u[:2])
    t, e = round(u[2], 6), np.array([NormalDist().inv_cdf(share) for share in u[3:]])

    def s(v: np.ndarray) -> np.ndarray:
        return v * math.sqrt(5) / math.sqrt(float(v @ v))

    assert codes == pytest.approx(s(s((1 - t) * z_a + t * z_b) + 0.3 * e), abs=1e-5)


def test_the_ends_of_a_step_are_the_two_codes() -> None:
    bank = build_bank(8)
    drawn = CodeMix(np.array([0, 0]), np.array([5, 5]), np.array([0.0, 1.0]), np.ones((2, 8), np.float32))
    assert drawn.codes(bank, 0.0) == pytest.approx(bank.codes[[0, 5]], abs=1e-5)


def test_seeds_labels_and_attempts_differ() -> None:
    bank, sources = build_bank(4), classes(30)
    base = drawn_of(bank, sources, range(30)).codes(bank, 0.3)
    others = [
        drawn_of(bank, sources, range(30), seed=4),
        drawn_of(bank, sources, range(30), label="green"),
        drawn_of(bank, sources, range(30, 60)),
    ]
    assert all((np.abs(other.codes(bank, 0.3) - base).max(axis=1) > 1e-3).all() for other in others)


class TestBorrowing:
    """Which class lends its codes."""

    borrow = (0.2, 0.9, 1.0, 0.0)

    def sources(
        self, labels: Ints, attempts: range, *, lenders: Sequence[int] = (0, 3), seed: int = 1, label: str = "gan"
    ) -> Ints:
        return sources_of(labels, attempts, borrow=self.borrow, lenders=lenders, seed=seed, label=label)

    def test_as_often_as_asked_and_never_of_itself(self) -> None:
        labels = np.arange(4 * len(MANY)) % 4
        before = labels.copy()
        sources = self.sources(labels, range(len(labels)))
        assert np.array_equal(labels, before)
        for number, asked in enumerate(self.borrow):
            mine = sources[labels == number]
            lent = mine != number
            assert lent.mean() == pytest.approx(asked, abs=5 * math.sqrt(asked * (1 - asked) / len(mine)))
            assert set(mine[lent].tolist()) == ({0, 3} - {number} if asked else set())
            if number in (1, 2):  # two lend, evenly
                assert (mine[lent] == 3).mean() == pytest.approx(0.5, abs=2.5 / math.sqrt(lent.sum()))

    @pytest.mark.parametrize("lenders", [(), (2,)])
    def test_its_own_where_nobody_lends(self, lenders: tuple[int, ...]) -> None:
        labels = np.full(50, 2)
        assert np.array_equal(self.sources(labels, range(50), lenders=lenders), labels)

    def test_an_attempt_does_not_depend_on_what_is_drawn_with_it(self) -> None:
        labels = np.random.default_rng(0).integers(0, 4, 60)
        whole = self.sources(labels, range(60))
        for attempts in (range(41, 60), range(41), range(7, 8)):
            assert np.array_equal(self.sources(labels[attempts], attempts), whole[attempts])

    def test_seeds_and_labels_differ(self) -> None:
        labels = np.full(200, 1)
        base = self.sources(labels, range(200))
        assert not np.array_equal(self.sources(labels, range(200), seed=2), base)
        assert not np.array_equal(self.sources(labels, range(200), label="red"), base)

    def test_who_lends_says_nothing_about_which_codes(self) -> None:
        labels = np.full(len(MANY), 0)
        bank = CodeBank(on_sphere(np.ones((200, 2), np.float32)), np.arange(200), np.repeat([0, 3], 100))
        sources = self.sources(labels, MANY, label="red")
        places = draw(bank, sources, MANY, seed=1, label="red").first % 100
        own, lent = places[sources == 0], places[sources == 3]
        assert stats.ks_2samp(own, lent).pvalue > 1e-3

    @pytest.mark.parametrize(
        ("codes", "expected"), [("auto", (0, 1, 0, 1)), ("own", (0, 0, 0, 0)), ("borrowed", (1, 1, 1, 1))]
    )
    def test_few_images_borrow(self, codes: str, expected: tuple[int, ...]) -> None:
        assert borrowing(codes, (200, FEW - 1, FEW, 0)) == expected  # type: ignore[arg-type]

    def test_many_images_lend(self) -> None:
        assert lenders_of((200, FEW - 1, FEW, 0)) == (0, 2)
        assert lenders_of((FEW - 1, 0)) == ()

    @pytest.mark.parametrize(
        ("counts", "borrows", "words"),
        [
            ((FLOOR - 1, 200), False, "at least 5 are needed"),
            ((FLOOR - 1, 200), True, "4 training images are too few"),
            ((0, 200), True, "0 training images are too few"),
            ((FLOOR, FEW - 1), True, "no other class has 15"),
            ((200, FEW - 1), True, "no other class has 15"),  # its own images do not count as lent
            ((FLOOR, FEW), True, ""),
            ((FLOOR, 1), False, ""),
            ((200, 1), False, ""),
        ],
    )
    def test_what_cannot_be_drawn_is_told_why(self, counts: tuple[int, ...], borrows: bool, words: str) -> None:
        told = refusal(0, counts, borrows=borrows)
        assert words in told
        assert bool(told) == bool(words)
