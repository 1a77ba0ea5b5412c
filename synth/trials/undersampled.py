"""Undersampling in a trial: the real images of a split that an arm learns from, chosen once for all of its runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synth.classifier.frozen_features import Floats
from synth.files import new_file
from synth.records import Item
from synth.settings.recipe import Recipe
from synth.settings.undersampling import Undersample
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.splits import SplitData
from synth.undersampling.choice import select


def undersample_split(context: TrialContext, task: tuple[int, Arm]) -> None:
    """Choose the images of one arm for one split, as `synth undersample` does."""
    split, arm = task
    data = context.data[split]
    path = undersampled_path(data, arm)
    if path.exists():
        return
    place = {context.items[index].id: index for index in context.splits[split].train.tolist()}

    def features(items: Sequence[Item]) -> Floats:
        found = context.inputs.at(np.array([place[item.id] for item in items]))
        scale = 255 if found.dtype == np.uint8 else 1
        return (found.reshape(len(items), -1) / scale).astype(np.float32)

    settings = undersampling_of(context.recipe, arm)
    chosen = select(data.dataset.train, settings, seed=data.seed_of(arm), features=features)
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as file:
        np.save(file, np.array(sorted(place[item.id] for found in chosen.values() for item in found.kept), np.intp))


def undersampling_of(recipe: Recipe, arm: Arm) -> Undersample:
    """Return the settings of `synth undersample` that an arm stands for."""
    return recipe.undersample.model_copy(update={"method": arm.thin} | ({"size": arm.size} if arm.size else {}))


def undersampled_path(data: SplitData, arm: Arm) -> Path:
    """Return the file with the places of the chosen images; arms with the same undersampling share it."""
    path = data.path(arm, f"{arm.thin}@{arm.size or 'size'}")
    return path.with_name(f"{path.name}.npy")
