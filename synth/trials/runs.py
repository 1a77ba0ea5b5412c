"""Runs: one classifier, trained in an arm's way on a split's images, and asked about the images held out.

What a run found lies in a file of its own, so that a trial that was killed repeats none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.classifier.learner import FeaturePool, Pool, Way, contest
from synth.classifier.linear_head import Floats
from synth.classifier.losses import Objective
from synth.files import new_file
from synth.training.batches import Images, safe_policy
from synth.trials.arms import Arm
from synth.trials.context import Stage
from synth.trials.images import Material
from synth.trials.progress_files import Tick
from synth.trials.results import Outcome
from synth.trials.split_data import Filling, fill, load_filling, tick_path, train_network
from synth.trials.undersampled import load_thinning


@dataclass(frozen=True)
class Run:
    """One training."""

    arm: Arm
    split: int
    """Place of the split among those of the stage."""
    seed: int
    steps: int


def train_networks(stage: Stage, task: tuple[int, str], *, then: Callable[[], None] | None = None) -> None:
    """Train one network of one split; `then` is called whenever it has come farther."""
    split, name = task
    tick = Tick(tick_path(stage.parts[split], name), then)
    train_network(stage.parts[split], stage.recipe, name, device=stage.device, progress=tick)


def fill_split(stage: Stage, task: tuple[int, Arm]) -> None:
    """Make the new images of one arm for one split, and what a backbone says of them."""
    split, arm = task
    part, material = stage.parts[split], stage.material
    fill(part, stage.recipe, arm, side=material.side, extraction=material.extraction)


def do_run(stage: Stage, run: Run) -> None:
    """Train, ask, and leave what was found in the run's file."""
    path = _path(stage, run)
    if path.exists():
        return
    split, part, material = stage.splits[run.split], stage.parts[run.split], stage.material
    filling = load_filling(part, run.arm) if run.arm.fill else None
    chosen = load_thinning(part, run.arm) if run.arm.thin else split.train
    way = Way(Objective(run.arm.objective, run.arm.scheme), even=run.arm.even, online=run.arm.online)
    contestant = contest(
        _pool(material, chosen, filling),
        way,
        settings=stage.recipe.classifier,
        policy=safe_policy(stage.recipe),
        n_classes=len(stage.classes),
        steps=run.steps,
        seed=seeds.derived(part.seed, f"classifier {run.seed}, draw {run.arm.draw}"),
        device=stage.device,
    )
    probabilities = contestant.probabilities(_seen(material, split.held_out))
    fitted = contestant.fitted(_seen(material, split.train), material.labels[split.train])
    path.parent.mkdir(exist_ok=True)
    with new_file(path) as file:
        np.savez(file, probabilities=probabilities, fitted=fitted, images=np.array(_counts(stage, chosen, filling)))


def outcome_of(stage: Stage, run: Run) -> Outcome:
    """What `do_run` found."""
    part, split = stage.parts[run.split], stage.splits[run.split]
    stopped: Mapping[str, str] = load_filling(part, run.arm).stopped if run.arm.fill else {}
    with np.load(_path(stage, run), allow_pickle=False) as arrays:
        pairs = [(real, new) for real, new in arrays["images"].tolist()]
        return Outcome(
            run.arm.name,
            split.number,
            run.seed,
            run.steps,
            stage.material.labels[split.held_out],
            arrays["probabilities"],
            float(arrays["fitted"]),
            dict(zip(stage.classes, pairs, strict=True)),
            stopped,
        )


def is_done(stage: Stage, run: Run) -> bool:
    """Is there nothing left to do?"""
    return _path(stage, run).exists()


def _path(stage: Stage, run: Run) -> Path:
    words = json.dumps([run.arm.name, stage.splits[run.split].number, run.seed, run.steps])
    return stage.work / "runs" / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.npz"


def _pool(material: Material, chosen: npt.NDArray[np.intp], filling: Filling | None) -> Pool | FeaturePool:
    n_new = len(filling.labels) if filling else 0
    new_labels = filling.labels if filling else np.empty(0, np.intp)
    labels = np.concatenate([material.labels[chosen], new_labels])
    real = np.arange(len(labels)) < len(chosen)
    if material.features is None:
        pictures: list[Images] = [material.inputs[chosen], *([filling.inputs] if filling else [])]
        return Pool(np.concatenate(pictures), labels, real)
    _, n_variants, n_features = material.features.shape
    rows = [material.features[chosen].reshape(-1, n_features)]
    rows += [filling.features] if filling is not None and filling.features is not None else []
    first = np.concatenate([n_variants * np.arange(len(chosen)), n_variants * len(chosen) + np.arange(n_new)])
    owned = np.where(real, n_variants, 1)
    return FeaturePool(np.concatenate(rows), first.astype(np.intp), owned.astype(np.intp), labels, real)


def _seen(material: Material, rows: npt.NDArray[np.intp]) -> Images | Floats:
    return material.inputs[rows] if material.features is None else material.features[rows, 0]


def _counts(stage: Stage, chosen: npt.NDArray[np.intp], filling: Filling | None) -> list[tuple[int, int]]:
    """(real, new) training images of each class."""
    n = len(stage.classes)
    real = np.bincount(stage.material.labels[chosen], minlength=n)
    new = np.bincount(filling.labels, minlength=n) if filling else np.zeros(n, np.intp)
    return list(zip(real.tolist(), new.tolist(), strict=True))
