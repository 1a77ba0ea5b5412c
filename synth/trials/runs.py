"""Runs: each trains one learner by the strategy of an arm and predicts the held-out images of a split.

The result of a run is a file of its own, so that a trial that was killed repeats no run.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth import seeds
from synth.classifier.learner import TrainingFeatures, TrainingImages, TrainingStrategy, train_learner
from synth.classifier.losses import Objective
from synth.files import new_file
from synth.training.batches import safe_policy
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.results import Outcome
from synth.trials.synthetic_images import load_images
from synth.trials.undersampled import undersampled_path


@dataclass(frozen=True)
class Run:
    """One training."""

    arm: Arm
    split: int
    """Place of the split in the context."""
    seed: int
    steps: int


def do_run(context: TrialContext, run: Run) -> None:
    """Train a learner, predict the images held out, and write the results to the run's file."""
    path = _path(context, run)
    if path.exists():
        return
    arm, split, data = run.arm, context.splits[run.split], context.data[run.split]
    pool, n_real = _pool(context, run)
    learner = train_learner(
        pool,
        TrainingStrategy(Objective(arm.objective, arm.scheme), balanced=arm.balanced, online=arm.online),
        settings=context.recipe.classifier,
        policy=safe_policy(context.recipe),
        n_classes=len(context.classes),
        steps=run.steps,
        seed=seeds.derived(data.seed, f"classifier {run.seed}, draw {arm.draw}"),
        device=context.device,
    )
    parts = (pool.labels[:n_real], pool.labels[n_real:])
    counts = [np.bincount(labels, minlength=len(context.classes)) for labels in parts]
    results = {
        "probabilities": learner.probabilities(context.inputs.at(split.held_out)),
        "fitted": learner.balanced_accuracy(context.inputs.at(split.train), context.inputs.labels[split.train]),
        "images": np.stack(counts, axis=1),
    }
    path.parent.mkdir(exist_ok=True)
    with new_file(path) as file:
        np.savez(file, **results)  # type: ignore[arg-type]


def outcome_of(context: TrialContext, run: Run) -> Outcome:
    """Return the results that `do_run` wrote."""
    split = context.splits[run.split]
    with np.load(_path(context, run), allow_pickle=False) as arrays:
        return Outcome(
            run.arm.name,
            split.number,
            run.seed,
            run.steps,
            context.inputs.labels[split.held_out],
            arrays["probabilities"],
            float(arrays["fitted"]),
            dict(zip(context.classes, map(tuple, arrays["images"].tolist()), strict=True)),
            load_images(context.data[run.split], run.arm).stopped if run.arm.fill else {},
            context.shares,
        )


def is_done(context: TrialContext, run: Run) -> bool:
    """Whether the results of a run are there."""
    return _path(context, run).exists()


def _path(context: TrialContext, run: Run) -> Path:
    words = json.dumps([run.arm.name, context.splits[run.split].number, run.seed, run.steps])
    return context.work / "runs" / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.npz"


def _pool(context: TrialContext, run: Run) -> tuple[TrainingImages | TrainingFeatures, int]:
    """Return what a run learns from, real images first, and the number of real images."""
    data, inputs = context.data[run.split], context.inputs
    chosen = context.splits[run.split].train
    if run.arm.thin:
        chosen = np.load(undersampled_path(data, run.arm), allow_pickle=False)
    new = load_images(data, run.arm) if run.arm.fill else None
    labels = np.concatenate([inputs.labels[chosen], *([new.labels] if new else [])])
    if inputs.features is None:
        images = np.concatenate([inputs.images[chosen], *([new.inputs] if new else [])])
        return TrainingImages(images, labels), len(chosen)
    _, n_variants, n_features = inputs.features.shape
    rows = [inputs.features[chosen].reshape(-1, n_features)]
    rows += [new.features] if new is not None and new.features is not None else []
    owned = np.where(np.arange(len(labels)) < len(chosen), n_variants, 1)
    return TrainingFeatures(np.concatenate(rows), np.cumsum(owned) - owned, owned, labels), len(chosen)
