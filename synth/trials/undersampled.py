"""Undersampling in a trial: which real images of a split an arm learns from, chosen once for all of its runs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.classifier.linear_head import Floats
from synth.files import new_file
from synth.records import Item
from synth.settings.recipe import Recipe
from synth.settings.undersampling import Undersample
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.images import LearnerInputs
from synth.trials.split_data import SplitData, named, seed_of
from synth.undersampling.choice import select


def undersample_split(context: TrialContext, task: tuple[int, Arm]) -> None:
    """Choose them for one split, as `synth undersample` does."""
    split, arm = task
    part = context.parts[split]
    path = undersampled_path(part, arm)
    if path.exists():
        return
    place = {context.items[index].id: index for index in context.splits[split].train.tolist()}
    settings = undersampling_of(context.recipe, arm)
    looks = functools.partial(_looks, context.material, place)
    chosen = select(part.dataset.train, settings, seed=seed_of(part, arm), features=looks)
    places = np.array(sorted(place[item.id] for found in chosen.values() for item in found.kept), np.intp)
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as file:
        np.save(file, places)


def undersampling_of(recipe: Recipe, arm: Arm) -> Undersample:
    """The settings of `synth undersample` that an arm means."""
    return recipe.undersample.model_copy(update={"method": arm.thin} | ({"size": arm.size} if arm.size else {}))


def load_undersampled(part: SplitData, arm: Arm) -> npt.NDArray[np.intp]:
    """Places of the images that `undersample_split` chose."""
    places: npt.NDArray[np.intp] = np.load(undersampled_path(part, arm), allow_pickle=False)
    return places


def undersampled_path(part: SplitData, arm: Arm) -> Path:
    """Arms that thin alike have the same file."""
    return named(part, arm, f"{arm.thin}@{arm.size or 'size'}", ".npy")


def _looks(material: LearnerInputs, place: Mapping[str, int], items: Sequence[Item]) -> Floats:
    """What tells images apart when clusters are sought: features, or pixels."""
    rows = [place[item.id] for item in items]
    if material.features is not None:
        return material.features[rows, 0]
    return (material.inputs[rows].reshape(len(rows), -1) / 255).astype(np.float32)
