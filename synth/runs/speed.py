"""How long a training takes on this machine. A few steps of each network are timed, on random images.

A training consists of stages, each with a network of its own. The seconds of all stages give one progress for the whole
training.
"""

import functools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from synth.autoencoder.step import AutoencoderTrainee
from synth.autoencoder.training import FEATURE_NETWORK, FEATURES
from synth.classifier.ensemble import ClassifierTask, Member, member_trainee
from synth.classifier.frozen_features import features_of, n_copies
from synth.classifier.training import is_frozen, side_of
from synth.data.network_input import fitting_side
from synth.gan.codes import CodeBank
from synth.gan.step import GanTask, GanTrainee
from synth.networks.autoencoder import Autoencoder
from synth.networks.pretrained import open_backbone
from synth.networks.small import Small
from synth.records import Item
from synth.settings.gates import Classifier
from synth.settings.recipe import Recipe
from synth.training.batches import TrainingSet, safe_policy
from synth.training.bundle import AUTOENCODER, CLASSIFIER, GAN
from synth.training.device import choose_device
from synth.training.inference import one_thread
from synth.training.loop import Trainee, seeded
from synth.workers import PERCENT, Progress

MEASURED_SECONDS = 0.3
"""Time of the steps that are measured, after a first one that prepares the network."""
N_IMAGES = 32


def stages_of(what: str, items: Sequence[Item], recipe: Recipe, *, n_workers: int, device: str) -> dict[str, float]:
    """Return {stage: seconds} of the training of a network, in the order of the stages.

    Args:
        what: `classifier`, `autoencoder` or `gan`.
        items: the training images.
        n_workers: processes for the networks of a classifier.
    """
    n_classes = len({item.label for item in items})
    cost = functools.partial(image_seconds, n_classes=n_classes, recipe=recipe, device=device)
    sizes = [(item.width, item.height) for item in items]
    side, judge, drawn = fitting_side(sizes), recipe.classifier, recipe.autoencoder
    stages: dict[str, float] = {}
    if what in (AUTOENCODER, GAN) and not (what == GAN and recipe.bundle):
        side = drawn.size or side
        if drawn.feature_weight and n_classes > 1:
            stages[FEATURE_NETWORK] = FEATURES.steps * FEATURES.batch * cost(FEATURE_NETWORK, side=side)
        stages[AUTOENCODER] = drawn.steps * drawn.batch * cost(AUTOENCODER, side=side)
    if what == CLASSIFIER or (what == GAN and not recipe.judge):
        n_shown = judge.steps * judge.batch * (judge.folds + judge.seeds)
        if is_frozen(judge):
            n_shown = len(items) + sum(n_copies(list(Counter(item.label for item in items).values())))
        processes = max(min(n_workers, judge.folds + judge.seeds), 1) if choose_device(device).type == "cpu" else 1
        stages[CLASSIFIER] = n_shown / processes * cost(CLASSIFIER, side=side_of(items, judge))
    if what == GAN:
        stages[GAN] = recipe.gan.steps * recipe.gan.batch * cost(GAN, side=drawn.size or side)
    return stages


def image_seconds(stage: str, *, side: int, n_classes: int, recipe: Recipe, device: str) -> float:
    """Return the seconds that one process takes to show one image to the network of a stage.

    Args:
        side: of the network's square input, in pixels.
        device: auto, cpu, cuda or mps.
    """
    where = choose_device(device)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N_IMAGES, side, side, 3), np.uint8)
    data = TrainingSet(tuple(map(str, range(n_classes))), images, np.sort(np.arange(N_IMAGES) % n_classes))
    with one_thread():
        if stage == CLASSIFIER and is_frozen(recipe.classifier):
            backbone = open_backbone(recipe.classifier.backbone).to(where)
            return _timed(lambda _: features_of(backbone, images, device=where)) / N_IMAGES
        trainee, batch = _trainee(stage, data, recipe, device=device)
        for module in trainee.modules.values():
            module.train()
        return _timed(trainee.step) / batch


def _trainee(stage: str, data: TrainingSet, recipe: Recipe, *, device: str) -> tuple[Trainee, int]:
    """Return a network to train, and the number of images in its batches."""
    where, n_classes = choose_device(device), len(data.classes)
    if stage in (CLASSIFIER, FEATURE_NETWORK):
        settings = recipe.classifier if stage == CLASSIFIER else FEATURES
        return member_trainee(_task(settings, data, recipe, device=device), Member(stage, None), where), settings.batch
    if stage == AUTOENCODER:
        seen_by = Small(n_classes, data.side).requires_grad_(False).eval().to(where)
        return AutoencoderTrainee(recipe, data, feature_network=seen_by, device=where), recipe.autoencoder.batch
    with seeded(0):
        generator = Autoencoder(data.side, data.n_channels, recipe.autoencoder.code, n_classes).generator
    codes = np.random.default_rng(0).normal(size=(N_IMAGES, recipe.autoencoder.code)).astype(np.float32)
    bank = CodeBank(codes, np.arange(N_IMAGES), data.labels)
    lenders = tuple(range(n_classes))
    policy, borrow = safe_policy(recipe), (0.0,) * n_classes
    return GanTrainee(GanTask(recipe.gan, policy, 0, data, bank, borrow, lenders, where), generator), recipe.gan.batch


def _task(settings: Classifier, data: TrainingSet, recipe: Recipe, *, device: str) -> ClassifierTask:
    folds = np.zeros(len(data.labels), np.intp)
    return ClassifierTask(settings, safe_policy(recipe), 0, data, folds, (), Path(), device)


def _timed(step: Callable[[int], object]) -> float:
    """Return the seconds of a step: the mean of those that fit into the time, and at least one."""
    step(0)
    began, done = time.monotonic(), 0
    while not done or time.monotonic() - began < MEASURED_SECONDS:
        done += 1
        step(done)
    return (time.monotonic() - began) / done


def whole_progress(progress: Progress, what: str, stages: Mapping[str, float]) -> Progress:
    """Return a progress to give to a training. It reports the percentage of all stages that is done."""
    total, names = round(sum(stages.values())), list(stages)

    def report(stage: str, done: int, of: int) -> None:
        if stage in stages:
            before = sum(stages[name] for name in names[: names.index(stage)])
            progress(f"training {what}{PERCENT}", round(before + stages[stage] * done / max(of, 1)), total)

    return report
