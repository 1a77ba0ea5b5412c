"""The training of the autoencoder (`step` has the mathematics), and the bundle that holds it."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from synth.autoencoder.reconstruction import SHEET, card, score_classes, sheet
from synth.autoencoder.step import AutoencoderTrainee, policy_of
from synth.classifier.ensemble import ClassifierTask, Member, load_member, train_member
from synth.data.network_input import fitting_side
from synth.errors import TrainingError
from synth.files import replace_file
from synth.networks.autoencoder import Autoencoder
from synth.networks.small import Small
from synth.settings.gates import Classifier
from synth.training.batches import TrainingSet, read_training_set
from synth.training.bundle import AUTOENCODER, Bundle, complete_bundle, training_folder
from synth.training.card import curves
from synth.training.device import choose_device
from synth.training.inference import one_thread
from synth.training.job import CURVES, TrainingJob
from synth.training.loop import STATS, Fit, fit, read_stats, seeded

FEATURES = Classifier(steps=150, batch=64)
"""Training of the network of the feature loss."""
FEATURE_NETWORK = "feature network"
"""Its name in the progress."""
SHEETS = 8
"""How often reconstructions and curves are drawn during a training."""


def train_autoencoder(job: TrainingJob) -> Bundle:
    """Train the autoencoder, on one thread of a CPU or on a GPU.

    The same job again resumes, or returns the complete bundle.

    Raises:
        TrainingError: no training images, or the losses were not finite.
        OutputError: `job.out` holds something else. LockedError: another training holds the folder.
        UsageError: a device that is missing.
    """
    if not job.items:
        raise TrainingError("an autoencoder needs training images, got none")
    settings = job.recipe.autoencoder
    run = job.run_id(settings, policy_of(job.recipe))
    with training_folder(job.out, run) as work:
        if work is None:
            return complete_bundle(job.out, AUTOENCODER)
        data = read_data(job)
        fitted, device = fit_autoencoder(job, data, work), choose_device(job.device)
        network = fitted.network
        assert isinstance(network, Autoencoder)
        return job.publish(
            {
                "kind": AUTOENCODER,
                "run": run,
                "side": data.side,
                "network": {"code": settings.code, "channels": data.n_channels},
                "settings": settings.model_dump(mode="json"),
                "stopped": {AUTOENCODER: fitted.stopped} if fitted.stopped else {},
            },
            tensors=network.state_dict(),
            scores={"reconstruction": {"classes": score_classes(network, data, device)}},
            n_images_seen=fitted.n_images_seen,
            stats={AUTOENCODER: read_stats(work / AUTOENCODER / STATS)},
            card=card,
            files={SHEET: sheet(network, data, device)},
        )


def read_data(job: TrainingJob) -> TrainingSet:
    """Read the training images as the autoencoder sees them."""
    side = job.recipe.autoencoder.size or fitting_side([(item.width, item.height) for item in job.items])
    return read_training_set(job.items, job.dataset.classes, job.recipe, side=side)


def fit_autoencoder(job: TrainingJob, data: TrainingSet, work: Path) -> Fit:
    """Train, or continue where a killed run stopped. Sheet and curves are drawn into `work` from time to time.

    Args:
        work: a folder that outlives a kill.
    """
    settings, device = job.recipe.autoencoder, choose_device(job.device)
    feature_network = _feature_network(job, data, work, device=device)
    total = settings.steps * settings.batch
    report, shown = job.reporter(AUTOENCODER, total), 0

    def check(n_seen: int, network: nn.Module) -> None:
        nonlocal shown
        report(n_seen, network)
        part = SHEETS * n_seen // total
        if part > shown:
            shown = part
            assert isinstance(network, Autoencoder)
            replace_file(work / SHEET, sheet(copy.deepcopy(network).eval(), data, device))
            replace_file(work / CURVES, curves({AUTOENCODER: read_stats(work / AUTOENCODER / STATS)}))

    with one_thread():
        trainee = AutoencoderTrainee(job.recipe, data, feature_network=feature_network, device=device)
        return fit(trainee, work / AUTOENCODER, n_steps=settings.steps, batch=settings.batch, on_check=check)


def _feature_network(job: TrainingJob, data: TrainingSet, work: Path, *, device: torch.device) -> Small | None:
    """Return the frozen network of the feature loss, trained now or read; None if it is not wanted.

    It is not wanted if its weight is 0, or if there is only one class.
    """
    recipe, n = job.recipe, len(data.labels)
    if not recipe.autoencoder.feature_weight or len(np.unique(data.labels)) < 2:
        return None
    member = Member("features", None)
    policy, folds = policy_of(recipe), np.zeros(n, np.intp)
    task = ClassifierTask(FEATURES, policy, recipe.seed, data, folds, (member,), work, str(device))
    train_member(task, 0, on_check=job.reporter(FEATURE_NETWORK, FEATURES.steps * FEATURES.batch))
    with seeded(0):
        network = Small(len(data.classes), data.side)
    network.load_state_dict(load_member(work / member.name).state)
    return network.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)
