"""From the name of a network to its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from synth.data.dataset import Dataset
from synth.errors import UsageError, did_you_mean
from synth.recipe import Recipe
from synth.training.autoencoder import train_autoencoder
from synth.training.bundle import Bundle
from synth.training.classifier import train_classifier
from synth.workers import Progress

TRAININGS: Mapping[str, Callable[..., Bundle]] = {"autoencoder": train_autoencoder, "classifier": train_classifier}


def train(
    what: str,
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> Bundle:
    """Train a network on the training images of a dataset and keep it as a bundle; the same call again resumes.

    Args:
        what: `classifier` or `autoencoder`.
        out: folder for the bundle; it must not exist yet.
        device: auto, cpu, cuda or mps.

    Raises:
        UsageError: an unknown network, backbone or device. TrainingError: it can't be trained on this data.
        OutputError: something else stands at `out`. LockedError: another training is at work there.
    """
    if what not in TRAININGS:
        raise UsageError(f'unknown network "{what}": expected {", ".join(TRAININGS)}{did_you_mean(what, TRAININGS)}')
    return TRAININGS[what](dataset, recipe, out, n_workers=n_workers, device=device, progress=progress)
