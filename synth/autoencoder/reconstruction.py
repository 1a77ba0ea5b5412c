"""How well an autoencoder reconstructs images: a sheet, two numbers for each class, and the card of the bundle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from synth.measures.texture import sharpness
from synth.networks.autoencoder import Autoencoder
from synth.pictures.sheets import Strip, sheet_png, tiles
from synth.pictures.text import table_cell
from synth.training import card as form
from synth.training.batches import Ints, TrainingSet
from synth.training.card import number
from synth.training.inference import Floats, decode, encode

SHEET = "reconstructions.png"
SHOWN_CLASSES, SHOWN = 8, 10
"""The rarest classes on a sheet, and images of each."""
SCORED, SCORED_MIN = 2048, 8
"""About how many images are scored in all, and the least of a class, however many classes there are."""


def reconstruct(network: Autoencoder, data: TrainingSet, rows: Ints, device: torch.device) -> Floats:
    """Encode and decode images with a network in evaluation mode: (n, S, S, C), levels 0..1."""
    codes = encode(network.encoder, data.inputs[rows], device, n_channels=network.n_channels)
    return decode(network.generator, codes, data.labels[rows], device)


def score_classes(network: Autoencoder, data: TrainingSet, device: torch.device) -> dict[str, dict[str, Any]]:
    """Return for each class the number of images scored, their error and their sharpness.

    The error is the mean absolute difference of levels 0..1. Sharpness is the median fraction of the original's
    sharpness. Both are None for a class without images. Sharpness is also None if all images are flat.
    """
    scores: dict[str, dict[str, Any]] = {}
    at_most = max(SCORED // len(data.classes), SCORED_MIN)
    for index, label in enumerate(data.classes):
        rows = data.some(index, at_most)
        scores[label] = {"n": len(rows), "error": None, "sharpness": None}
        if not len(rows):
            continue
        decoded = reconstruct(network, data, rows, device)
        originals = data.inputs[rows].astype(np.float32) / 255
        ratios = [sharpness(new) / old for new, old in zip(decoded, map(sharpness, originals), strict=True) if old]
        scores[label]["error"] = round(float(np.abs(decoded - originals).mean()), 4)
        scores[label]["sharpness"] = round(float(np.median(ratios)), 3) if ratios else None
    return scores


def sheet(network: Autoencoder, data: TrainingSet, device: torch.device) -> bytes:
    """Return a PNG of training images and their reconstructions, the rarest class first."""
    strips, counts = [], data.counts
    for index in [n for n in np.argsort(counts, kind="stable").tolist() if counts[n]][:SHOWN_CLASSES]:
        rows = data.some(index, SHOWN)
        decoded = np.rint(reconstruct(network, data, rows, device) * 255).astype(np.uint8)
        drawn = decoded[..., 0] if network.n_channels == 1 else decoded
        strips.append(Strip(f"{data.classes[index]}: {len(rows)} of {counts[index]}", tiles(data.inputs[rows])))
        strips.append(Strip("reconstructed", tiles(drawn)))
    return sheet_png(strips)


def card(info: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return README.md of a bundle, from bundle.json and scores.json."""
    network, counts, side = info["network"], info["counts"], info["side"]
    return form.card(
        "Autoencoder",
        info,
        intro=[
            f"An encoder turns images of {side} x {side} pixels and {network['channels']} channels into codes of "
            f"{network['code']} numbers. A generator turns a code and a class into an image. Trained on "
            f"{sum(counts.values())} real images of {len(counts)} classes.",
            "Reconstructions of training images:",
        ],
        head=["class", "images", "error", "sharpness"],
        rows=[
            [table_cell(label), str(counts[label]), number(s["error"], 4), number(s["sharpness"])]
            for label, s in document["reconstruction"]["classes"].items()
        ],
        reading=[
            "Error: mean absolute difference, levels 0 to 1. Sharpness: variance of the Laplacian as a fraction of the "
            "original's, median. Both are measured on images that the network learned from; new images score worse."
        ],
        notes=[
            "Use it to interpolate between images (`synth generate --method smote --bundle`) and to start a GAN, not "
            "in production.",
            f"Look at `{SHEET}`: what tells the classes apart must be visible in the reconstructions.",
        ],
    )
