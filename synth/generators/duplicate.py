"""`duplicate`: exact copies of the originals, byte for byte. It is the control that every other method has to beat."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synth.data.originals import Originals, read_file
from synth.generators.base import Context, Generator, ParentOrder
from synth.records import Candidate, Item


class DuplicateGenerator(Generator):
    """Copies each original equally often. Each attempt takes the same parent as with `augment`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._originals = Originals(context.recipe.data)
        self._orders: dict[str, ParentOrder] = {}

    def parent_order(self, label: str) -> ParentOrder:
        """Return the order in which the attempts of a class take its originals."""
        if label not in self._orders:
            self._orders[label] = self._context.parent_order(label, self._context.train[label])
        return self._orders[label]

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield one exact copy for each attempt."""
        items, order = self._context.train[label], self.parent_order(label)
        for attempt in attempts:
            yield self.remake(label, attempt, parents=[items[order.pick(attempt)]], params={})

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Copy the recorded parent again."""
        (item,) = parents
        pixels, alpha = self._originals.pixels(item), self._originals.alpha(item)
        return Candidate(pixels, label, "duplicate", attempt, (item,), file=read_file(item), alpha=alpha)
