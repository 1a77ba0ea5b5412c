"""What the arms of a split are made of, all of it from the split's own training images: networks, then new images.

    FOLDER/classifier, autoencoder, gan   bundles, those that the arms need
    FOLDER/smote@2x/                      an output of `generate` that holds the new images alone
    FOLDER/smote@2x.npz                   the same as a classifier sees them; where this stands, all of it is done

Images that the split holds out are not in the dataset that a network or generator is given.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synth import seeds
from synth.classifier.frozen_features import FeatureExtractor, extract_features
from synth.classifier.linear_head import Floats
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
from synth.records import Item
from synth.runs.generate import generate
from synth.runs.settle import plan_for
from synth.runs.train import train
from synth.settings.recipe import Output, Recipe, multiple_of, parse_target
from synth.training.batches import Images
from synth.trials.arms import Arm
from synth.workers import Progress

NETWORKS = ("classifier", "autoencoder", "gan")
"""In the order in which they are trained."""
BEFORE: Mapping[str, tuple[str, ...]] = {"gan": ("classifier", "autoencoder")}
"""Networks with which another begins."""


@dataclass(frozen=True)
class SplitData:
    """The training images of a split, and the folder for all that is made of them."""

    dataset: Dataset
    folder: Path
    seed: int


@dataclass(frozen=True)
class SyntheticImages:
    """The new images of an arm."""

    inputs: Images
    """(M, S, S, 3)."""
    labels: npt.NDArray[np.intp]
    stopped: Mapping[str, str]
    """{class: why it got no images, or fewer than planned}."""
    features: Floats | None = None
    """(M, F), where the classifier sees those."""


def part_of(dataset: Dataset, items: Sequence[Item], folder: Path, *, seed: int) -> SplitData:
    """A dataset of these images alone."""
    alone = dataclasses.replace(dataset, items=tuple(items), refused=(), warnings=(), synthetic={})
    return SplitData(alone, folder, seed)


def networks_of(arms: Sequence[Arm], recipe: Recipe) -> tuple[str, ...]:
    """The networks that the arms need in each split, in the order in which they are trained."""
    methods = {method for arm in arms if arm.fill for method in _methods(arm, recipe)}
    needed = {"gan"} & methods
    if "smote" in methods and recipe.smote.space == "latent" and "gan" not in methods:
        needed.add("autoencoder")
    if any(_is_judged(arm, recipe) for arm in arms):
        needed.add("classifier")
    needed |= {name for network in tuple(needed) for name in BEFORE.get(network, ())}
    return tuple(name for name in NETWORKS if name in needed)


def train_network(
    part: SplitData, recipe: Recipe, name: str, *, device: str, n_workers: int = 1, progress: Progress | None = None
) -> None:
    """Train one of a split's networks, or go on with it.

    What can't be trained on this data leaves a note in its place, and the arms that need it go without.
    """
    out = part.folder / name
    if is_trained(part, name):
        return
    part.folder.mkdir(parents=True, exist_ok=True)
    begin = {"bundle": "", "judge": "", "seed": part.seed}
    if name == "gan":
        begin |= {"bundle": _bundle(part, "autoencoder"), "judge": _bundle(part, "classifier")}
    try:
        settled = recipe.model_copy(update=begin)
        train(name, part.dataset, settled, out, n_workers=n_workers, device=device, progress=progress)
    except TrainingError as error:
        _note_of(out).write_text(str(error), "utf-8")


def is_trained(part: SplitData, name: str) -> bool:
    """Is there nothing left to train? So it is, too, where it can't be."""
    out = part.folder / name
    return out.exists() or _note_of(out).exists()


def fill(part: SplitData, recipe: Recipe, arm: Arm, *, side: int, extraction: FeatureExtractor | None) -> None:
    """Make an arm's new images through the gates, as `synth generate` does, and read them as the classifier will."""
    path = filling_path(part, arm)
    if path.exists():
        return
    part.folder.mkdir(parents=True, exist_ok=True)
    out = path.with_suffix("")
    try:
        settings = recipe_for(part, recipe, arm)
        possible, stopped = _possible(part, settings)
        if possible:
            generate(part.dataset, None, settings.model_copy(update={"classes": possible}), out)
    except (GeneratorError, TrainingError) as error:
        stopped = dict.fromkeys(part.dataset.classes, str(error))
    inputs, labels = _read(out, part.dataset.classes, recipe, side)
    stopped |= _shortfalls(out)
    arrays = {"inputs": inputs, "labels": labels, "stopped": np.array(json.dumps(stopped))}
    if extraction is not None:
        arrays["features"] = (
            extract_features(extraction, inputs) if len(inputs) else np.empty((0, extraction.n_features), np.float32)
        )
    with new_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def check_dose(dataset: Dataset, recipe: Recipe, arm: Arm) -> None:
    """Refuse a number of new images that makes no sense, before anything is trained.

    Raises:
        UsageError: no word, number or multiple.
    """
    if arm.dose:
        plan_for(dataset, recipe.model_copy(update={"target": _dosed(arm.dose, dataset)}))


