"""Splits: the training images are divided again and again into a part to train on and a part held out.

Images of one group, and images that show the same picture, stay on one side. With k folds, each image is held out once
in every k splits; the next k splits divide the images anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.data.dataset import Dataset
from synth.data.folds import Integers, folds_of, groups_of
from synth.errors import TrainingError
from synth.records import Item
from synth.settings.trial import Trial
from synth.trials.arms import Arm

OWN_TEST = -1
"""Number of the split that the dataset came with."""


@dataclass(frozen=True)
class Split:
    """One division of the images, as indices into their list."""

    number: int
    train: npt.NDArray[np.intp]
    held_out: npt.NDArray[np.intp]


@dataclass(frozen=True)
class SplitData:
    """The training images of a split, and the folder of everything that is made from them."""

    dataset: Dataset
    folder: Path
    seed: int

    def path(self, arm: Arm, name: str) -> Path:
        """Return the path of a result of an arm's random draws, without suffix."""
        return self.folder / (name.replace(":", ".") + (f"-{arm.draw}" if arm.draw > 1 else ""))

    def seed_of(self, arm: Arm) -> int:
        """Return the seed of an arm's random draws."""
        return seeds.derived(self.seed, f"draw {arm.draw}") if arm.draw > 1 else self.seed


def splits_of(
    items: Sequence[Item], settings: Trial, *, seed: int, groups: Integers | None = None
) -> tuple[Split, ...]:
    """Return the splits of a trial; the same images give the same splits.

    Args: groups: (n,) images with the same number stay on one side; None: as `groups_of` finds them.

    Raises:
        TrainingError: all images are one group.
    """
    groups = groups_of(items).numbers if groups is None else groups
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise TrainingError(f"all {len(items)} training images show one picture: a trial can hold none of them out")
    n_folds = min(max(round(1 / settings.held_out), 2), n_groups)
    found = []
    for number in range(settings.splits):
        again = seeds.derived(seed, f"trial {number // n_folds}")
        held_out = folds_of(items, n_folds, seed=again, groups=groups) == number % n_folds
        held_out |= _surplus(items, groups, held_out, settings.keep, seed=seeds.derived(seed, f"kept {number}"))
        found.append(Split(number, np.flatnonzero(~held_out), np.flatnonzero(held_out)))
    return tuple(found)


def _surplus(
    items: Sequence[Item], groups: Integers, held_out: npt.NDArray[np.bool_], keep: Mapping[str, int], *, seed: int
) -> npt.NDArray[np.bool_]:
    """Mark the images that are held out too, so that no class trains on more images than `keep` allows."""
    labels = np.array([item.label for item in items])
    surplus = np.zeros(len(items), bool)
    for label, n in keep.items():
        kept = 0
        available = (labels == label) & ~held_out
        for group in np.random.default_rng(seed).permutation(np.unique(groups[available])):
            size = int((available & (groups == group)).sum())
            if kept + size <= n:
                kept += size
            else:
                surplus |= groups == group
    return surplus
