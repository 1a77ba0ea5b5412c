"""README.md of a GAN's bundle, from bundle.json and scores.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synth.pictures.text import table_cell

COLUMNS = ("on_class", "sharpness", "diversity", "pixel_diversity", "copies", "kept")


def card(info: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """For people: what it draws, how well, and what it can't."""
    found = document["drawn"]["classes"]
    rows = [_row(label, info["counts"][label], found[label]) for label in found]
    reasons = [
        f"* **{table_cell(label)}**: {'; '.join(entry['reasons'])}."
        for label, entry in found.items()
        if entry["reasons"]
    ]
    remarks = [f"* {remark}." for remark in (*info["stopped"].values(), *info["remarks"])]
    return "\n".join(
        [
            "# Conditional GAN",
            "",
            f"Draws images of {info['side']} x {info['side']} pixels of {len(info['classes'])} classes. It began as",
            f"an autoencoder of {sum(info['counts'].values())} real images, and was refined against a discriminator.",
            f"Of the states along the training the one after {document['drawn']['chosen']} images was taken: the",
            "latest of those that broke the fewest bounds.",
            "",
            f"{next(iter(found.values()))['n']} drawn images of each class, before any gate:",
            "",
            "| class | real | on class | sharpness | diversity | in pixels | copies | kept | KID (real) | verdict |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            *reasons,
            *([""] if reasons else []),
            "On class: the judge's view, by networks that saw neither parent. Sharpness, diversity: of what real",
            "images have. Copies: nearer to a real image than half of what the two closest are apart. Kept: share of",
            "what varies among the real images that comes back when they are encoded and drawn. KID: beside that of",
            "two halves of the real images, with its spread. A verdict is about these numbers alone: whether the",
            "images help a classifier is another question, and what the numbers can't see, `samples.png` may show.",
            "",
            "* `synth generate DATA OUT --method gan --bundle` draws with it, `--method smote` interpolates with it.",
            "* Every image is drawn from a mix of two codes of the bank in the weights. They are numbers, but what is",
            "  drawn from them resembles the real images, and `images.jsonl` lists those by path and hash: share this",
            "  folder as you would share the images.",
            "* It shows no kind of thing that is not in its training images, and with few of them nothing new at all.",
            "  Natural scenes are beyond a network of this size.",
            *remarks,
            "",
        ]
    )


def _row(label: str, n: int, found: Mapping[str, Any]) -> str:
    numbers = [_number(found[name]) for name in COLUMNS]
    real = f"{_number(found['kid_real'])} +- {_number(found['kid_real_spread'])}"
    kid = f"{_number(found['kid'])} ({real})" if found["kid"] is not None else "unknown"
    return f"| {' | '.join([table_cell(label), str(n), *numbers, kid, found['verdict']])} |"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
