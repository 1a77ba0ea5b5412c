"""What the runs of a trial share: the images, the splits, and what is made for each split."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from synth import seeds
from synth.data.dataset import Dataset
from synth.data.folds import groups_of
from synth.records import Item
from synth.settings.recipe import Recipe
from synth.trials.arms import Arm
from synth.trials.learner_inputs import LearnerInputs, read_learner_inputs
from synth.trials.results import Outcome, TrialDesign
from synth.trials.splits import OWN_TEST, Split, SplitData, splits_of
from synth.workers import Progress


@dataclass(frozen=True)
class TrialContext:
    """Everything that a run needs; each worker gets it once."""

    recipe: Recipe
    classes: tuple[str, ...]
    items: tuple[Item, ...] = field(repr=False)
    inputs: LearnerInputs = field(repr=False)
    splits: tuple[Split, ...] = field(repr=False)
    """The last one holds out the dataset's own test images, if it has any."""
    data: tuple[SplitData, ...] = field(repr=False)
    """One for each split."""
    work: Path
    device: str
    warnings: tuple[str, ...] = ()
    """Of the splits, see `data.folds`."""

    @property
    def has_own_test(self) -> bool:
        """Whether the last split is that of the dataset's own test images."""
        return self.splits[-1].number == OWN_TEST

    @functools.cached_property
    def shares(self) -> dict[str, float] | None:
        """{class: its share where the classifier will be used}; None: as among the images held out."""
        wanted = self.recipe.trial.shares
        if wanted == "even":
            return dict.fromkeys(self.classes, 1 / len(self.classes))
        if wanted == "held out" or not self.has_own_test:
            return None
        counts = np.bincount(self.inputs.labels[self.splits[-1].held_out], minlength=len(self.classes))
        if wanted == "auto" and not counts.all():
            return None
        return dict(zip(self.classes, (counts / counts.sum()).tolist(), strict=True))


def open_context(
    dataset: Dataset, recipe: Recipe, work: Path, *, device: str, n_workers: int, progress: Progress | None
) -> TrialContext:
    """Split the training images, read all images, and give each split its own dataset, folder and seed."""
    train = [item for found in dataset.train.values() for item in found]
    test = [item for item in dataset.real if item.split == "test"]
    groups = groups_of(train)
    items, splits = (*train, *test), splits_of(train, recipe.trial, seed=recipe.seed, groups=groups.numbers)
    if test:
        splits += (Split(OWN_TEST, np.arange(len(train)), len(train) + np.arange(len(test))),)
    inputs = read_learner_inputs(
        items, dataset.classes, recipe, work=work, device=device, n_workers=n_workers, progress=progress
    )
    data = []
    for split in splits:
        own = tuple(items[place] for place in split.train.tolist())
        alone = dataclasses.replace(dataset, items=own, refused=(), findings=())
        folder = work / ("all" if split.number == OWN_TEST else f"split-{split.number}")
        data.append(SplitData(alone, folder, seeds.derived(recipe.seed, f"split {split.number}")))
    shared = recipe, dataset.classes, items, inputs, splits, tuple(data)
    return TrialContext(*shared, work, device, groups.warnings)


def design_of(context: TrialContext, arms: Sequence[Arm], outcomes: Sequence[Outcome]) -> TrialDesign:
    """Return what the verdict has to know of a trial with these arms and outcomes."""
    settings = context.recipe.trial
    numbers = {outcome.split for outcome in outcomes}
    ratio = np.mean([len(split.held_out) / len(split.train) for split in context.splits if split.number in numbers])
    facts = {
        "held_out": settings.held_out,
        "alpha": settings.alpha,
        "keep": dict(settings.keep),
        "backbone": context.recipe.classifier.backbone,
        "side": context.inputs.side,
        "asked": [arm.name for arm in arms],
        "shares": context.shares,
        "warnings": list(context.warnings) or None,
        "corrected_after_filling": [arm.name for arm in arms if arm.corrects_twice] or None,
    }
    return TrialDesign(context.classes, settings.control, tuple(arms), float(ratio), settings.alpha, facts)
