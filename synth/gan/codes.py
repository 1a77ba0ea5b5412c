"""The codes that a GAN's images are drawn from. Each is a mix of two codes of real images, the parents of the image.

    z = s(s((1 - t) z_a + t z_b) + w e),   t ~ U(0, 1),   e ~ N(0, 1),   s(v) = v sqrt(Z) / |v|

z_a and z_b come from a bank: codes of real images, several of each, changed by the safe effects. A rare class borrows
variety: its images are drawn from codes of common classes, which bring more places, sizes and light.
"""

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
"""A class with fewer images than the first is drawn from codes of other classes and lends none. A class with fewer
images than the second can't be drawn."""
_TINY = 2.0**-54


@dataclass(frozen=True)
class CodeBank:
    """Codes of real images, sorted by class."""

    codes: Floats
    """(N, Z), on the sphere of radius sqrt(Z)."""
    owners: Ints
    """(N,): the index of the training image of each code."""
    labels: Ints
    """(N,): the class number of that image, ascending."""


@dataclass(frozen=True)
class CodeMix:
    """The parts that n codes are mixed from."""

    first: Ints
    """(n,) rows of the bank."""
    second: Ints
    """(n,) rows of the bank, of the same class as the first."""
    steps: npt.NDArray[np.float64]
    """(n,): t, from 0 (the first code) to 1 (the second)."""
    noise: Floats
    """(n, Z): e."""

    def codes(self, bank: CodeBank, amount: float) -> Floats:
        """Return the codes (n, Z) by the equation at the top of this file, with w = `amount`."""
        along = self.steps.astype(np.float32)[:, None]
        between = on_sphere((1 - along) * bank.codes[self.first] + along * bank.codes[self.second])
        return on_sphere(between + np.float32(amount) * self.noise)


def draw_mix(
    bank: CodeBank,
    labels: Ints,
    attempts: range,
    *,
    borrow: Sequence[float],
    lenders: Sequence[int],
    seed: int,
    label: str,
) -> CodeMix:
    """Draw a mix for each attempt: the class that the codes come from as in `sources_of`, then as in `draw`."""
    sources = sources_of(labels, attempts, borrow=borrow, lenders=lenders, seed=seed, label=label)
    return draw(bank, sources, attempts, seed=seed, label=label)


def draw(bank: CodeBank, sources: Ints, attempts: range, *, seed: int, label: str) -> CodeMix:
    """Draw for each attempt two rows of its source class, the step between them (six digits), and the noise."""
    n_code = bank.codes.shape[1]
    draws = seeds.uniforms(seed, label, stream="codes", attempts=attempts, n_draws=3 + n_code)
    bounds = np.searchsorted(bank.labels, [sources, sources + 1])
    first, second = (bounds[0] + (column * (bounds[1] - bounds[0])).astype(np.intp) for column in draws[:, :2].T)
    return CodeMix(first, second, draws[:, 2].round(6), noise_of(draws[:, 3:]))


def noise_of(draws: npt.NDArray[np.float64]) -> Floats:
    """Turn uniformly distributed numbers into normally distributed ones."""
    noise: Floats = ndtri(np.maximum(draws, _TINY)).astype(np.float32)
    return noise


def sources_of(
    labels: Ints, attempts: range, *, borrow: Sequence[float], lenders: Sequence[int], seed: int, label: str
) -> Ints:
    """Draw the class that each attempt takes its codes from: its own, or with the probability of its class another.

    Args:
        labels: (n,) class number of each attempt's image.
        borrow: for each class, the probability that another class lends the codes.
        lenders: classes that lend; a class keeps its own codes if no other class lends.
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
    """Return for each class the probability that its images are drawn from codes of other classes: 0 or 1."""
    return tuple(float(codes == "borrowed" or (codes == "auto" and n < FEW)) for n in counts)


def refusal(number: int, counts: Sequence[int], *, borrows: bool) -> str:
    """Return why a class can't be drawn; empty if it can."""
    n = counts[number]
    if n < FLOOR:
        return f"{n} training images are too few: at least {FLOOR} are needed"
    if borrows and not set(lenders_of(counts)) - {number}:
        return f"{n} training images are few, and no other class has {FEW} to lend it variety"
    return ""


def lenders_of(counts: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of the classes with enough images to lend variety."""
    return tuple(number for number, n in enumerate(counts) if n >= FEW)


def on_sphere(codes: Floats) -> Floats:
    """Scale codes (n, Z) to the norm sqrt(Z)."""
    norms = np.sqrt(np.square(codes).sum(axis=1, keepdims=True))
    scaled: Floats = codes * (np.float32(math.sqrt(codes.shape[1])) / (norms + np.float32(1e-6)))
    return scaled
