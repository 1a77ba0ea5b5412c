"""README.md of a bundle: the form that the cards of all networks share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

WIDTH = 118


def card(
    title: str,
    info: Mapping[str, Any],
    *,
    intro: Sequence[str],
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    reading: Sequence[str],
    notes: Sequence[str],
) -> str:
    """Return the Markdown of a card.

    Args:
        info: bundle.json.
        intro: paragraphs above the table.
        head, rows: the table; its texts have no "|".
        reading: paragraphs below the table, on how to read it.
        notes: what the network is for and what it is not for. What every card says comes after them.
    """
    table = [head, ["---"] * len(head), *rows]
    every = (
        "`images.jsonl` lists the training images by path and hash, and weights can reveal what they were trained on: "
        "share this folder as you would share the images.",
        *(f"{name} stopped early: {why}." for name, why in info["stopped"].items()),
    )
    parts = [
        f"# {title}",
        *(textwrap.fill(text, WIDTH) for text in intro),
        "\n".join(f"| {' | '.join(row)} |" for row in table),
        *(textwrap.fill(text, WIDTH) for text in reading),
        "\n".join(textwrap.fill(f"* {text}", WIDTH, subsequent_indent="  ") for text in (*notes, *every)),
    ]
    return "\n\n".join(parts) + "\n"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number as text; "unknown" for None."""
    return "unknown" if value is None else f"{value:.{digits}f}"
