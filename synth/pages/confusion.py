"""The judge's confusion matrix, as the page shows it: which class real images were taken for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth.pictures.text import number

MATRIX = 16
"""Classes up to which the whole confusion matrix is shown; beyond it the largest confusions."""
CONFUSIONS = 20


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix."""

    true: str
    seen: str
    n: int
    share: float
    """Of its row."""


@dataclass(frozen=True)
class Confusion:
    """Which class real images were taken for."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """Empty where there are too many classes for a matrix."""
    largest: tuple[Cell, ...]
    """The largest confusions."""


def confusion(scores: Mapping[str, Any]) -> Confusion | None:
    """The judge's confusion matrix; None where it has none or a broken one."""
    labels, matrix = scores.get("labels"), scores.get("confusion")
    if not isinstance(labels, list) or not isinstance(matrix, list) or not labels:
        return None
    square = len(matrix) == len(labels) and all(isinstance(r, list) and len(r) == len(labels) for r in matrix)
    if not square or any(number(n) is None for row in matrix for n in row):
        return None
    rows = tuple(tuple(_cells(str(true), map(str, labels), row)) for true, row in zip(labels, matrix, strict=True))
    wrong = sorted((c for row in rows for c in row if c.true != c.seen and c.n), key=lambda c: (-c.n, -c.share))
    shown = rows if len(labels) <= MATRIX else ()
    return Confusion(tuple(map(str, labels)), shown, tuple(wrong[:CONFUSIONS]))


def _cells(true: str, labels: Iterator[str], row: Sequence[float]) -> Iterator[Cell]:
    for seen, n in zip(labels, row, strict=True):
        yield Cell(true, seen, int(n), n / sum(row) if sum(row) else 0.0)
