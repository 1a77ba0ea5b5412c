"""What a generator is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from synth.records import Candidate, Item
from synth.settings.recipe import Recipe

WITH_BUNDLE = ("smote", "gan")
"""Methods that work with a trained network."""


@dataclass(frozen=True)
class Context:
    """All that a generator may look at. Only training images are in it, so no other can become a parent."""

    recipe: Recipe
    train: Mapping[str, tuple[Item, ...]]
    """{class: its real training images, sorted by id}."""
    first_attempt: Mapping[str, int] = field(default_factory=dict)
    """Where the attempts of a class begin in this run: after those of earlier runs."""
    used: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """{class: {id of an image: how often earlier runs took it as the first parent}}."""


class Generator(Protocol):
    """A source of candidates. The same attempt gives the same candidate, in any chunk and any process."""

    digest: str
    """Hash of what decides about its images besides data and recipe: a trained network, code; empty: nothing does."""

    def check(self, label: str) -> None:
        """Refuse a class that it can't make images of.

        Raises:
            UsageError: with the reason.
        """

    def make(self, label: str, attempts: range) -> Iterator[Candidate]:
        """One candidate for each attempt, in order, as they are asked for: few are in memory at a time."""

    def reads_parents(self, label: str, attempt: int) -> bool:
        """Does it read the files of an attempt's parents?"""

    def remake(self, label: str, attempt: int, *, parents: Sequence[Item], params: Mapping[str, Any]) -> Candidate:
        """The candidate of a manifest row again, from its parameters, and its parents where it reads them."""

    def remarks(self, labels: Iterable[str]) -> list[str]:
        """What a person should know of how images of these classes are made."""


@runtime_checkable
class Walker(Protocol):
    """A generator whose images lie between two originals, or between the codes of two."""

    def walk(self, label: str, attempt: int, *, n: int) -> list[Candidate]:
        """The way from an attempt's first parent to its second: n candidates with evenly growing steps, both ends
        among them; nothing else is changed. Empty where it has one parent only."""


def needs_parents(methods: tuple[str, ...]) -> bool:
    """False where all can fill a class that has no image at all: a GAN, and generators of the user's own, can."""
    return any(":" not in method and method != "gan" for method in methods)


def method_slug(method: str) -> str:
    """The method as a part of a file name."""
    return method.rpartition(":")[2] if ":" in method else method
