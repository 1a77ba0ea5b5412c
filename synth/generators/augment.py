"""`augment`: one original, changed by the effects of its class's policy."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synth.data.originals import Originals
from synth.effects.parameters import Params
from synth.effects.policy import Policy, mapped_flips, mirror_classes, with_hidden
from synth.generators.base import Context, Generator, ParentOrder
from synth.records import Candidate, Item

PORTION_PIXELS = 250_000  # pixels in work together: more would not stay in the processor's caches

Source = tuple[Item, Params]
"""An original, and the flips that it needs to show the class: {flip: {}}."""


class AugmentGenerator(Generator):
    """Draws the parameters of a whole chunk, then applies them image by image."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._settings = context.recipe.augment
        self._originals = Originals(context.recipe.data)
        self._policies: dict[str, Policy] = {}
        for label in context.train:  # a wrong transform is reported before any work
            self._policy(label)
        self._pools: dict[str, tuple[list[Source], ParentOrder]] = {}

    def parent_order(self, label: str) -> ParentOrder:
        """Return the order in which the attempts of a class take its originals."""
        return self._pool(label, self._policy(label))[1]

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield one changed original for each attempt."""
        policy = self._policy(label)
        pool, order = self._pool(label, policy)
        sources = [pool[order.pick(attempt)] for attempt in attempts]
        drawn = policy.draw(attempts, leave_out=mapped_flips(self._settings, label))
        params = [{**values, **flips} for values, (_, flips) in zip(drawn, sources, strict=True)]
        items = [item for item, _ in sources]
        for start, stop in _portions(items):
            yield from self._apply(policy, items[start:stop], params[start:stop], attempts=attempts[start:stop])

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Apply the recorded parameters to the recorded parent."""
        return next(self._apply(self._policy(label), parents, [params], attempts=range(attempt, attempt + 1)))

    def _apply(
        self, policy: Policy, items: Sequence[Item], params: Sequence[Params], *, attempts: range
    ) -> Iterator[Candidate]:
        results = policy.apply([self._originals.pixels(item) for item in items], params, attempts=attempts)
        for pixels, attempt, item, drawn in zip(results, attempts, items, params, strict=True):
            alpha = self._originals.alpha(item)
            if alpha is not None:
                layers = [alpha, self._originals.pixels(item)]
                alpha, hidden = policy.move(layers, [drawn] * 2, attempts=[attempt] * 2)
                pixels = with_hidden(pixels, hidden, alpha)
            yield Candidate(
                pixels, policy.label, "augment", attempt, (item,), drawn, from_parent_pixels=True, alpha=alpha
            )

    def _policy(self, label: str) -> Policy:
        if label not in self._policies:
            self._policies[label] = Policy(self._settings, label, seed=self._context.recipe.seed)
        return self._policies[label]

    def _pool(self, label: str, policy: Policy) -> tuple[list[Source], ParentOrder]:
        """Return the originals that a class starts from, those of its mirror classes included, and their order."""
        if label not in self._pools:
            pool: list[Source] = [(item, {}) for item in self._context.train[label]]
            for flip in mapped_flips(self._settings, label):
                if flip in policy.effects:
                    mirrored = self._context.train.get(mirror_classes(self._settings, flip)[label], ())
                    pool += [(item, {flip: {}}) for item in mirrored]
            self._pools[label] = pool, self._context.parent_order(label, [item for item, _ in pool])
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
