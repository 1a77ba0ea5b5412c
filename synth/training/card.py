"""What people see of a trained network: README.md, in a form that all networks share, and training curves."""

import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from synth.errors import short_name

WIDTH = 118
LETTERS_PER_INCH, LETTERS_OF_A_LINE = 16, 7
"""Of the names below the curves, and what a line beside a name takes."""
N_COLOURS, STYLES = 10, ("-", "--", ":", "-.")
"""Lines of more keys than matplotlib has colours differ in their style."""


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


def curves(stats: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Return a PNG that plots each measure against the images seen, with one line for each key of `stats`.

    Args:
        stats: {network: lines of its stats.jsonl}.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in next(lines for lines in stats.values() if lines)[0] if name != "n_images_seen"]
    width, keys = 4.5 * len(names), [short_name(key) for key in stats]
    n_columns = max(int(width * LETTERS_PER_INCH) // (max(map(len, keys)) + LETTERS_OF_A_LINE), 1)
    height = 3.2 + 0.18 * math.ceil(len(keys) / n_columns)
    figure = Figure(figsize=(width, height), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for i, (key, lines) in enumerate(zip(keys, stats.values(), strict=True)):
            style = f"C{i % N_COLOURS}{STYLES[i // N_COLOURS % len(STYLES)]}"
            axes.plot([line["n_images_seen"] for line in lines], [line[name] for line in lines], style, label=key, lw=1)
        axes.set(xlabel="images seen", title=name)
        axes.grid(alpha=0.3)
    handles = figure.axes[0].get_lines()
    figure.legend(handles=handles, loc="outside lower left", ncols=n_columns, fontsize="x-small", frameon=False)
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()