def load_filling(part: SplitData, arm: Arm) -> SyntheticImages:
    """What `fill` made."""
    with np.load(filling_path(part, arm), allow_pickle=False) as arrays:
        features = arrays.get("features")
        return SyntheticImages(arrays["inputs"], arrays["labels"], json.loads(str(arrays["stopped"])), features)


def filling_path(part: SplitData, arm: Arm) -> Path:
    """Arms with the same new images have the same file."""
    return named(part, arm, f"{arm.fill}@{arm.dose or 'target'}", ".npz")


def named(part: SplitData, arm: Arm, words: str, suffix: str) -> Path:
    """Where something lies that the draws of an arm gave."""
    draw = f"-{arm.draw}" if arm.draw > 1 else ""
    return part.folder / f"{words.replace(':', '.')}{draw}{suffix}"


def seed_of(part: SplitData, arm: Arm) -> int:
    """Of the draws of an arm."""
    return seeds.derived(part.seed, f"draw {arm.draw}") if arm.draw > 1 else part.seed


def tick_path(part: SplitData, name: str) -> Path:
    """Where the training of a network tells how far it is."""
    return part.folder / f"{name}.tick"


def _methods(arm: Arm, recipe: Recipe) -> tuple[str, ...]:
    return recipe.model_copy(update={"method": arm.fill}).methods


def _is_judged(arm: Arm, recipe: Recipe) -> bool:
    if recipe.trial.judge != "auto":
        return bool(arm.fill) and recipe.trial.judge == "on"
    return any(method == "gan" or ":" in method for method in _methods(arm, recipe))


def recipe_for(part: SplitData, recipe: Recipe, arm: Arm) -> Recipe:
    """The recipe of an arm's new images, with the split's own networks.

    Raises:
        TrainingError: a network that it needs could not be trained.
    """
    methods, bundle = _methods(arm, recipe), ""
    if "gan" in methods:
        bundle = _bundle(part, "gan", needed=True)
    elif "smote" in methods and recipe.smote.space == "latent":
        bundle = _bundle(part, "autoencoder", needed=True) or _bundle(part, "gan", needed=True)
    return recipe.model_copy(
        update={
            "method": arm.fill,
            "target": _dosed(arm.dose, part.dataset) if arm.dose else recipe.target,
            "seed": seed_of(part, arm),
            "bundle": bundle,
            "judge": _bundle(part, "classifier") if _is_judged(arm, recipe) else "",
            "output": Output(only_new=True),
        }
    )


def _dosed(dose: str, dataset: Dataset) -> int | str | dict[str, int]:
    """A multiple is one of each class's own images, up to the largest class: doses are steps on the way to balance."""
    if multiple_of(dose) is None:
        return parse_target(dose)
    counts = {label: len(items) for label, items in dataset.train.items()}
    return {label: min(total, max(counts.values())) for label, total in targets_of(dose, counts).items()}


def _bundle(part: SplitData, name: str, *, needed: bool = False) -> str:
    """Where a network of the split lies; empty where there is none.

    Raises:
        TrainingError: it is needed, and could not be trained.
    """
    out = part.folder / name
    if needed and _note_of(out).exists():
        raise TrainingError(_note_of(out).read_text("utf-8"))
    return str(out) if out.exists() else ""


def _note_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.failed")


def _possible(part: SplitData, recipe: Recipe) -> tuple[tuple[str, ...], dict[str, str]]:
    """The classes that get images, and why others can't."""
    planned = plan_for(part.dataset, recipe).new
    generator = open_generator(Context(recipe, part.dataset.train))
    refused: dict[str, str] = {}
    for label in planned:
        try:
            generator.check(label)
        except UsageError as error:
            refused[label] = str(error)
    return tuple(label for label in planned if label not in refused), refused


def _read(out: Path, classes: Sequence[str], recipe: Recipe, side: int) -> tuple[Images, npt.NDArray[np.intp]]:
    pictures, labels = [np.empty((0, side, side, 3), np.uint8)], []
    rows = read_manifest(out / MANIFEST) if out.exists() else ()
    for row in rows:
        if row.synthetic and row.path is not None:
            _, decoded = images.read(
                out / row.path, max_pixels=recipe.data.max_pixels, background=recipe.data.background
            )
            pictures.append(network_input(decoded.pixels, side)[None])
            labels.append(classes.index(row.label))
    return np.concatenate(pictures), np.array(labels, np.intp)


def _shortfalls(out: Path) -> dict[str, str]:
    """Classes that the gates kept from what was planned."""
    if not out.exists():
        return {}
    entries: Mapping[str, Any] = json.loads((out / SUMMARY).read_text("utf-8"))["classes"]
    return {
        label: entry["note"] or f"{entry['accepted']} of {entry['planned']} planned images passed the gates"
        for label, entry in entries.items()
        if entry["short"] > 0
    }
