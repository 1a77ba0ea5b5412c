"""`mix`: each attempt is made by one of several generators, drawn by their shares from a random stream of its own.

The choice depends on (run seed, class, attempt) alone, and the generator makes what it would have made for that attempt
without the others. A candidate carries the name of its generator, here and in the manifest. Together, the generators
that start from an original start equally often from each one that all of them know. A GAN and custom generators start
from none.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from synth import seeds
from synth.generators.base import Context, FirstParents, Generator
from synth.records import Candidate, Item
from synth.settings.recipe import Recipe

BLOCK = 256
"""Attempts that are drawn together, which is faster."""


class Draw:
    """The generator of each attempt."""

    def __init__(self, recipe: Recipe) -> None:
        self._seed, self._parts = recipe.seed, recipe.mix.parts
        self._bounds = np.cumsum(list(self._parts.values()))[:-1]
        self._known: dict[tuple[str, int], list[str]] = {}

    def method(self, label: str, attempt: int) -> str:
        """Return the method that makes an attempt of a class."""
        block = attempt // BLOCK
        if (label, block) not in self._known:
            attempts, methods = range(block * BLOCK, (block + 1) * BLOCK), list(self._parts)
            draws = seeds.uniforms(self._seed, label, stream="mix", attempts=attempts, n_draws=1)[:, 0]
            places = np.searchsorted(self._bounds, draws, side="right").tolist()
            self._known[label, block] = [methods[place] for place in places]
        return self._known[label, block][attempt % BLOCK]


class MixParents:
    """Which original each attempt of a class starts from, whichever generator makes it."""

    def __init__(self, label: str, draw: Draw, orders: Mapping[str, FirstParents | None]) -> None:
        """Args: orders: {method: which original each of its attempts starts from; None if it starts from none}.

        Generators may know other originals: `smote` leaves copies out. The even use is that of those that all know.
        """
        self._label, self._draw, self._orders = label, draw, orders
        dealt = [order for order in orders.values() if order]
        shared = set(dealt[0].ids).intersection(*(order.ids for order in dealt))
        known = {id: n for order in dealt for id, n in zip(order.ids, order.used, strict=True) if id in shared}
        self.ids, self.used = tuple(known), tuple(known.values())
        self.every = all(orders.values()) and all(len(order.ids) == len(shared) for order in dealt)
        self._places = {id: place for place, id in enumerate(known)}

    def pick(self, attempt: int) -> int | None:
        """Return the index of an attempt's original; None if it starts from none that all generators know."""
        order = self._orders[self._draw.method(self._label, attempt)]
        place = None if order is None else order.pick(attempt)
        return None if order is None or place is None else self._places.get(order.ids[place])


class MixGenerator(Generator):
    """Passes each attempt to the generator that is drawn for it."""

    def __init__(self, context: Context, inner: Mapping[str, Generator]) -> None:
        """Take {method: its opened generator}, one for each share of the recipe."""
        self._draw, self._inner = Draw(context.recipe), inner
        self._parts = context.recipe.mix.parts
        known = [(method, part, inner[method].digest) for method, part in self._parts.items()]
        self.digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()

    def check(self, label: str) -> None:
        """Refuse a class that one of the generators can't make images of."""
        for generator in self._inner.values():
            generator.check(label)

    def parent_order(self, label: str) -> FirstParents | None:
        """Return which original each attempt of a class starts from; None if no generator deals them evenly."""
        orders = {method: generator.parent_order(label) for method, generator in self._inner.items()}
        return MixParents(label, self._draw, orders) if any(orders.values()) else None

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield the candidate of each attempt, from the generator drawn for it."""
        return self.make_chosen(label, attempts)

    def make_chosen(self, label: str, chosen: Sequence[int]) -> Iterator[Candidate]:
        """Yield the candidates of chosen attempts, each from the generator drawn for it."""
        picks, attempts = [self._draw.method(label, attempt) for attempt in chosen], np.array(chosen)
        made = {
            method: self._inner[method].make_chosen(label, attempts[np.array(picks) == method].tolist())
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

    def _drawn(self, label: str, attempt: int) -> Generator:
        return self._inner[self._draw.method(label, attempt)]
