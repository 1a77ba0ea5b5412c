"""The GAN: its training from beginning to end (`gan_step` has the mathematics), and the bundle that holds it.

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
import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synth.data.dataset import Dataset
from synth.errors import TrainingError
from synth.files import staging_folder
from synth.judge import Judge
from synth.networks.autoencoder import Autoencoder, Generator
from synth.recipe import Recipe, dump_recipe
from synth.records import Item
from synth.training import bundle as bundles
from synth.training import gan_pictures as pictures
from synth.training.autoencoder import image_lines
from synth.training.board import Board, opened_board
from synth.training.bundle import Bundle, building, open_bundle, publish
from synth.training.card import curves
from synth.training.device import choose_device
from synth.training.gan_beginning import Beginning
from synth.training.gan_card import card
from synth.training.gan_looks import NOT_USABLE, Look, Measurer, to_json, verdict
from synth.training.gan_pictures import Scene
from synth.training.gan_step import KIND, GanTask, GanTrainee
from synth.training.gan_watch import Watch, half
from synth.training.inference import one_thread
from synth.training.loop import CHECK, STATS, Check, Fit, fit, read_stats
from synth.training.team import joined
from synth.versions import NETWORKS, versions
from synth.workers import Progress

MIN_BATCH = 4
LOOKS = "looks.jsonl"
MEASURES = ("on_class", "sharpness", "diversity", "copies", "kid")
"""Curves of `measures.png`."""


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
    with joined() as team, opened_board(tensorboard if team.leads else None) as board:
        beginning = Beginning(dataset, recipe, device=choose_device(device), team=team, progress=progress)
        holding = building(out, beginning.run) if team.leads else contextlib.nullcontext(staging_folder(out))
        with holding as work:
            watch = None
            if team.leads:
                beginning.begin(work)
                judge = beginning.judge(work, n_workers)
            team.wait()
            task, network = beginning.task(work)
            if team.leads:
                watch = _watch(work, task, beginning, judge, classes=dataset.classes)
            fitted, task = _fit(work, task, network.generator, watch, told=progress, board=board)
            if watch:
                found = _Result(beginning, task, watch, fitted, recipe, dataset.classes)
                found.publish(work, out, network, seconds=time.monotonic() - started)
        team.wait()
    return open_bundle(out, KIND)


def _watch(work: Path, task: GanTask, beginning: Beginning, judge: Judge, *, classes: tuple[str, ...]) -> Watch:
    counts = beginning.counts
    drawable = [
        n for n in np.argsort(counts, kind="stable").tolist() if counts[n] and classes[n] not in beginning.refused
    ]
    rare = [number for number in drawable if 2 * counts[number] <= max(counts)] or drawable
    measurer = Measurer(judge, classes, task.seed)
    measurer.learn(task.inputs, task.labels, task.policy)
    return Watch(
        work / "looks",
        task.settings,
        Scene(classes, task.inputs, task.labels, task.bank, drawable, task.device),
        measurer,
        [item.sha256 for item in beginning.items],
        [classes[number] for number in rare],
        task.seed,
    )


def _fit(
    work: Path, task: GanTask, generator: Generator, watch: Watch | None, *, told: Progress | None, board: Board
) -> tuple[Fit, GanTask]:
    """Take the adversarial steps, with half the batch where memory does not suffice; the task as it was done."""
    while True:
        batch = task.settings.batch
        with one_thread():
            try:
                trainee = GanTrainee(task, copy.deepcopy(generator))
                return fit(
                    trainee,
                    work / f"batch-{batch}",
                    n_steps=task.settings.steps,
                    batch=batch,
                    decay=task.settings.average,
                    on_check=_checks(work / f"batch-{batch}", task, watch, told, board) if watch else None,
                    team=task.team,
                ), task
            except torch.OutOfMemoryError:
                if batch < 2 * MIN_BATCH or task.team.size > 1:
                    raise TrainingError(f"out of memory with {batch} images in a step: set gan.batch lower") from None
                task = replace(task, settings=task.settings.model_copy(update={"batch": batch // 2}))


def _checks(folder: Path, task: GanTask, watch: Watch, told: Progress | None, board: Board) -> Check:
    settings = task.settings
    total = settings.steps * settings.batch

    def check(n_seen: int, network: nn.Module) -> str:
        if told:
            told("training", n_seen, total)
        board.numbers(read_stats(folder / STATS)[-1], n_images_seen=n_seen)
        before = n_seen - CHECK * settings.batch
        if settings.looks * n_seen // total == settings.looks * max(before, 0) // total:
            return ""
        look = watch.look(n_seen, network)
        board.picture("samples", watch.sheet(look), n_images_seen=n_seen)
        for label, found in look.classes.items():
            board.numbers({f"{label}/{name}": value for name, value in vars(found).items()}, n_images_seen=n_seen)
        return watch.trouble(n_seen)

    return check


@dataclass(frozen=True)
class _Result:
    """What a bundle is made from."""

    beginning: Beginning
    task: GanTask
    watch: Watch
    fitted: Fit
    recipe: Recipe
    classes: tuple[str, ...]

    def publish(self, work: Path, out: Path, network: Autoencoder, *, seconds: float) -> Bundle:
        """Take the best state, and put the bundle together."""
        n_seen = self.fitted.n_images_seen
        if not any(look.n_images_seen == n_seen for look in self.watch.looks(n_seen)):
            self.watch.look(n_seen, self.fitted.network)  # training stopped between two looks
        chosen = self.watch.chosen(n_seen)
        network.generator.load_state_dict(self.watch.state(chosen))
        verdicts = self._verdicts(chosen)
        info = self._info(verdicts)
        document = {
            "drawn": {
                "chosen": chosen.n_images_seen,
                "classes": {label: {**found, **verdicts[label]} for label, found in _all(chosen).items()},
            },
            "seconds": round(seconds, 1),
            "n_images_seen": n_seen,
        }
        files = {
            bundles.SCORES: json.dumps(document, indent=1, allow_nan=False).encode(),
            bundles.IMAGES: image_lines(self.beginning.items),
            bundles.CARD: card(info, document).encode(),
            bundles.RECIPE: dump_recipe(self.recipe).encode(),
            **self._pictures(work, network.generator, chosen),
        }
        return publish(work, out, info=info, tensors=self._tensors(network), files=files)

    def _tensors(self, network: Autoencoder) -> dict[str, Tensor]:
        bank = self.task.bank
        numbers = {"owners": bank.owners, "labels": bank.labels}
        return {
            **half(network.state_dict()),
            "bank.codes": torch.from_numpy(bank.codes).half(),
            **{f"bank.{name}": torch.from_numpy(values).long() for name, values in numbers.items()},
        }

    def _verdicts(self, chosen: Look) -> dict[str, dict[str, Any]]:
        counts = dict(zip(self.classes, self.beginning.counts, strict=True))
        verdicts = {}
        for label, found in chosen.classes.items():
            refused = self.beginning.refused.get(label)
            word, reasons = (NOT_USABLE, [refused]) if refused else verdict(found, counts[label])
            verdicts[label] = {"verdict": word, "reasons": reasons}
        return verdicts

    def _info(self, verdicts: Mapping[str, Any]) -> dict[str, Any]:
        beginning, task = self.beginning, self.task
        asked, used = self.recipe.gan.batch, task.settings.batch
        return {
            "kind": KIND,
            "run": beginning.run,
            "classes": list(self.classes),
            "side": task.side,
            "network": {"code": task.bank.codes.shape[1], "channels": task.n_channels},
            "members": [],
            "counts": dict(zip(self.classes, beginning.counts, strict=True)),
            "sizes": _sizes(beginning.items),
            "verdicts": verdicts,
            "settings": task.settings.model_dump(mode="json"),
            "seed": task.seed,
            "versions": versions(NETWORKS),
            "stopped": {KIND: self.fitted.stopped} if self.fitted.stopped else {},
            "remarks": [f"out of memory: {used} images in a step instead of {asked}"] if used != asked else [],
        }

    def _pictures(self, work: Path, generator: Generator, chosen: Look) -> dict[str, bytes]:
        watch, scene = self.watch, self.watch.scene
        looks = watch.looks(self.fitted.n_images_seen)
        states = []
        for look in looks:
            state = copy.deepcopy(generator)
            state.load_state_dict(watch.state(look))
            states.append((look.n_images_seen, state))
        stats = read_stats(work / f"batch-{self.task.settings.batch}" / STATS)
        measured = {
            label: [{"n_images_seen": look.n_images_seen, **_curve(look, label)} for look in looks]
            for label in watch.minded
        }
        lines = [{"n_images_seen": look.n_images_seen, "classes": _all(look)} for look in looks]
        return {
            STATS: "".join(f"{json.dumps(line)}\n" for line in stats).encode(),
            LOOKS: "".join(f"{json.dumps(line)}\n" for line in lines).encode(),
            "samples.png": watch.sheet(chosen),
            "borrowing.png": pictures.borrowing(scene, generator),
            "walks.png": pictures.walks(scene, generator),
            "training.png": pictures.over_time(scene, states),
            "curves.png": curves({KIND: stats}),
            "measures.png": curves(measured),
        }


def _all(look: Look) -> dict[str, Any]:
    return {label: to_json(found) for label, found in look.classes.items()}


def _curve(look: Look, label: str) -> dict[str, float]:
    found = look.classes[label]
    values = {name: getattr(found, name) for name in MEASURES}
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _sizes(items: Sequence[Item]) -> dict[str, list[int]]:
    """The median size of each class's images: {class: [width, height]}."""
    by_class: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for item in items:
        by_class[item.label].append((item.width, item.height))
    return {label: np.median(sizes, axis=0).astype(int).tolist() for label, sizes in by_class.items()}
