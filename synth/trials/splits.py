"""Splits: the training images are divided again and again into a part to learn from and a part held out.

Images of a group, and those that show the same picture, stay on one side. With k folds each image is held out once in
every k splits; the next k splits deal the images anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.data.folds import Integers, folds_of, groups_of
from synth.records import Item
from synth.settings.trial import Trial

OWN_TEST = -1
"""Number of the split that the dataset came with."""


@dataclass(frozen=True)
class Split:
    """One division, by the places of the images in their list."""

    number: int
    train: npt.NDArray[np.intp]
    held_out: npt.NDArray[np.intp]


def splits_of(items: Sequence[Item], settings: Trial, *, seed: int) -> tuple[Split, ...]:
    """The splits of a trial; the same images give the same ones."""
    n_folds, groups = max(round(1 / settings.held_out), 2), groups_of(items)
    found = []
    for number in range(settings.splits):
        again = seeds.derived(seed, f"trial {number // n_folds}")
        out = folds_of(items, n_folds, seed=again, groups=groups) == number % n_folds
        out |= _beyond(items, groups, out, settings.keep, seed=seeds.derived(seed, f"kept {number}"))
        found.append(Split(number, np.flatnonzero(~out), np.flatnonzero(out)))
    return tuple(found)


def _beyond(
    items: Sequence[Item], groups: Integers, out: npt.NDArray[np.bool_], keep: Mapping[str, int], *, seed: int
) -> npt.NDArray[np.bool_]:
    """Images that are held out too, so that no more of a class than was asked for are left to learn from."""
    labels = np.array([item.label for item in items])
    beyond = np.zeros(len(items), bool)
    for label, n in keep.items():
        left = 0
        for group in _drawn(groups[(labels == label) & ~out], seed):
            members = (groups == group) & (labels == label) & ~out
            if left + members.sum() <= n:
                left += int(members.sum())
            else:
                beyond |= groups == group
    return beyond


def _drawn(groups: Integers, seed: int) -> Sequence[int]:
    found: Sequence[int] = np.random.default_rng(seed).permutation(np.unique(groups)).tolist()
    return found
