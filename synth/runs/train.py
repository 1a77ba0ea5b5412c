"""From the name of a network to its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synth.autoencoder.training import train_autoencoder
from synth.classifier.training import train_classifier
from synth.data.dataset import Dataset
from synth.errors import UsageError, did_you_mean
from synth.gan.training import train_gan
from synth.settings.recipe import Recipe
from synth.training.bundle import Bundle
from synth.workers import Progress

TRAININGS: Mapping[str, Callable[..., Bundle]] = {
    "autoencoder": train_autoencoder,
    "classifier": train_classifier,
    "gan": train_gan,
}


def train(
    what: str,
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    tensorboard: str | Path | None = None,
) -> Bundle:
    """Train a network on the training images of a dataset and keep it as a bundle; the same call again resumes.

    Args:
        what: `classifier`, `autoencoder` or `gan`.
        out: folder for the bundle; it must not exist yet.
        device: auto, cpu, cuda or mps.
        tensorboard: a folder for TensorBoard's files, of a GAN's training.

    Raises:
        UsageError: an unknown network, backbone or device. TrainingError: it can't be trained on this data.
        OutputError: something else stands at `out`. LockedError: another training is at work there.
    """
    if what not in TRAININGS:
        raise UsageError(f'unknown network "{what}": expected {", ".join(TRAININGS)}{did_you_mean(what, TRAININGS)}')
    common: dict[str, Any] = {"n_workers": n_workers, "device": device, "progress": progress}
    if tensorboard is not None:
        if what != "gan":
            raise UsageError(f"only a GAN's training writes for TensorBoard, not that of: {what}")
        common["tensorboard"] = tensorboard
    return TRAININGS[what](dataset, recipe, out, **common)
