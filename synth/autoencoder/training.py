"""The autoencoder: its training (`autoencoder_step` has the mathematics), and the bundle that holds it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from synth.autoencoder import perceptual_loss as perception
from synth.autoencoder.reconstruction import SHEET, card, score_classes, sheet
from synth.autoencoder.step import AutoencoderTask, AutoencoderTrainee
from synth.classifier.ensemble import ClassifierTask
from synth.data.dataset import Dataset
from synth.data.network_input import fitting_side
from synth.data.originals import Originals
from synth.errors import TrainingError
from synth.files import replace_file
from synth.networks.autoencoder import Autoencoder
from synth.networks.small import Small
from synth.records import Item
from synth.settings.recipe import Augment, Recipe, dump_recipe
from synth.training import bundle as bundles
from synth.training.batches import read_inputs, safe_policy
from synth.training.bundle import AUTOENCODER, Bundle, publish, run_id, training_folder
from synth.training.card import curves
from synth.training.device import choose_device
from synth.training.inference import one_thread
from synth.training.loop import STATS, Fit, fit, read_stats
from synth.versions import NETWORKS, versions
from synth.workers import Progress

UNWANTED_EFFECTS = ("blur",)
CURVES = "curves.png"
SHEETS = 8
"""So many times while it trains, reconstructions and curves are drawn."""


def train_autoencoder(
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> Bundle:
    """Train the autoencoder on the training images of a dataset; the same call again resumes.

    Args:
        n_workers: of no use here: it is one network, on one thread of a processor.

    Raises:
        TrainingError: no training images, or the losses were not finite.
        OutputError: something else stands at `out`. LockedError: another training is at work there.
        UsageError: a device that is not there.
    """
    started = time.monotonic()
    items = [item for found in dataset.train.values() for item in found]
    if not items:
        raise TrainingError("an autoencoder needs training images, got none")
    where, policy = choose_device(device), safe_policy(recipe, without=UNWANTED_EFFECTS)
    settings = [part.model_dump(mode="json") for part in (recipe.autoencoder, policy)]
    run = run_id(items, dataset.classes, settings, seed=recipe.seed)
    with training_folder(Path(out), run) as work:
        task = task_of(items, dataset.classes, recipe, policy=policy, work=work, device=where)
        fitted = fit_autoencoder(task, progress)
        network = fitted.network
        assert isinstance(network, Autoencoder)
        found = score_classes(network, task.inputs, task.labels, classes=task.classes, device=where)
        document = {
            "reconstruction": {"classes": found},
            "seconds": round(time.monotonic() - started, 1),
            "n_images_seen": fitted.n_images_seen,
        }
        info = _info(task, recipe, items, fitted=fitted, run=run)
        stats = read_stats(work / AUTOENCODER / STATS)
        files = {
            bundles.SCORES: json.dumps(document, indent=1, allow_nan=False).encode(),
            bundles.IMAGES: image_lines(items),
            bundles.CARD: card(info, document).encode(),
            bundles.RECIPE: dump_recipe(recipe).encode(),
            STATS: "".join(f"{json.dumps(line)}\n" for line in stats).encode(),
            SHEET: sheet(network, task.inputs, task.labels, classes=task.classes, device=where),
            CURVES: curves({AUTOENCODER: stats}),
        }
        return publish(work, Path(out), info=info, tensors=network.state_dict(), files=files)


def task_of(
    items: Sequence[Item],
    classes: tuple[str, ...],
    recipe: Recipe,
    *,
    policy: Augment,
    work: Path,
    device: torch.device,
) -> AutoencoderTask:
    """What the training of these images needs. Args: work: a folder that outlives a kill."""
    side = recipe.autoencoder.size or fitting_side([(item.width, item.height) for item in items])
    return AutoencoderTask(
        recipe.autoencoder,
        policy,
        recipe.seed,
        side,
        1 if all(item.grey for item in items) else 3,
        classes,
        read_inputs(items, Originals(recipe.data), side),
        np.array([classes.index(item.label) for item in items]),
        work,
        device,
    )


def _feature_network(task: AutoencoderTask, progress: Progress | None) -> Small | None:
    """None where it is not wanted, or where there are no classes to tell apart."""
    if not task.settings.feature_weight or len(np.unique(task.labels)) < 2:
        return None
    design = ClassifierTask(
        perception.SETTINGS,
        task.policy,
        task.seed,
        task.side,
        len(task.classes),
        task.inputs,
        task.labels,
        np.zeros(len(task.labels), np.intp),
        (perception.NETWORK,),
        task.work,
        str(task.device),
    )
    return perception.feature_network(design, on_check=_reporter("features", perception.N_IMAGES, progress))


def _reporter(what: str, total: int, progress: Progress | None) -> Callable[[int], None]:
    return lambda n_seen: progress(what, n_seen, total) if progress else None


def fit_autoencoder(task: AutoencoderTask, progress: Progress | None = None) -> Fit:
    """Train, or go on where a killed run stopped; now and then sheet and curves are drawn into `task.work`."""
    settings, feature_network = task.settings, _feature_network(task, progress)
    report = _reporter("training", settings.steps * settings.batch, progress)
    shown = 0

    def look(n_seen: int, network: nn.Module) -> None:
        nonlocal shown
        report(n_seen)
        part = SHEETS * n_seen // (settings.steps * settings.batch)
        if part > shown:
            shown = part
            assert isinstance(network, Autoencoder)
            drawn = sheet(network, task.inputs, task.labels, classes=task.classes, device=task.device)
            replace_file(task.work / SHEET, drawn)
            replace_file(task.work / CURVES, curves({AUTOENCODER: read_stats(task.work / AUTOENCODER / STATS)}))

    with one_thread():
        trainee = AutoencoderTrainee(task, feature_network)
        return fit(trainee, task.work / AUTOENCODER, n_steps=settings.steps, batch=settings.batch, on_check=look)


def image_lines(items: Sequence[Item]) -> bytes:
    """`images.jsonl` of a bundle: the images that a network learned from."""
    records = [{"path": item.id, "sha256": item.sha256, "class": item.label} for item in items]
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()


def _info(task: AutoencoderTask, recipe: Recipe, items: Sequence[Item], *, fitted: Fit, run: str) -> dict[str, Any]:
    counts = Counter(item.label for item in items)
    return {
        "kind": AUTOENCODER,
        "run": run,
        "classes": list(task.classes),
        "side": task.side,
        "network": {"code": task.settings.code, "channels": task.n_channels},
        "members": [],
        "counts": {label: counts[label] for label in task.classes},
        "settings": task.settings.model_dump(mode="json"),
        "seed": recipe.seed,
        "versions": versions(NETWORKS),
        "stopped": {AUTOENCODER: fitted.stopped} if fitted.stopped else {},
    }
