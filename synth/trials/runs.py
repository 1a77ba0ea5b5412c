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
from synth.classifier.frozen_features import Floats
from synth.classifier.learner import TrainingFeatures, TrainingImages, TrainingStrategy, train_learner
from synth.classifier.losses import Objective
from synth.files import new_file
from synth.training.batches import Images, safe_policy
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.images import LearnerInputs
from synth.trials.progress_files import ProgressFile
from synth.trials.results import Outcome
from synth.trials.split_data import SyntheticImages, fill, load_filling, tick_path, train_network
from synth.trials.undersampled import load_undersampled


@dataclass(frozen=True)
class Run:
    """One training."""

    arm: Arm
    split: int
    """Place of the split among those of the stage."""
    seed: int
    steps: int


def train_networks(context: TrialContext, task: tuple[int, str], *, then: Callable[[], None] | None = None) -> None:
    """Train one network of one split; `then` is called whenever it has come farther."""
    split, name = task
    tick = ProgressFile(tick_path(context.parts[split], name), then)
    train_network(context.parts[split], context.recipe, name, device=context.device, progress=tick)


def fill_split(context: TrialContext, task: tuple[int, Arm]) -> None:
    """Make the new images of one arm for one split, and what a backbone says of them."""
    split, arm = task
    part, material = context.parts[split], context.material
    fill(part, context.recipe, arm, side=material.side, extraction=material.extraction)


def do_run(context: TrialContext, run: Run) -> None:
    """Train, ask, and leave what was found in the run's file."""
    path = _path(context, run)
    if path.exists():
        return
    split, part, material = context.splits[run.split], context.parts[run.split], context.material
    filling = load_filling(part, run.arm) if run.arm.fill else None
    chosen = load_undersampled(part, run.arm) if run.arm.thin else split.train
    strategy = TrainingStrategy(
        Objective(run.arm.objective, run.arm.scheme), balanced=run.arm.balanced, online=run.arm.online
    )
    learner = train_learner(
        _pool(material, chosen, filling),
        strategy,
        settings=context.recipe.classifier,
        policy=safe_policy(context.recipe),
        n_classes=len(context.classes),
        steps=run.steps,
        seed=seeds.derived(part.seed, f"classifier {run.seed}, draw {run.arm.draw}"),
        device=context.device,
    )
    probabilities = learner.probabilities(_seen(material, split.held_out))
    fitted = learner.balanced_accuracy(_seen(material, split.train), material.labels[split.train])
    path.parent.mkdir(exist_ok=True)
    with new_file(path) as file:
        np.savez(file, probabilities=probabilities, fitted=fitted, images=np.array(_counts(context, chosen, filling)))


def outcome_of(context: TrialContext, run: Run) -> Outcome:
    """What `do_run` found."""
    part, split = context.parts[run.split], context.splits[run.split]
    stopped: Mapping[str, str] = load_filling(part, run.arm).stopped if run.arm.fill else {}
    with np.load(_path(context, run), allow_pickle=False) as arrays:
        pairs = [(real, new) for real, new in arrays["images"].tolist()]
        return Outcome(
            run.arm.name,
            split.number,
            run.seed,
            run.steps,
            context.material.labels[split.held_out],
            arrays["probabilities"],
            float(arrays["fitted"]),
            dict(zip(context.classes, pairs, strict=True)),
            stopped,
        )


def is_done(context: TrialContext, run: Run) -> bool:
    """Is there nothing left to do?"""
    return _path(context, run).exists()


def _path(context: TrialContext, run: Run) -> Path:
    words = json.dumps([run.arm.name, context.splits[run.split].number, run.seed, run.steps])
    return context.work / "runs" / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.npz"


def _pool(
    material: LearnerInputs, chosen: npt.NDArray[np.intp], filling: SyntheticImages | None
) -> TrainingImages | TrainingFeatures:
    n_new = len(filling.labels) if filling else 0
    new_labels = filling.labels if filling else np.empty(0, np.intp)
    labels = np.concatenate([material.labels[chosen], new_labels])
    real = np.arange(len(labels)) < len(chosen)
    if material.features is None:
        pictures: list[Images] = [material.inputs[chosen], *([filling.inputs] if filling else [])]
        return TrainingImages(np.concatenate(pictures), labels)
    _, n_variants, n_features = material.features.shape
    rows = [material.features[chosen].reshape(-1, n_features)]
    rows += [filling.features] if filling is not None and filling.features is not None else []
    first = np.concatenate([n_variants * np.arange(len(chosen)), n_variants * len(chosen) + np.arange(n_new)])
    owned = np.where(real, n_variants, 1)
    return TrainingFeatures(np.concatenate(rows), first.astype(np.intp), owned.astype(np.intp), labels)


def _seen(material: LearnerInputs, rows: npt.NDArray[np.intp]) -> Images | Floats:
    return material.inputs[rows] if material.features is None else material.features[rows, 0]


def _counts(
    context: TrialContext, chosen: npt.NDArray[np.intp], filling: SyntheticImages | None
) -> list[tuple[int, int]]:
    """(real, new) training images of each class."""
    n = len(context.classes)
    real = np.bincount(context.material.labels[chosen], minlength=n)
    new = np.bincount(filling.labels, minlength=n) if filling else np.zeros(n, np.intp)
    return list(zip(real.tolist(), new.tolist(), strict=True))
