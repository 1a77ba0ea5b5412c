"""A few that stand for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Kind = TypeVar("Kind")


def evenly_spaced(things: Sequence[Kind], at_most: int) -> Sequence[Kind]:
    """At most so many of them, evenly spaced, in order; all of them where there are no more."""
    return things[:: -(-len(things) // at_most) or 1]
