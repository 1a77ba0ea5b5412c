"""Evenly spaced subsets."""

from collections.abc import Sequence
from typing import TypeVar

Kind = TypeVar("Kind")


def evenly_spaced(things: Sequence[Kind], at_most: int) -> Sequence[Kind]:
    """Return at most `at_most` elements, evenly spaced and in order."""
    return things[:: -(-len(things) // at_most) or 1]
