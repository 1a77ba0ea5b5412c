"""`augment`: one original, changed by the effects of its class's policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from synth.data.originals import Originals
from synth.effects.parameters import Params
from synth.effects.policy import FLIPS, Policy
from synth.generators.base import Context
from synth.generators.parent_order import ParentOrder
from synth.records import Candidate, Item
from synth.settings.recipe import Augment

PORTION_PIXELS = 250_000  # that many are in work together: more would not stay in the processor's caches

Source = tuple[Item, tuple[str, ...]]
"""An original, and the flips that it must take to show the class asked for."""


class AugmentGenerator:
    """Draws a chunk's parameters at once, then applies them image by image."""

    digest = ""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.recipe.augment
        self._originals = Originals(context.recipe.data)
        self._policies: dict[str, Policy] = {}
        for label in context.train:  # a wrong transform shows itself before any work
            self._policy(label)
        self._pools: dict[str, tuple[list[Source], ParentOrder]] = {}

    def check(self, label: str) -> None:
        """Any class will do."""

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """One changed original for each attempt."""
        policy = self._policy(label)
        first = self._context.first_attempt.get(label, 0)
        pool, deal = self._pool(label, policy)
        originals = [pool[deal.pick(attempt - first)] for attempt in attempts]
        drawn = policy.draw(attempts, leave_out=mapped_flips(self._settings, label))
        params = [_with_flips(values, flips) for values, (_, flips) in zip(drawn, originals, strict=True)]
        items = [item for item, _ in originals]
        for start, stop in _portions(items):
            yield from self._apply(policy, items[start:stop], params[start:stop], attempts=attempts[start:stop])

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Those of every attempt."""
        return True

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """The recorded parameters on the recorded parent."""
        return next(self._apply(self._policy(label), parents, [params], attempts=range(attempt, attempt + 1)))

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """Nothing that the policy test does not say."""
        return []

    def _apply(
        self, policy: Policy, items: Sequence[Item], params: Sequence[Params], *, attempts: range
    ) -> Iterator[Candidate]:
        results = policy.apply([self._originals.pixels(item) for item in items], params, attempts=attempts)
        for pixels, attempt, item, drawn in zip(results, attempts, items, params, strict=True):
            yield Candidate(pixels, policy.label, "augment", attempt, (item,), drawn, from_parent_pixels=True)

    def _policy(self, label: str) -> Policy:
        if label not in self._policies:
            self._policies[label] = Policy(self._settings, label, seed=self._context.recipe.seed)
        return self._policies[label]

    def _pool(self, label: str, policy: Policy) -> tuple[list[Source], ParentOrder]:
        if label not in self._pools:
            pool: list[Source] = [(item, ()) for item in self._context.train[label]]
            for flip in FLIPS:
                partner = partners(self._settings, flip).get(label)
                if partner is not None and partner != label and flip in policy.effects:
                    pool += [(item, (flip,)) for item in self._context.train.get(partner, ())]
            used = self._context.used.get(label, {})
            counts = [used.get(item.id, 0) for item, _ in pool]
            self._pools[label] = pool, ParentOrder(counts, seed=self._context.recipe.seed, label=label)
        return self._pools[label]


def _portions(items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """Cut a chunk into portions of about `PORTION_PIXELS`."""
    start, n_pixels = 0, 0
    for index, item in enumerate(items):
        if index > start and n_pixels + item.width * item.height > PORTION_PIXELS:
            yield start, index
            start, n_pixels = index, 0
        n_pixels += item.width * item.height
    if items:
        yield start, len(items)


def partners(settings: Augment, flip: str) -> Mapping[str, str]:
    """The label map of a flip, both ways: a mirrored "left" is a "right", and a mirrored "right" a "left"."""
    given = {key: value for name, pairs in settings.label_map.items() if name == flip for key, value in pairs.items()}
    return {**{value: key for key, value in given.items()}, **given}


def mapped_flips(settings: Augment, label: str) -> list[str]:
    """Flips that would turn an image of the class into one of another."""
    return [flip for flip in FLIPS if partners(settings, flip).get(label, label) != label]


def _with_flips(drawn: Params, flips: tuple[str, ...]) -> Params:
    return {**drawn, **{flip: {} for flip in flips}} if flips else drawn
