"""`mix`: each attempt is made by one of several generators, drawn by their shares from a random stream of its own.

The choice depends on (run seed, class, attempt) alone, and the generator makes what it would have made for that attempt
without the others. A candidate carries the name of its generator, here and in the manifest. All generators take the
originals in the same order, so together they start from each equally often.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synth import seeds
from synth.generators.base import WITH_BUNDLE, Context, Generator, ranges_of
from synth.records import Candidate, Item

PORTION = 32
"""Attempts that a network gets in one batch."""


class MixGenerator(Generator):
    """Passes each attempt to the generator that is drawn for it."""

    def __init__(self, context: Context, inner: Mapping[str, Generator]) -> None:
        """Take {method: its opened generator}, one for each share of the recipe."""
        self._seed, self._inner = context.recipe.seed, inner
        self._parts = context.recipe.mix.parts
        self._in_batches = tuple(WITH_BUNDLE) if context.recipe.bundle else ()
        known = [(method, part, inner[method].digest) for method, part in self._parts.items()]
        self.digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()

    def check(self, label: str) -> None:
        """Refuse a class that one of the generators can't make images of."""
        for generator in self._inner.values():
            generator.check(label)

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield the candidate of each attempt, from the generator drawn for it."""
        picks = self._picks(label, attempts)
        made = {
            method: self._made(label, method, [a for a, pick in zip(attempts, picks, strict=True) if pick == method])
            for method in set(picks)
        }
        return (next(made[method]) for method in picks)

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Whether the generator drawn for the attempt reads its parents."""
        return self._drawn(label, attempt).reads_parents(label, attempt)

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Make a recorded candidate again with the generator drawn for it."""
        return self._drawn(label, attempt).remake(label, attempt, parents=parents, params=params)

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """Interpolate with the generator drawn for the attempt; empty if it does not interpolate."""
        return self._drawn(label, attempt).walk(label, attempt, n=n)

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """Return the shares, and the remarks of each generator."""
        wanted = list(labels)
        shares = ", ".join(f"{100 * part:.3g} % {method}" for method, part in self._parts.items())
        return [f"mix: {shares}", *(line for generator in self._inner.values() for line in generator.remarks(wanted))]

    def _picks(self, label: str, attempts: range) -> list[str]:
        """Draw the method of each attempt."""
        draws = seeds.uniforms(self._seed, label, stream="mix", attempts=attempts, n_draws=1)[:, 0]
        methods, bounds = list(self._parts), np.cumsum(list(self._parts.values()))[:-1]
        return [methods[index] for index in np.searchsorted(bounds, draws, side="right").tolist()]

    def _drawn(self, label: str, attempt: int) -> Generator:
        return self._inner[self._picks(label, range(attempt, attempt + 1))[0]]

    def _made(self, label: str, method: str, wanted: Sequence[int]) -> Iterator[Candidate]:
        """Yield the candidates of one method.

        A network's batch is padded anyway, so the attempts between the wanted ones are made too. The alternative is
        many batches with a few wanted attempts each.
        """
        asked = set(wanted)
        for attempts in ranges_of(wanted, gap=PORTION if method in self._in_batches else 1, size=PORTION):
            yield from (each for each in self._inner[method].make(label, attempts) if each.attempt in asked)
