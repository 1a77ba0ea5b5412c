"""How well an autoencoder draws images again: a sheet for people, two numbers for each class, and the card."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from synth.measures.subset import evenly_spaced
from synth.measures.texture import sharpness
from synth.networks.autoencoder import Autoencoder
from synth.pictures.sheets import Strip, sheet_png, tiles
from synth.pictures.text import table_cell
from synth.training.batches import Images
from synth.training.inference import Floats, decode, encode

SHEET = "reconstructions.png"
SHOWN_CLASSES, SHOWN = 8, 10
"""The rarest classes of a sheet, and images of each."""
SCORED, SCORED_MIN = 2048, 8
"""Images that are scored in all, about; and of a class, however many classes there are."""


def reconstruct(network: Autoencoder, inputs: Images, labels: npt.NDArray[np.intp], device: torch.device) -> Floats:
    """Images (n, S, S, 3) uint8 encoded and drawn again: (n, S, S, C), levels 0..1."""
    with _evaluating(network):
        codes = encode(network.encoder, inputs, device, n_channels=network.n_channels)
        return decode(network.generator, codes, labels, device)


@contextlib.contextmanager
def _evaluating(network: Autoencoder) -> Iterator[None]:
    """Batch statistics stand still meanwhile."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)


def score_classes(
    network: Autoencoder,
    inputs: Images,
    labels: npt.NDArray[np.intp],
    *,
    classes: Sequence[str],
    device: torch.device,
) -> dict[str, dict[str, Any]]:
    """For each class: images looked at, mean absolute difference of levels 0..1, and median sharpness.

    Sharpness is given as a fraction of the original's. Where a class
    has no image both are None, and sharpness also where all are flat.
    """
    found: dict[str, dict[str, Any]] = {}
    at_most = max(SCORED // len(classes), SCORED_MIN)
    for number, label in enumerate(classes):
        chosen = np.array(evenly_spaced(np.flatnonzero(labels == number).tolist(), at_most), np.intp)
        found[label] = {"n": len(chosen), "error": None, "sharpness": None}
        if not len(chosen):
            continue
        decoded = reconstruct(network, inputs[chosen], labels[chosen], device)
        originals = inputs[chosen].astype(np.float32) / 255
        ratios = [sharpness(new) / old for new, old in zip(decoded, map(sharpness, originals), strict=True) if old]
        found[label]["error"] = round(float(np.abs(decoded - originals).mean()), 4)
        found[label]["sharpness"] = round(float(np.median(ratios)), 3) if ratios else None
    return found


def sheet(
    network: Autoencoder,
    inputs: Images,
    labels: npt.NDArray[np.intp],
    *,
    classes: Sequence[str],
    device: torch.device,
) -> bytes:
    """A PNG of training images, and of what the autoencoder makes of them, the rarest class first."""
    strips = []
    counts = np.bincount(labels, minlength=len(classes))
    for number in [n for n in np.argsort(counts, kind="stable").tolist() if counts[n]][:SHOWN_CLASSES]:
        chosen = np.array(evenly_spaced(np.flatnonzero(labels == number).tolist(), SHOWN), np.intp)
        decoded = np.rint(reconstruct(network, inputs[chosen], labels[chosen], device) * 255).astype(np.uint8)
        drawn = decoded[..., 0] if network.n_channels == 1 else decoded
        strips.append(Strip(f"{classes[number]}: {len(chosen)} of {counts[number]}", tiles(inputs[chosen])))
        strips.append(Strip("drawn again", tiles(drawn)))
    return sheet_png(strips)


def card(info: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """README.md of a bundle, from bundle.json and scores.json."""
    network, counts = info["network"], info["counts"]
    rows = [
        f"| {table_cell(label)} | {counts[label]} | {_number(s['error'], 4)} | {_number(s['sharpness'], 2)} |"
        for label, s in document["reconstruction"]["classes"].items()
    ]
    stopped = [f"* Training stopped early: {why}." for why in info["stopped"].values()]
    return "\n".join(
        [
            "# Autoencoder",
            "",
            f"An encoder: images of {info['side']} x {info['side']} pixels and {network['channels']} channels become",
            f"{network['code']} numbers; and a generator that draws the image of such a code and a class.",
            f"Trained on {sum(counts.values())} real images of {len(counts)} classes.",
            "",
            "Training images, encoded and drawn again:",
            "",
            "| class | images | error | sharpness |",
            "|---|---|---|---|",
            *rows,
            "",
            "Error: mean absolute difference, levels 0 to 1. Sharpness: variance of the Laplacian as a fraction of the",
            "original's, median. Both are of images that it learned from; others come out worse.",
            "",
            "* Made for interpolation between images (`synth generate --method smote --bundle`) and as the beginning",
            "  of a GAN, not for use in the field.",
            "* Look at `reconstructions.png`: what tells a class apart must be there in the images drawn again.",
            "* `images.jsonl` lists the training images by path and hash; weights can reveal what they were trained",
            "  on: share this folder as you would share the images.",
            *stopped,
            "",
        ]
    )


def _number(value: float | None, digits: int) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
