"""The confusion matrix of a classifier, as the pages show it."""

from dataclasses import dataclass

import numpy as np

from synth.pictures.text import at, mapping

MATRIX = 64
"""Up to this number of classes, the page shows the whole matrix; beyond it, only the largest confusions."""
CONFUSIONS = 20


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix."""

    true: str
    predicted: str
    n: int
    share: float
    """Share of its row, 0..1."""


@dataclass(frozen=True)
class Confusion:
    """Which classes real images were taken for."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """Empty if there are too many classes for a matrix."""
    largest: tuple[Cell, ...]
    """The largest confusions."""


def confusion(scores: object) -> Confusion | None:
    """Return the confusion matrix of a document of scores; None if it has none, or a broken one."""
    names = at(scores, "labels") or list(mapping(scores, "classes"))
    try:
        counts = np.array(at(scores, "confusion"), float)
    except (TypeError, ValueError, OverflowError):
        return None
    if not isinstance(names, list) or not names or counts.shape != (len(names),) * 2 or not np.isfinite(counts).all():
        return None
    labels, totals = tuple(map(str, names)), counts.sum(axis=1)
    rows = tuple(
        tuple(Cell(true, label, int(n), n / total if total else 0.0) for label, n in zip(labels, row, strict=True))
        for true, row, total in zip(labels, counts.tolist(), totals.tolist(), strict=True)
    )
    wrong = sorted((c for row in rows for c in row if c.true != c.predicted and c.n), key=lambda c: (-c.n, -c.share))
    return Confusion(labels, rows if len(labels) <= MATRIX else (), tuple(wrong[:CONFUSIONS]))
