"""What `check` compares, real images of a dataset and synthetic images made here or elsewhere; and the judge."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synth.data.balance import check_classes
from synth.data.dataset import Dataset, open_dataset
from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError, UsageError
from synth.output.root_files import RECIPE
from synth.quality.samples import HELD_OUT, SYNTHETIC, TRAIN, ImageFile
from synth.records import PARENT_SPLIT
from synth.settings.recipe import Recipe, load_recipe
from synth.workers import Progress, duration

if TYPE_CHECKING:
    from synth.classifier.judge import Judge
    from synth.training.bundle import Bundle


@dataclass(frozen=True)
class Inputs:
    """Everything that a check compares."""

    dataset: Dataset
    recipe: Recipe
    images: tuple[ImageFile, ...]
    accepted: Mapping[str, float]
    """{class: accepted / attempted}; empty without a manifest."""


def read_inputs(out: Path, synthetic: Path | None, *, n_workers: int) -> Inputs:
    """List the images of a check; arguments as `check`.

    Raises:
        UsageError: no synthetic or no real images, or a class that the dataset does not have.
        DatasetError, ManifestError: a folder or a manifest can't be used.
    """
    recipe = _recipe_of(out) or (synthetic and _recipe_of(synthetic)) or Recipe()
    there = tuple(path for path in recipe.data.exclude if (out / path).is_file())  # a recipe may be that of other data
    dataset = open_dataset(out, recipe.data.model_copy(update={"exclude": there}), n_workers=n_workers)
    source, made, accepted = synthetic or out, list[ImageFile](), dict[str, float]()
    if (source / MANIFEST).is_file():
        made, accepted = _from_manifest(source)
    elif synthetic is not None:
        elsewhere = recipe.data.model_copy(update={"groups": "", "exclude": ()})  # its paths are not those of `out`
        items = open_dataset(synthetic, elsewhere, n_workers=n_workers).items
        made = [ImageFile(item.id, item.path, item.label, SYNTHETIC) for item in items]
    _check(dataset, made, source)
    kinds = {PARENT_SPLIT: TRAIN}
    real = [ImageFile(item.id, item.path, item.label, kinds.get(item.split, HELD_OUT)) for item in dataset.real]
    return Inputs(dataset, recipe, (*real, *made), accepted)


def _recipe_of(folder: Path) -> Recipe | None:
    """Return the recipe of an output of ours; None for another folder."""
    is_ours = (folder / MANIFEST).is_file() and (folder / RECIPE).is_file()
    return load_recipe(folder / RECIPE) if is_ours else None


def _from_manifest(folder: Path) -> tuple[list[ImageFile], dict[str, float]]:
    """Return the synthetic images that a manifest lists, and {class: accepted / attempted}."""
    images, attempted, accepted = [], Counter[str](), Counter[str]()
    for row in read_manifest(folder / MANIFEST):
        if not row.synthetic:
            continue
        attempted[row.label] += 1
        accepted[row.label] += row.verdict == "accepted"
        if row.path is not None:
            parents = tuple(parent["sha256"] for parent in row.parents if "sha256" in parent)
            images.append(ImageFile(row.id, str(folder / row.path), row.label, SYNTHETIC, parents))
    return images, {label: accepted[label] / n for label, n in attempted.items()}


def _check(dataset: Dataset, made: Sequence[ImageFile], source: Path) -> None:
    if not dataset.real:
        raise UsageError(f"{dataset.root} holds no real images: synth check DATA --synthetic {dataset.root}")
    if not made:
        raise UsageError(f"{source}: no synthetic image there; for images made elsewhere give --synthetic DIR")
    check_classes({image.label for image in made}, dataset.classes)


@contextlib.contextmanager
def open_judge_for(
    inputs: Inputs,
    judge: Judge | str | Path | None,
    *,
    keep: bool,
    n_workers: int,
    progress: Progress | None,
    say: Callable[[str], None] | None,
) -> Iterator[Judge]:
    """Open the judge of a check.

    Args:
        judge: an opened judge, or the folder of its bundle. None: that of the recipe if it is still there, else a
            reference classifier that is trained on the real training images.
        keep: keep a classifier that is trained here, beside the dataset.
        say: receives a message about a training before it starts.

    Raises:
        BundleError, UsageError: as `open_judge`. TrainingError, OutputError: as `train_classifier`.
    """
    from synth.classifier.judge import Judge, open_judge  # imports torch: a wrong folder is refused before
    from synth.training.bundle import INFO

    named = inputs.recipe.judge if (Path(inputs.recipe.judge) / INFO).is_file() else None
    if judge or named:
        yield judge if isinstance(judge, Judge) else open_judge(judge or named or "")
        return
    with contextlib.nullcontext() if keep else tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "judge" if folder else judge_folder(inputs.dataset.root)
        yield Judge(_train_judge(inputs, out, n_workers=n_workers, progress=progress, say=say))


def judge_folder(root: Path) -> Path:
    """Return the folder beside a dataset that keeps the judge which `check` trains on it."""
    real = Path(os.path.realpath(root))
    return real.with_name(f"{real.name}-judge")


def _train_judge(
    inputs: Inputs, out: Path, *, n_workers: int, progress: Progress | None, say: Callable[[str], None] | None
) -> Bundle:
    """Train the reference classifier, or open the one that an earlier check of the same images has kept."""
    from synth.runs.speed import stages_of, whole_progress
    from synth.runs.train import train
    from synth.training.bundle import CLASSIFIER

    # The seed of the run does not matter here: after a top-up with another seed, the judge is still the same.
    recipe, whole = inputs.recipe.model_copy(update={"seed": 0}), None
    items = [item for found in inputs.dataset.train.values() for item in found]
    if say and items and not out.exists():
        stages = stages_of(CLASSIFIER, items, recipe, n_workers=n_workers, device="auto")
        say(
            f"no judge was given, so one is trained first: about {duration(sum(stages.values()))}, and longer "
            f"if other programs run. The judge stays in {out}"
        )
        whole = whole_progress(progress, CLASSIFIER, stages) if progress else None
    try:
        return train(CLASSIFIER, inputs.dataset, recipe, out, n_workers=n_workers, progress=whole)
    except OutputError:
        if not out.exists():
            raise
        raise OutputError(f"{out} learned from other images or settings: give --judge, or move it away") from None
