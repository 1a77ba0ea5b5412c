"""Train a network by its name."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from synth.autoencoder.training import train_autoencoder
from synth.classifier.training import train_classifier
from synth.data.dataset import Dataset
from synth.errors import UsageError, did_you_mean
from synth.gan.training import train_gan
from synth.gates.choices import with_choices
from synth.settings.recipe import Recipe
from synth.training.bundle import Bundle
from synth.training.job import TrainingJob
from synth.workers import Progress

TRAININGS: Mapping[str, Callable[[TrainingJob], Bundle]] = {
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
    """Train a network on the training images of a dataset, and save it as a bundle.

    The same call again resumes an interrupted training, and returns a complete bundle.

    Args:
        what: `classifier`, `autoencoder` or `gan`.
        out: folder of the bundle.
        n_workers: processes for the networks of a classifier; the other networks use one.
        device: auto, cpu, cuda or mps.
        tensorboard: folder for TensorBoard's files, of a GAN's training.

    Raises:
        UsageError: an unknown network, backbone or device. TrainingError: it can't be trained on this data.
        OutputError: `out` holds something else. LockedError: another training holds the folder.
    """
    if what not in TRAININGS:
        raise UsageError(f'unknown network "{what}": expected {", ".join(TRAININGS)}{did_you_mean(what, TRAININGS)}')
    if tensorboard is not None and what != "gan":
        raise UsageError(f"only the training of a GAN writes for TensorBoard, not that of: {what}")
    recipe, _ = with_choices(recipe, dataset.train)
    started, was_there = time.monotonic(), os.path.lexists(out)
    bundle = TRAININGS[what](TrainingJob(dataset, recipe, Path(out), n_workers, device, progress, tensorboard))
    return bundle if was_there else dataclasses.replace(bundle, seconds=round(time.monotonic() - started, 1))
