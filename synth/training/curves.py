"""Training curves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np


def curves(stats: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Return a PNG that plots each measure against the images seen, with one line for each key of `stats`.

    Args:
        stats: {network: lines of its stats.jsonl}.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in next(lines for lines in stats.values() if lines)[0] if name != "n_images_seen"]
    figure = Figure(figsize=(4.5 * len(names), 3.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for network, lines in stats.items():
            axes.plot([line["n_images_seen"] for line in lines], [line[name] for line in lines], label=network, lw=1)
        axes.set(xlabel="images seen", title=name)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="x-small", frameon=False)
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()
