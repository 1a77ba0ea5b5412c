"""Codes of a GAN's images: each is a mix of two codes of real images, so that every image has two parents.

    z = s(s((1 - t) z_a + t z_b) + w e),   t ~ U(0, 1),   e ~ N(0, 1),   s(v) = v sqrt(Z) / |v|

z_a and z_b are drawn from a bank: codes of real images, several of each, changed by the safe effects. Where the codes
are of another class than the image is drawn as, variety is borrowed: the common class lends places, sizes and light.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from synth import seeds

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
FEW, FLOOR = 15, 5
"""A class with fewer images than the first is drawn from the codes of others, and lends none; with fewer than the
second it can't be drawn."""
_TINY = 2.0**-54


@dataclass(frozen=True)
class CodeBank:
    """Codes of real images, one class after another."""

    codes: Floats
    """(N, Z), on the sphere of radius sqrt(Z)."""
    owners: Ints
    """(N,): which training image each is of."""
    labels: Ints
    """(N,): the class of that image, ascending."""


@dataclass(frozen=True)
class CodeMix:
    """What the codes of n images are mixed from."""

    first: Ints
    """(n,) rows of the bank."""
    second: Ints
    """(n,) rows of the bank, of the same class as the first."""
    steps: npt.NDArray[np.float64]
    """(n,): t, how far from the first to the second."""
    noise: Floats
    """(n, Z): e."""

    def codes(self, bank: CodeBank, amount: float) -> Floats:
        """The equation at the top of this page, with w = `amount`: (n, Z)."""
        along = self.steps.astype(np.float32)[:, None]
        between = on_sphere((1 - along) * bank.codes[self.first] + along * bank.codes[self.second])
        return on_sphere(between + np.float32(amount) * self.noise)


def draw(bank: CodeBank, sources: Ints, attempts: range, *, seed: int, label: str) -> CodeMix:
    """Draw for each attempt two rows of its source class, the step between them (six digits), and the noise."""
    n_code = bank.codes.shape[1]
    draws = seeds.uniforms(seed, label, stream="codes", attempts=attempts, n_draws=3 + n_code)
    bounds = np.searchsorted(bank.labels, [sources, sources + 1])
    first, second = (bounds[0] + (column * (bounds[1] - bounds[0])).astype(np.intp) for column in draws[:, :2].T)
    return CodeMix(first, second, draws[:, 2].round(6), noise_of(draws[:, 3:]))


def draw_class(
    bank: CodeBank,
    number: int,
    attempts: range,
    *,
    borrow: Sequence[float],
    lenders: Sequence[int],
    seed: int,
    label: str,
) -> CodeMix:
    """What the attempts at images of one class, number and name of it, are mixed from; else as `sources_of`."""
    labels = np.full(len(attempts), number, np.intp)
    sources = sources_of(labels, attempts, borrow=borrow, lenders=lenders, seed=seed, label=label)
    return draw(bank, sources, attempts, seed=seed, label=label)


def noise_of(draws: npt.NDArray[np.float64]) -> Floats:
    """Evenly distributed numbers as normally distributed ones."""
    noise: Floats = ndtri(np.maximum(draws, _TINY)).astype(np.float32)
    return noise


def sources_of(
    labels: Ints, attempts: range, *, borrow: Sequence[float], lenders: Sequence[int], seed: int, label: str
) -> Ints:
    """The class whose codes each attempt is drawn from: its own, or, with its class's probability, another.

    Args:
        labels: (n,) the classes that are drawn.
        borrow: for each class, how probable it is that another lends the codes.
        lenders: classes that lend; a class to which no other lends takes its own.
    """
    draws = seeds.uniforms(seed, label, stream="sources", attempts=attempts, n_draws=2)
    sources = labels.copy()
    for number in np.unique(labels).tolist():
        others = np.array([lender for lender in lenders if lender != number], np.intp)
        mine = (labels == number) & (draws[:, 0] < borrow[number])
        if len(others):
            sources[mine] = others[(draws[mine, 1] * len(others)).astype(np.intp)]
    return sources


def borrowing(codes: Literal["auto", "own", "borrowed"], counts: Sequence[int]) -> tuple[float, ...]:
    """For each class, how probable it is that its images are drawn from codes of others: 0 or 1."""
    return tuple(float(codes == "borrowed" or (codes == "auto" and n < FEW)) for n in counts)


def refusal(number: int, counts: Sequence[int], *, borrows: bool) -> str:
    """Why a class can't be drawn; empty where it can."""
    n = counts[number]
    if n < FLOOR:
        return f"{n} training images are too few: at least {FLOOR} are needed"
    if borrows and not set(lenders_of(counts)) - {number}:
        return f"{n} training images are few, and no other class has {FEW}, so that it could lend variety"
    return ""


def lenders_of(counts: Sequence[int]) -> tuple[int, ...]:
    """Classes with images enough to lend variety, by the numbers of images of all classes."""
    return tuple(number for number, n in enumerate(counts) if n >= FEW)


def on_sphere(codes: Floats) -> Floats:
    """Codes (n, Z) scaled to the norm sqrt(Z)."""
    norms = np.sqrt(np.square(codes).sum(axis=1, keepdims=True))
    scaled: Floats = codes * (np.float32(math.sqrt(codes.shape[1])) / (norms + np.float32(1e-6)))
    return scaled
