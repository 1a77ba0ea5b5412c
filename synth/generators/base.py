"""The base class of all generators, and what a generator is given."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from synth import seeds
from synth.records import Candidate, Item, Row
from synth.settings.recipe import Recipe
from synth.training.bundle import AUTOENCODER, GAN

WITH_BUNDLE: Mapping[str, tuple[str, ...]] = {"smote": (AUTOENCODER, GAN), "gan": (GAN,)}
"""{method that works with a trained network: kinds of bundles that it takes}."""


PORTION = 32
"""Attempts that a network gets in one batch."""


class FirstParents(Protocol):
    """Which original each attempt of a class starts from: its first parent."""

    @property
    def used(self) -> Sequence[int]:
        """Images that each original gave in earlier runs: (n,)."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the originals: (n,)."""

    @property
    def every(self) -> bool:
        """Whether every attempt starts from an original."""

    def pick(self, attempt: int) -> int | None:
        """Return the index of an attempt's original; None if it starts from none."""


class ParentOrder:
    """The order in which the attempts of a class take n originals: each once in random order, then again, and so on.

    Originals that gave more images in earlier runs wait until the others have caught up. So the numbers of uses differ
    by at most one as soon as possible.
    """

    every = True

    def __init__(
        self, used: Sequence[int], *, seed: int, label: str, first_attempt: int = 0, ids: Sequence[str] = ()
    ) -> None:
        """Args: used: (n,) images that each original gave in earlier runs. ids: (n,) their ids, for messages."""
        self.used, self.ids = tuple(used), tuple(ids)
        self._used = np.asarray(used)
        self._seed, self._label, self._first = seed, label, first_attempt
        self._round = int(self._used.min()) if len(used) else 0
        self._order: list[int] = []

    def pick(self, attempt: int) -> int:
        """Return the index of an attempt's original."""
        while attempt - self._first >= len(self._order):
            order = seeds.permutation(self._seed, self._label, stream="parents", attempt=self._round, n=len(self._used))
            self._order += order[self._used[order] <= self._round].tolist()
            self._round += 1
        return self._order[attempt - self._first]


@dataclass(frozen=True)
class Context:
    """Everything that a generator may use. It holds training images only, so no other image can become a parent."""

    recipe: Recipe
    train: Mapping[str, tuple[Item, ...]]
    """{class: its real training images, sorted by id}."""
    first_attempt: Mapping[str, int] = field(default_factory=dict)
    """{class: number of its first attempt in this run}: attempts of earlier runs come before."""
    used: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """{class: {image id: images of earlier runs whose first parent it is}}."""

    def parent_order(self, label: str, items: Sequence[Item]) -> ParentOrder:
        """Return the order in which the attempts of a class take these images as first parents."""
        used, first = self.used.get(label, {}), self.first_attempt.get(label, 0)
        counts, ids = [used.get(item.id, 0) for item in items], [item.id for item in items]
        return ParentOrder(counts, seed=self.recipe.seed, label=label, first_attempt=first, ids=ids)


class Generator(ABC):
    """A source of candidates. The same attempt gives the same candidate, in any chunk and any process."""

    digest = ""
    """Hash of what decides about the images besides data and recipe: a trained network or code. Empty for neither."""
    in_batches = False
    """Whether a network makes `PORTION` images at a time, so that fewer cost the same."""

    def check(self, label: str) -> None:  # noqa: B027  # most generators can make images of any class
        """Refuse a class that this generator can't make images of.

        Raises:
            UsageError: with the reason.
        """

    def parent_order(self, label: str) -> FirstParents | None:
        """Return which original each attempt of a class starts from; None if they are not dealt evenly."""
        return None

    @abstractmethod
    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """Yield one candidate for each attempt, in order. They are made on demand, so few are in memory at a time."""

    def make_chosen(self, label: str, chosen: Sequence[int]) -> Iterator[Candidate]:
        """Yield the candidates of chosen attempts, ascending.

        For a network, the attempts between them are made too: its batch costs the same, and they are fewer batches.
        """
        asked = set(chosen)
        gap, size = (PORTION, PORTION) if self.in_batches else (1, len(chosen))
        for attempts in ranges_of(chosen, gap=gap, size=size):
            yield from (candidate for candidate in self.make(label, attempts) if candidate.attempt in asked)

    @abstractmethod
    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """Make a recorded candidate again, from its parameters and, if it reads them, its parents."""

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Whether an attempt reads the files of its parents."""
        return True

    def remake_row(self, row: Row, find_parent: Callable[[Mapping[str, str]], Item]) -> Candidate:
        """Make the candidate of a manifest row again.

        Args:
            find_parent: opens a parent, {path, sha256}; called only if the attempt reads its parents.
        """
        attempt = int(row.attempt or 0)
        parents = map(find_parent, row.parents) if self.reads_parents(row.label, attempt) else ()
        return self.remake(row.label, attempt, parents=tuple(parents), params=row.params)

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """Interpolate from an attempt's first parent to its second, without effects.

        Returns: n candidates with evenly growing steps, both ends included; empty if the attempt has one parent, or
            the method does not interpolate.
        """
        return []

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """Return what a user should know about the images of these classes, one line each."""
        return []


def opaque_remarks(train: Mapping[str, Sequence[Item]], labels: Iterable[str]) -> list[str]:
    """Return a line for each class whose originals are transparent, for a generator that draws colours alone."""
    clear = [label for label in labels if any("alpha" in item.notes for item in train.get(label, ()))]
    return [f"{label}: originals are transparent, the new images are not: use augment or smote" for label in clear]


def ranges_of(numbers: Sequence[int], *, gap: int = 1, size: int) -> Iterator[range]:
    """Cut ascending numbers into ranges of at most `size`; neighbours in a range differ by at most `gap`."""
    if not numbers:
        return
    start = numbers[0]
    for before, number in itertools.pairwise(numbers):
        if number - before > gap or number - start >= size:
            yield range(start, before + 1)
            start = number
    yield range(start, numbers[-1] + 1)


def needs_parents(methods: tuple[str, ...]) -> bool:
    """Whether one of these methods needs real images of a class. A GAN and custom generators do not."""
    return any(":" not in method and method != "gan" for method in methods)


def method_slug(method: str) -> str:
    """Return the method as a part of a file name."""
    return method.rpartition(":")[2] if ":" in method else method
