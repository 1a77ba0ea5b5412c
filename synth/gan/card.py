"""README.md of a GAN's bundle."""

from collections.abc import Mapping
from typing import Any

from synth.pictures.text import table_cell
from synth.training import card as form
from synth.training.card import number

COLUMNS = ("on_class", "sharpness", "diversity", "pixel_diversity", "copies", "kept")


def card(info: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return README.md of a bundle, from bundle.json and scores.json."""
    found, counts, side = document["drawn"]["classes"], info["counts"], info["side"]
    return form.card(
        "Conditional GAN",
        info,
        intro=[
            f"Draws images of {side} x {side} pixels of {len(info['classes'])} classes. It was trained as an "
            f"autoencoder on {sum(counts.values())} real images, then refined against a discriminator. It is the state "
            f"after {document['drawn']['chosen']} images: the latest of the states that broke the fewest bounds.",
            f"Measures of {next(iter(found.values()))['n']} drawn images of each class, before any gate:",
        ],
        head=["class", "real", *(name.replace("_", " ") for name in COLUMNS), "KID (real)", "verdict"],
        rows=[
            [
                table_cell(label),
                str(counts[label]),
                *(number(entry[name]) for name in COLUMNS),
                _kid(entry),
                entry["verdict"],
            ]
            for label, entry in found.items()
        ],
        reading=[
            *(
                f"**{table_cell(label)}**: {'; '.join(entry['reasons'])}."
                for label, entry in found.items()
                if entry["reasons"]
            ),
            "On class: share that the judge assigns to the class, by networks that saw neither parent. Sharpness, "
            "diversity, pixel diversity: as fractions of those of real images. Copies: share nearer to a real image "
            "than half the distance of the two closest real images. Kept: share of the variance of the real images "
            "that is left when they are encoded and decoded. KID: next to that of two halves of the real images, with "
            "its standard deviation. A verdict is about these numbers alone. It does not say whether the images help a "
            "classifier. `samples.png` may show what the numbers miss.",
        ],
        notes=[
            "`synth generate DATA OUT --method gan --bundle` draws with it, `--method smote` interpolates with it.",
            "Every image is drawn from a mix of two codes in the weights. Such an image resembles real images.",
            "It draws nothing that its training images do not show, and learns nothing new from few of them. It is too "
            "small for natural scenes.",
            *(f"{remark}." for remark in info["remarks"]),
        ],
    )


def _kid(entry: Mapping[str, Any]) -> str:
    real = f"{number(entry['kid_real'])} +- {number(entry['kid_real_spread'])}"
    return "unknown" if entry["kid"] is None else f"{number(entry['kid'])} ({real})"
