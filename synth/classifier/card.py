"""What people see of a trained classifier: its card, and a sheet of the confused images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.data.originals import Originals
from synth.measures.scores import Scores
from synth.pictures.sheets import Strip, Tile, sheet_png
from synth.pictures.text import table_cell
from synth.records import Item
from synth.training import card as form
from synth.training.card import number

CELLS, SHOWN = 8, 12
"""The largest cells of the confusion matrix on the sheet, and images of each cell."""
COLUMNS = {"precision": "precision", "recall": "recall", "f1": "F1", "average_precision": "average precision"}


def card(info: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return README.md of a bundle, from bundle.json and scores.json."""
    found, network, side = document["out_of_fold"], info["network"], info["side"]
    totals = [number(found[name], 3) for name in ("macro_f1", "balanced_accuracy", "worst_recall")]
    return form.card(
        "Reference classifier",
        info,
        intro=[
            f"{len(info['members'])} networks (`{network['backbone']}`, input {side} x {side}), trained on "
            f"{sum(info['counts'].values())} real images of {len(info['classes'])} classes. Each class was drawn "
            "equally often.",
            "Scores of the training images, each scored by the network that left out the image and its group; 95 % "
            "intervals:",
        ],
        head=["class", "images", *COLUMNS.values(), "note"],
        rows=[
            [table_cell(label), str(s["n"]), *(_score(s, name) for name in COLUMNS), table_cell(s["note"])]
            for label, s in found["classes"].items()
        ],
        reading=["Macro-F1 {}, balanced accuracy {}, worst recall {}.".format(*totals)],
        notes=[
            *(f"{warning[:1].upper()}{warning[1:]}." for warning in info.get("warnings", ())),
            "Use it to judge synthetic images (`synth generate --judge`, `synth check`), not in production.",
            "A high score does not prove that an image is valid: look at the sheets as well.",
            "`confusions.png`, if there is one, shows training images that were confused.",
        ],
    )


def _score(scores: Mapping[str, Any], name: str) -> str:
    value, bounds = scores[name], scores["intervals"].get(name)
    interval = f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if value is not None and bounds else ""
    return number(value, 3) + interval


def confusion_sheet(
    items: Sequence[Item], probabilities: npt.NDArray[np.float32], *, scores: Scores, originals: Originals
) -> bytes:
    """Return a PNG of the images in the largest cells of the confusion matrix; empty if no image was confused.

    Args:
        probabilities: (N, C) of the items, in the order of `scores.labels`.
    """
    labels, predicted = scores.labels, probabilities.argmax(1)
    truth = np.array([labels.index(item.label) for item in items])
    cells = [(n / sum(row), t, p) for t, row in enumerate(scores.confusion) for p, n in enumerate(row) if t != p and n]
    strips = []
    for _, t, p in sorted(cells, reverse=True)[:CELLS]:
        found = np.flatnonzero((truth == t) & (predicted == p))
        worst = found[np.argsort(probabilities[found, t], kind="stable")][:SHOWN]
        tiles = []
        for i in worst:
            lines = [f"{word} {probabilities[i, column]:.2f}" for word, column in (("true class", t), ("taken for", p))]
            tiles.append(Tile(originals.pixels(items[i]), (items[i].id.rpartition("/")[2], *lines)))
        title = f"{labels[t]} taken for {labels[p]}: {len(found)} of {int((truth == t).sum())}"
        strips.append(Strip(title, tuple(tiles)))
    return sheet_png(strips) if strips else b""
