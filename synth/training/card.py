"""What people see of a trained classifier: the card, the confused images themselves, and the curves of the training."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.data.originals import Originals
from synth.measures.scores import Scores
from synth.pictures.sheets import Strip, Tile, sheet_png
from synth.pictures.text import table_cell
from synth.records import Item

CELLS, SHOWN = 8, 12
"""The largest cells of the confusion matrix, and images of each."""


def card(info: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """README.md of a bundle, from bundle.json and scores.json."""
    found = document["out_of_fold"]
    network = info["network"]
    rows = [
        f"| {table_cell(label)} | {s['n']} | {_share(s, 'precision')} | {_share(s, 'recall')} | {_share(s, 'f1')} | "
        f"{_share(s, 'average_precision')} | {table_cell(s['note'])} |"
        for label, s in found["classes"].items()
    ]
    stopped = [f"* {name} stopped early: {why}." for name, why in info["stopped"].items()]
    return "\n".join(
        [
            "# Reference classifier",
            "",
            f"{len(info['members'])} networks (`{network['backbone']}`, input {info['side']} x {info['side']}),",
            f"trained on {sum(info['counts'].values())} real images of {len(info['classes'])} classes, each class",
            "drawn equally often.",
            "",
            "Scores of the training images, each by the network that left it and its group out; 95 % intervals:",
            "",
            "| class | images | precision | recall | F1 | average precision | |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"Macro-F1 {_number(found['macro_f1'])}, balanced accuracy {_number(found['balanced_accuracy'])}, "
            f"worst recall {_number(found['worst_recall'])}.",
            "",
            "* Made to judge synthetic images (`synth generate --judge`, `synth check`), not for use in the field.",
            "* A high score does not prove that an image is valid: look at the sheets as well.",
            "* `images.jsonl` lists the training images by path and hash; `confusions.png`, if there, shows some;",
            "  weights can reveal what they were trained on: share this folder as you would share the images.",
            *stopped,
            "",
        ]
    )


def _share(scores: Mapping[str, Any], name: str) -> str:
    value, bounds = scores[name], scores["intervals"].get(name)
    return f"{_number(value)} ({bounds[0]:.2f} to {bounds[1]:.2f})" if value is not None and bounds else _number(value)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def confusion_sheet(
    items: Sequence[Item], probabilities: npt.NDArray[np.float32], scores: Scores, sources: Originals
) -> bytes:
    """A PNG with the images behind the largest cells of the confusion matrix; empty where nothing was confused.

    Args:
        probabilities: (N, C) of the items, in the order of `scores.labels`.
    """
    labels, predicted = scores.labels, probabilities.argmax(1)
    truth = np.array([labels.index(item.label) for item in items])
    cells = [
        (scores.confusion[t][p] / max(sum(scores.confusion[t]), 1), t, p)
        for t in range(len(labels))
        for p in range(len(labels))
        if t != p and scores.confusion[t][p]
    ]
    strips = []
    for _, t, p in sorted(cells, reverse=True)[:CELLS]:
        found = np.flatnonzero((truth == t) & (predicted == p))
        worst = found[np.argsort(probabilities[found, t], kind="stable")][:SHOWN]
        title = f"{labels[t]} taken for {labels[p]}: {len(found)} of {int((truth == t).sum())}"
        strips.append(Strip(title, tuple(_tile(items[i], probabilities[i], (t, p), labels, sources) for i in worst)))
    return sheet_png(strips) if strips else b""


def _tile(
    item: Item, scores: npt.NDArray[np.float32], cell: tuple[int, int], labels: Sequence[str], sources: Originals
) -> Tile:
    lines = tuple(f"{labels[index]} {scores[index]:.2f}" for index in cell)
    return Tile(sources.pixels(item), (item.id.rpartition("/")[2][:18], *lines))


def curves(stats: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """A PNG: every measure of stats.jsonl over the images seen, one line for each network."""
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
