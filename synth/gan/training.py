"""The training of the GAN from start to end (`step` has the mathematics), and the bundle that holds it.

    1. an autoencoder of all classes: trained here, or the one that the recipe names
    2. a judge that scores images by networks that saw neither of their parents: trained here, or the recipe's
    3. the bank: codes of the real images, several of each
    4. the adversarial steps; at each evaluation images of every class are drawn from the averaged weights and measured
    5. the best of the evaluated states is chosen, and each class gets a verdict

A training that was killed finds all of it again in `BUNDLE.incomplete`.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import nn

from synth.classifier.judge import Judge
from synth.errors import TrainingError, UsageError
from synth.gan.evaluation import Evaluator, trouble
from synth.gan.monitor import Monitor
from synth.gan.result import GanResult
from synth.gan.setup import GanSetup
from synth.gan.step import GanTask, GanTrainee
from synth.networks.autoencoder import Autoencoder, Generator
from synth.training.bundle import GAN, Bundle, complete_bundle, training_folder
from synth.training.distributed import ProcessGroup, joined_group
from synth.training.inference import one_thread
from synth.training.job import TrainingJob
from synth.training.loop import CHECK, STATS, Check, Fit, fit, read_stats

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

MIN_BATCH = 4


def train_gan(job: TrainingJob) -> Bundle:
    """Train a GAN; the same job again resumes, or returns the complete bundle.

    The recipe's `bundle` names an autoencoder to start from, its `judge` the classifier that scores. Without them, both
    are trained; only the judge uses `job.n_workers`. Under torchrun each process takes its part of every batch, and the
    first one writes.

    Raises:
        TrainingError: no class can be drawn, or the losses were not finite.
        OutputError: `job.out` holds something else. LockedError: another training holds the folder.
        UsageError: a device that is missing, a batch that the processes can't share, TensorBoard is not installed.
        BundleError: an autoencoder or a judge that does not fit.
    """
    with joined_group() as group, _open_board(job.tensorboard if group.leads else None) as board:
        setup = GanSetup(job, group)
        with training_folder(job.out, setup.run) if group.leads else contextlib.nullcontext() as work:
            if not group.broadcast("complete" if group.leads and work is None else ""):
                _train(setup, group, board)
        group.wait()
    return complete_bundle(job.out, GAN)


def _train(setup: GanSetup, group: ProcessGroup, board: SummaryWriter | None) -> None:
    if group.leads:
        setup.prepare()
        judge = setup.judge()
    group.wait()
    task, network = setup.task()
    monitor = _monitor(setup, judge, task=task, network=network) if group.leads else None
    fitted, task = _fit(setup, task, network.generator, monitor=monitor, board=board)
    if monitor:
        GanResult(setup, replace(monitor, task=task), fitted).publish(network)


def _monitor(setup: GanSetup, judge: Judge, *, task: GanTask, network: Autoencoder) -> Monitor:
    data, counts, classes = task.data, task.data.counts, task.data.classes
    drawable = [n for n in np.argsort(counts, kind="stable").tolist() if counts[n] and classes[n] not in setup.refused]
    rare = [number for number in drawable if 2 * counts[number] <= max(counts)] or drawable
    evaluator = Evaluator(judge, data, task.policy, seed=task.seed)
    hashes = [item.sha256 for item in setup.job.items]
    labels = [classes[number] for number in rare]
    return Monitor(setup.job.work / "looks", task, network, evaluator, hashes, drawable, labels)


def _fit(
    setup: GanSetup, task: GanTask, generator: Generator, *, monitor: Monitor | None, board: SummaryWriter | None
) -> tuple[Fit, GanTask]:
    """Take the adversarial steps, with half the batch if memory runs out, and return the task that was done."""
    while True:
        settings = task.settings
        folder = setup.steps_folder(settings.batch)
        check = _check(folder, replace(monitor, task=task), job=setup.job, board=board) if monitor else None
        with one_thread():
            try:
                fitted = fit(
                    GanTrainee(task, copy.deepcopy(generator)),
                    folder,
                    n_steps=settings.steps,
                    batch=settings.batch,
                    decay=settings.average,
                    on_check=check,
                    group=task.group,
                )
            except torch.OutOfMemoryError:
                if settings.batch < 2 * MIN_BATCH or task.group.size > 1:
                    needed = f"out of memory with {settings.batch} images in a step"
                    raise TrainingError(f"{needed}: set gan.batch lower") from None
                task = replace(task, settings=settings.model_copy(update={"batch": settings.batch // 2}))
            else:
                return fitted, task


def _check(folder: Path, monitor: Monitor, *, job: TrainingJob, board: SummaryWriter | None) -> Check:
    settings = monitor.task.settings
    total = settings.steps * settings.batch
    report = job.reporter(GAN, total)

    def check(n_seen: int, network: nn.Module) -> str:
        report(n_seen, network)
        _plot(board, n_seen, read_stats(folder / STATS)[-1])
        before = n_seen - CHECK * settings.batch
        if settings.looks * n_seen // total == settings.looks * max(before, 0) // total:
            return ""
        evaluation = monitor.evaluate(n_seen, network)
        for label, found in evaluation.classes.items():
            _plot(board, n_seen, {f"{label}/{name}": value for name, value in vars(found).items()})
        if board:
            pixels = np.asarray(Image.open(io.BytesIO(monitor.sheet(evaluation))).convert("RGB"))
            board.add_image("samples", pixels, n_seen, dataformats="HWC")
        return trouble(monitor.evaluations(n_seen), monitor.chosen_for)

    return check


@contextlib.contextmanager
def _open_board(folder: str | Path | None) -> Iterator[SummaryWriter | None]:
    """Open a folder for TensorBoard; None without a folder."""
    if folder is None:
        yield None
        return
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise UsageError('--tensorboard needs the extra: pip install "synth-images[tensorboard]"') from None
    with SummaryWriter(str(folder)) as writer:
        yield writer


def _plot(board: SummaryWriter | None, n_seen: int, values: Mapping[str, float | None]) -> None:
    for name, value in values.items():
        if board and value is not None:
            board.add_scalar(name, value, n_seen)
