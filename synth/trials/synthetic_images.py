"""The synthetic images of an arm in a split, made from the split's own training images alone.

    FOLDER/smote@2x/      an output of `generate` with the new images alone
    FOLDER/smote@2x.npz   the same images as the learner sees them; it is written last

The generator and its networks never get an image that the split holds out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.classifier.frozen_features import Floats, extract_features
from synth.data import images
from synth.data.balance import targets_of
from synth.data.dataset import Dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.data.network_input import network_input
from synth.errors import GeneratorError, TrainingError, UsageError
from synth.files import new_file
from synth.generators.base import Context
from synth.generators.registry import open_generator
from synth.output.root_files import SUMMARY
from synth.runs.generate import generate
from synth.runs.settle import plan_for
from synth.settings.recipe import Output, Recipe, multiple_of, parse_target
from synth.training.batches import Images
from synth.trials.arms import Arm
from synth.trials.context import TrialContext
from synth.trials.networks import bundle_path, generator_network, is_judged
from synth.trials.splits import SplitData


@dataclass(frozen=True)
class SyntheticImages:
    """The new images of an arm."""

    inputs: Images
    """(M, S, S, 3)."""
    labels: npt.NDArray[np.intp]
    """(M,) class numbers."""
    stopped: Mapping[str, str]
    """{class: why it got no images, or fewer than planned}."""
    features: Floats | None = None
    """(M, F) if the learner sees features."""


def fill_split(context: TrialContext, task: tuple[int, Arm]) -> None:
    """Make the new images of one arm for one split as `synth generate` does, and read them as the learner sees them."""
    split, arm = task
    data, recipe, extractor = context.data[split], context.recipe, context.inputs.extractor
    path = images_path(data, arm)
    if path.exists():
        return
    data.folder.mkdir(parents=True, exist_ok=True)
    out = path.with_suffix("")
    try:
        settings = recipe_of(data, recipe, arm)
        possible, stopped = _possible(data.dataset, settings)
        if possible:
            generate(data.dataset, None, settings.model_copy(update={"classes": possible}), out)
    except (GeneratorError, TrainingError) as error:
        stopped = dict.fromkeys(data.dataset.classes, str(error))
    inputs, labels = _read(out, data.dataset, recipe, context.inputs.side)
    stopped |= _shortfalls(out)
    arrays: dict[str, Any] = {"inputs": inputs, "labels": labels, "stopped": np.array(json.dumps(stopped))}
    if extractor is not None:
        empty = np.empty((0, extractor.n_features), np.float32)
        arrays["features"] = extract_features(extractor, inputs) if len(inputs) else empty
    with new_file(path) as file:
        np.savez(file, **arrays)


def load_images(data: SplitData, arm: Arm) -> SyntheticImages:
    """Return the images that `fill_split` made."""
    with np.load(images_path(data, arm), allow_pickle=False) as arrays:
        stopped = json.loads(str(arrays["stopped"]))
        return SyntheticImages(arrays["inputs"], arrays["labels"], stopped, arrays.get("features"))


def images_path(data: SplitData, arm: Arm) -> Path:
    """Return the file of an arm's new images; arms with the same new images share it."""
    folder = data.path(arm, f"{arm.fill}@{arm.dose or 'target'}")
    return folder.with_name(f"{folder.name}.npz")


def recipe_of(data: SplitData, recipe: Recipe, arm: Arm) -> Recipe:
    """Return the recipe of an arm's new images, with the split's own networks.

    Raises:
        TrainingError: a network that it needs could not be trained.
    """
    network = generator_network(arm, recipe)
    return recipe.model_copy(
        update={
            "method": arm.fill,
            "target": _target(arm.dose, data.dataset) if arm.dose else recipe.target,
            "seed": data.seed_of(arm),
            "bundle": bundle_path(data, network, needed=True) if network else "",
            "judge": bundle_path(data, "classifier") if is_judged(arm, recipe) else "",
            "output": Output(only_new=True),
        }
    )


def check_dose(dataset: Dataset, recipe: Recipe, arm: Arm) -> None:
    """Check the number of new images of an arm before anything is trained.

    Raises:
        UsageError: the dose is no word, number or multiple that a target can be.
    """
    if arm.dose:
        plan_for(dataset, recipe.model_copy(update={"target": _target(arm.dose, dataset)}))


def _target(dose: str, dataset: Dataset) -> int | str | dict[str, int]:
    """A multiple counts each class's own images, up to the size of the largest class: doses are steps to balance."""
    if multiple_of(dose) is None:
        return parse_target(dose)
    counts = dataset.train_counts
    return {label: min(total, max(counts.values())) for label, total in targets_of(dose, counts).items()}


def _possible(dataset: Dataset, recipe: Recipe) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the classes that the generator can make images of, and {other class: why it can't}."""
    planned = plan_for(dataset, recipe).new
    generator = open_generator(Context(recipe, dataset.train))
    refused: dict[str, str] = {}
    for label in planned:
        try:
            generator.check(label)
        except UsageError as error:
            refused[label] = str(error)
    return tuple(label for label in planned if label not in refused), refused


def _read(out: Path, dataset: Dataset, recipe: Recipe, side: int) -> tuple[Images, npt.NDArray[np.intp]]:
    inputs, labels = [np.empty((0, side, side, 3), np.uint8)], []
    for row in read_manifest(out / MANIFEST) if out.exists() else ():
        if row.synthetic and row.path is not None:
            _, decoded = images.read(out / row.path, recipe.data, levels=dataset.levels)
            inputs.append(network_input(decoded.pixels, side)[None])
            labels.append(dataset.classes.index(row.label))
    return np.concatenate(inputs), np.array(labels, np.intp)


def _shortfalls(out: Path) -> dict[str, str]:
    """Return {class: why the gates let through fewer images than planned}."""
    if not out.exists():
        return {}
    entries: Mapping[str, Any] = json.loads((out / SUMMARY).read_text("utf-8"))["classes"]
    return {
        label: entry["note"] or f"{entry['accepted']} of {entry['planned']} planned images passed the gates"
        for label, entry in entries.items()
        if entry["short"] > 0
    }
