"""`duplicate`: exact copies of the originals, byte for byte; the control that every other method has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from synth.data.originals import Originals, read_file
from synth.generators.base import Context
from synth.generators.parent_order import ParentOrder
from synth.records import Candidate, Item


class DuplicateGenerator:
    """Copies each original equally often; attempt by attempt it takes the same parents as `augment`."""

    digest = ""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._originals = Originals(context.recipe.data)
        self._deals: dict[str, ParentOrder] = {}

    def check(self, label: str) -> None:
        """Any class will do."""

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """One exact copy for each attempt."""
        items = self._context.train[label]
        used = self._context.used.get(label, {})
        if label not in self._deals:
            counts = [used.get(item.id, 0) for item in items]
            self._deals[label] = ParentOrder(counts, seed=self._context.recipe.seed, label=label)
        first = self._context.first_attempt.get(label, 0)
        for attempt in attempts:
            item = items[self._deals[label].pick(attempt - first)]
            yield self.remake(label, attempt, parents=(item,), params={})

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Those of every attempt."""
        return True

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """The copy again."""
        (item,) = parents
        pixels = self._originals.pixels(item)
        return Candidate(pixels, label, "duplicate", attempt, (item,), file=read_file(item))

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """None."""
        return []
