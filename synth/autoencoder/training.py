"""The training of the autoencoder (`step` has the mathematics), and the bundle that holds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from synth.autoencoder import perceptual_loss
from synth.autoencoder.reconstruction import SHEET, card, score_classes, sheet
from synth.autoencoder.step import AutoencoderTask, AutoencoderTrainee
from synth.classifier.ensemble import ClassifierTask
from synth.data.network_input import fitting_side
from synth.errors import TrainingError
from synth.files import replace_file
from synth.networks.autoencoder import Autoencoder
from synth.networks.small import Small
from synth.settings.oversampling import Autoencoder as AutoencoderSettings
from synth.settings.recipe import Augment, Recipe
from synth.training.batches import read_training_set, safe_policy
from synth.training.bundle import AUTOENCODER, Bundle, training_folder
from synth.training.curves import curves
from synth.training.device import choose_device
from synth.training.inference import one_thread
from synth.training.job import CURVES, TrainingJob
from synth.training.loop import STATS, Fit, fit, read_stats

UNWANTED_EFFECTS = ("blur",)
SHEETS = 8
"""How often reconstructions and curves are drawn during a training."""


def train_autoencoder(job: TrainingJob) -> Bundle:
    """Train the autoencoder, on one thread of a CPU or on a GPU; the same job again resumes.

    Raises:
        TrainingError: no training images, or the losses were not finite.
        OutputError: `job.out` exists. LockedError: another training is at work there.
        UsageError: a device that is missing.
    """
    if not job.items:
        raise TrainingError("an autoencoder needs training images, got none")
    device, settings = choose_device(job.device), job.recipe.autoencoder
    run = job.run_id(settings, policy_of(job.recipe))
    with training_folder(job.out, run) as work:
        task = task_of(job, settings, work, device=device)
        fitted = fit_autoencoder(task, job)
        network = fitted.network
        assert isinstance(network, Autoencoder)
        return job.publish(
            {
                "kind": AUTOENCODER,
                "run": run,
                "side": task.data.side,
                "network": {"code": settings.code, "channels": task.n_channels},
                "members": [],
                "settings": settings.model_dump(mode="json"),
                "stopped": {AUTOENCODER: fitted.stopped} if fitted.stopped else {},
            },
            tensors=network.state_dict(),
            scores={"reconstruction": {"classes": score_classes(network, task.data, device)}},
            n_images_seen=fitted.n_images_seen,
            stats={AUTOENCODER: read_stats(work / AUTOENCODER / STATS)},
            card=card,
            files={SHEET: sheet(network, task.data, device)},
        )


def policy_of(recipe: Recipe) -> Augment:
    """Return the effects on the training images."""
    return safe_policy(recipe, without=UNWANTED_EFFECTS)


def task_of(job: TrainingJob, settings: AutoencoderSettings, work: Path, *, device: torch.device) -> AutoencoderTask:
    """Read the images of a job, and return what the training needs. Args: work: a folder that outlives a kill."""
    items, recipe = job.items, job.recipe
    side = settings.size or fitting_side([(item.width, item.height) for item in items])
    data = read_training_set(items, job.dataset.classes, recipe, side=side)
    n_channels = 1 if all(item.grey for item in items) else 3
    return AutoencoderTask(settings, policy_of(recipe), recipe.seed, data, n_channels, work, device)


def _feature_network(task: AutoencoderTask, job: TrainingJob) -> Small | None:
    """Return the network of the feature loss; None if its weight is 0, or if there is only one class."""
    data = task.data
    if not task.settings.feature_weight or len(np.unique(data.labels)) < 2:
        return None
    folds, members = np.zeros(len(data.labels), np.intp), (perceptual_loss.NETWORK,)
    settings, device = perceptual_loss.SETTINGS, str(task.device)
    classifier = ClassifierTask(settings, task.policy, task.seed, data, folds, members, task.work, device)
    report = job.reporter("features", perceptual_loss.N_IMAGES)
    return perceptual_loss.feature_network(classifier, on_check=report)


def fit_autoencoder(task: AutoencoderTask, job: TrainingJob) -> Fit:
    """Train, or continue where a killed run stopped. Sheet and curves are drawn into `task.work` from time to time."""
    settings, feature_network = task.settings, _feature_network(task, job)
    total = settings.steps * settings.batch
    report, shown = job.reporter("training", total), 0

    def check(n_seen: int, network: nn.Module) -> None:
        nonlocal shown
        report(n_seen)
        part = SHEETS * n_seen // total
        if part > shown:
            shown = part
            assert isinstance(network, Autoencoder)
            replace_file(task.work / SHEET, sheet(network, task.data, task.device))
            replace_file(task.work / CURVES, curves({AUTOENCODER: read_stats(task.work / AUTOENCODER / STATS)}))

    with one_thread():
        trainee = AutoencoderTrainee(task, feature_network)
        return fit(trainee, task.work / AUTOENCODER, n_steps=settings.steps, batch=settings.batch, on_check=check)
