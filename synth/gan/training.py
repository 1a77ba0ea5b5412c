"""The GAN: its training from beginning to end (`step` has the mathematics), and the bundle that holds it.

    1. an autoencoder of all classes: trained here, or the one that the recipe's bundle names
    2. a judge that scores images by networks that saw neither of their parents: trained here, or the recipe's
    3. the bank: codes of the real images, several of each
    4. the adversarial steps; at each look images of every class are drawn from the averaged weights, measured and shown
    5. of the states at the looks the best is chosen, and a verdict given on each class

A killed training finds all of it again in `BUNDLE.incomplete`.
"""

from __future__ import annotations

import contextlib
import copy
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from synth.classifier.judge import Judge
from synth.data.dataset import Dataset
from synth.errors import TrainingError
from synth.files import staging_folder
from synth.gan.evaluation import Evaluator
from synth.gan.monitor import Monitor
from synth.gan.pictures import SheetData
from synth.gan.result import GanResult, steps_folder
from synth.gan.setup import GanSetup
from synth.gan.step import GanTask, GanTrainee
from synth.networks.autoencoder import Autoencoder, Generator
from synth.settings.recipe import Recipe
from synth.training.bundle import GAN, Bundle, open_bundle, training_folder
from synth.training.device import choose_device
from synth.training.distributed import joined_group
from synth.training.inference import one_thread
from synth.training.loop import CHECK, STATS, Check, Fit, fit, read_stats
from synth.training.tensorboard import Board, open_board
from synth.workers import Progress

MIN_BATCH = 4


def train_gan(
    dataset: Dataset,
    recipe: Recipe,
    out: str | Path,
    *,
    n_workers: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
    tensorboard: str | Path | None = None,
) -> Bundle:
    """Train a GAN on the training images of a dataset; the same call again resumes.

    The recipe's `bundle` names an autoencoder to begin with, its `judge` the classifier that scores; without, both are
    trained. Under torchrun each process takes its part of every batch, and the first one writes.

    Args:
        n_workers: for the judge; the rest is one network, on one thread of a processor.
        tensorboard: a folder for TensorBoard's files.

    Raises:
        TrainingError: no class can be drawn, or the losses were not finite.
        OutputError: something else stands at `out`. LockedError: another training is at work there.
        UsageError: a device that is not there, a batch that the processes can't share, TensorBoard is not installed.
        BundleError: an autoencoder or a judge that does not fit.
    """
    started, out = time.monotonic(), Path(out)
    with joined_group() as team, open_board(tensorboard if team.leads else None) as board:
        beginning = GanSetup(dataset, recipe, device=choose_device(device), team=team, progress=progress)
        holding = training_folder(out, beginning.run) if team.leads else contextlib.nullcontext(staging_folder(out))
        with holding as work:
            watch = None
            if team.leads:
                beginning.begin(work)
                judge = beginning.judge(work, n_workers)
            team.wait()
            task, network = beginning.task(work)
            if team.leads:
                watch = _watch(work, task, beginning, judge, network)
            fitted, task = _fit(work, task, network.generator, watch, told=progress, board=board)
            if watch:
                watch = replace(watch, settings=task.settings)
                result = GanResult(beginning, task, watch, fitted, recipe)
                result.publish(work, out, network, seconds=time.monotonic() - started)
        team.wait()
    return open_bundle(out, GAN)


def _watch(work: Path, task: GanTask, beginning: GanSetup, judge: Judge, network: Autoencoder) -> Monitor:
    counts, classes = beginning.counts, beginning.classes
    drawable = [
        n for n in np.argsort(counts, kind="stable").tolist() if counts[n] and classes[n] not in beginning.refused
    ]
    rare = [number for number in drawable if 2 * counts[number] <= max(counts)] or drawable
    measurer = Evaluator(judge, classes, task.seed)
    measurer.learn(task.inputs, task.labels, task.policy)
    return Monitor(
        work / "looks",
        task.settings,
        SheetData(classes, task.inputs, task.labels, task.bank, drawable, task.device),
        network,
        measurer,
        [item.sha256 for item in beginning.items],
        [classes[number] for number in rare],
        task.seed,
    )


def _fit(
    work: Path, task: GanTask, generator: Generator, watch: Monitor | None, *, told: Progress | None, board: Board
) -> tuple[Fit, GanTask]:
    """Take the adversarial steps, with half the batch where memory does not suffice; the task as it was done."""
    while True:
        batch = task.settings.batch
        folder = steps_folder(work, batch)
        check = _checks(folder, task, replace(watch, settings=task.settings), told, board) if watch else None
        with one_thread():
            try:
                trainee = GanTrainee(task, copy.deepcopy(generator))
                return fit(
                    trainee,
                    folder,
                    n_steps=task.settings.steps,
                    batch=batch,
                    decay=task.settings.average,
                    on_check=check,
                    team=task.team,
                ), task
            except torch.OutOfMemoryError:
                if batch < 2 * MIN_BATCH or task.team.size > 1:
                    raise TrainingError(f"out of memory with {batch} images in a step: set gan.batch lower") from None
                task = replace(task, settings=task.settings.model_copy(update={"batch": batch // 2}))


def _checks(folder: Path, task: GanTask, watch: Monitor, told: Progress | None, board: Board) -> Check:
    settings = task.settings
    total = settings.steps * settings.batch

    def check(n_seen: int, network: nn.Module) -> str:
        if told:
            told("training", n_seen, total)
        board.numbers(read_stats(folder / STATS)[-1], n_images_seen=n_seen)
        before = n_seen - CHECK * settings.batch
        if settings.looks * n_seen // total == settings.looks * max(before, 0) // total:
            return ""
        evaluate = watch.evaluate(n_seen, network)
        board.picture("samples", watch.sheet(evaluate), n_images_seen=n_seen)
        for label, found in evaluate.classes.items():
            board.numbers({f"{label}/{name}": value for name, value in vars(found).items()}, n_images_seen=n_seen)
        return watch.trouble(n_seen)

    return check
